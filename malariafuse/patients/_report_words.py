"""Numbers, names and sentences of a report."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from malariafuse._reports import NOT_KNOWN, between, heading, percent, value
from malariafuse.patients._result import PatientResult

_COUNTS = ("n_cells", "n_flagged", "n_counted")
_QUALITY = ("diameter", "sharpness", "stain", "brightness", "evenness")
_NOTES = ("same_as", "unlike_others")

_CLASSES = {
    "none": "no parasitemia",
    "below 4 %": "below 4 %",
    "hyperparasitemia": "hyperparasitemia (4 % or more)",
    "severe": "severe (above 10 %)",
}


def density(number: float) -> str:
    """Return a number per microliter with three significant digits."""
    return NOT_KNOWN if np.isnan(number) else f"{float(f'{number:.3g}'):,.0f}"


def file_name(name: Any) -> str:
    """Return the last part of a path, because folders may contain names of people."""
    text = str(name)
    return PureWindowsPath(PurePosixPath(text).name).name or text


def file_names(names: Any) -> list[str]:
    """Return a unique name for each photograph."""
    short = [file_name(name) for name in names]
    return [
        f"{name} (photograph {place})" if short.count(name) > 1 else name
        for place, name in enumerate(short, start=1)
    ]


def without_folders(text: str, names: list[str]) -> str:
    """Return a message without the folders of photographs."""
    folders = {name.removesuffix(file_name(name)) for name in names}
    for folder in sorted(folders, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, "")
    return text


def who_words(result: PatientResult) -> str:
    """Return the WHO class in words."""
    if np.isnan(result.fraction):
        return NOT_KNOWN
    return _CLASSES[result.who_class]


def explain(result: PatientResult) -> str:
    """Return the explanation of the verdict."""
    counted = (
        f"{result.n_counted:,} of {result.n_cells:,} red cells reach the threshold of "
        f"the patient test, {result.threshold:.4g}"
    )
    if result.verdict == "infected":
        return (
            f"{counted}. This is more than false alarms can explain: {result.needed:,} "
            'cells are enough for the verdict "infected".'
        )
    if result.verdict == "review":
        return (
            f"{counted}. This is more than in most uninfected patients, but less than "
            f'the {result.needed:,} cells required for the verdict "infected". A '
            "person should review the cells below."
        )
    if result.verdict == "not infected":
        return (
            f"{counted}, which false alarms can explain. These cells give no evidence "
            "of an infection. A few parasites may have been missed."
        )
    if not result.n_cells:
        return "No red cell was found in the photographs."
    return (
        f"{result.n_cells:,} red cells in photographs without a quality problem are "
        "too few for a verdict."
    )


def photo_table(
    photos: pd.DataFrame, names: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of the table of photographs.

    The columns are the name of the photograph, its quality problem, counts and quality
    measures, and notes if a photograph has one.
    """
    columns = {"Photograph": names}
    if "problem" in photos:
        columns["Problem"] = [
            "none" if pd.isna(item) or not str(item) else str(item)
            for item in photos["problem"]
        ]
    for column in _COUNTS:
        if column in photos:
            columns[heading(column)] = [value(item) for item in photos[column]]
    if {"fraction", "low", "high"} <= set(photos):
        columns["Parasitemia, %"] = [
            f"{percent(share)} ({words})"
            if (words := between(percent(low), percent(high)))
            else NOT_KNOWN
            for share, low, high in photos[["fraction", "low", "high"]].itertuples(
                index=False
            )
        ]
    for column in _QUALITY:
        if column in photos:
            columns[heading(column)] = [value(item) for item in photos[column]]
    for column in _NOTES:
        if column in photos and (photos[column] != "").any():
            columns[heading(column)] = [file_name(item) for item in photos[column]]
    if {"height", "width"} <= set(photos):
        columns["Pixels"] = [
            f"{width} \N{MULTIPLICATION SIGN} {height}"
            for height, width in photos[["height", "width"]].itertuples(index=False)
        ]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return list(columns), rows
