"""Numbers and names as a report shows them."""

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from malariafuse.patients._result import PatientResult

NOT_KNOWN = "\N{EN DASH}"
_FEW_NUMBERS = 6

_HEADINGS = {
    "n_cells": "Red cells",
    "n_flagged": "Left out",
    "n_counted": "Counted",
    "diameter": "Cell diameter, pixels",
    "f1": "F1",
    "mcc": "MCC",
    "auc": "ROC AUC",
    "roc_auc": "ROC AUC",
}
_COUNTS = ("n_cells", "n_flagged", "n_counted")
_QUALITY = ("diameter", "sharpness", "stain", "brightness", "evenness")
_NOTES = ("same_as", "unlike_others")

_CLASSES = {
    "none": "no parasitemia",
    "below 4 %": "below 4 %",
    "hyperparasitemia": "hyperparasitemia (4 % or more)",
    "severe": "severe (above 10 %)",
}


def percent(share: float) -> str:
    """Return a share in percent, with two decimals, and three below 0.1 %."""
    if np.isnan(share):
        return NOT_KNOWN
    decimals = 3 if 0 < share < 0.001 else 2
    return f"{100 * share:.{decimals}f}"


def density(number: float) -> str:
    """Return a number per microliter, to three significant digits."""
    return NOT_KNOWN if np.isnan(number) else f"{float(f'{number:.3g}'):,.0f}"


def between(low: str, high: str) -> str:
    """Return the words of an interval, none for one that is not known."""
    return "" if NOT_KNOWN in (low, high) else f"{low} to {high}"


def file_name(name: Any) -> str:
    """Return the last part of a path: folders may name patients or people."""
    text = str(name)
    return PureWindowsPath(PurePosixPath(text).name).name or text


def file_names(names: Any) -> list[str]:
    """Return a name for each photograph, no two of which are the same."""
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


def heading(name: Any) -> str:
    """Return the heading of a column, or of an entry of a model card."""
    text = str(name).replace("_", " ").strip()
    return _HEADINGS.get(str(name)) or text[:1].upper() + text[1:]


def value(item: Any) -> str:
    """Return a value of a table in words."""
    if isinstance(item, bool | np.bool_):
        return "yes" if item else "no"
    if isinstance(item, float | np.floating):
        number = float(item)
        if not np.isfinite(number):
            return NOT_KNOWN
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    if isinstance(item, int | np.integer):
        return f"{item:,}"
    if item is None or item is pd.NA or item is pd.NaT:
        return NOT_KNOWN
    return str(item)


def who_words(result: PatientResult) -> str:
    """Return the class of the WHO in words."""
    if np.isnan(result.fraction):
        return NOT_KNOWN
    return _CLASSES[result.who_class]


def explain(result: PatientResult) -> str:
    """Return why the verdict is the one that it is."""
    counted = (
        f"{result.n_counted:,} of {result.n_cells:,} red cells reach the threshold of "
        f"{result.threshold:.4g}"
    )
    if result.verdict == "infected":
        return (
            f"{counted}. That is more than false alarms explain: {result.needed:,} "
            "would have been enough."
        )
    if result.verdict == "review":
        return (
            f"{counted}. That is more than in most uninfected patients, and less than "
            f'the {result.needed:,} that make the verdict "infected". A person should '
            "look at the cells below."
        )
    if result.verdict == "not infected":
        return (
            f"{counted}, as false alarms explain. Nothing speaks for an infection in "
            "these cells; few parasites may be missed."
        )
    if not result.n_cells:
        return "No red cell was found in the photographs."
    return (
        f"{result.n_cells:,} red cells in photographs that can be judged are too few "
        "for an answer."
    )


def photo_table(
    photos: pd.DataFrame, names: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of the table of photographs.

    The name of the photograph comes first, then its problem, then counts and measures
    of quality. Notes have a column where a photograph has one.
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


def card_parts(card: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a reader of the model card needs first, and the rest."""
    rest = {
        name: item
        for name, item in card.items()
        if name not in ("references", "format")
    }
    first = {
        name: rest.pop(name)
        for name in (
            "task",
            "intended_use",
            "limits",
            "training_data",
            "protocol",
            "threshold",
            "out_of_fold",
        )
        if name in rest
    }
    out_of_fold = first.get("out_of_fold")
    if isinstance(out_of_fold, Mapping):
        first["out_of_fold"] = {
            name: item for name, item in out_of_fold.items() if name != "adaptation"
        }
        if "adaptation" in out_of_fold:
            rest["adaptation"] = out_of_fold["adaptation"]
    return _plain(first), _plain(rest)


def _plain(item: Any, name: str = "") -> Any:
    """Return nested dicts, lists of text, and text."""
    if isinstance(item, Mapping):
        return {
            heading(key): _interval(each)
            if name == "measures" and _is_interval(each)
            else _plain(each, str(key))
            for key, each in item.items()
        }
    if isinstance(item, list | tuple):
        if all(isinstance(each, str) for each in item):
            return list(item)
        if len(item) > _FEW_NUMBERS:
            return f"{len(item)} values"
        return ", ".join(str(_plain(each)) for each in item)
    return value(item)


def _is_interval(item: Any) -> bool:
    return (
        isinstance(item, list | tuple)
        and len(item) == 3
        and all(isinstance(each, int | float) for each in item)
    )


def _interval(item: Any) -> str:
    middle, low, high = (f"{each:.3f}" for each in item)
    return f"{middle} ({low} to {high})"
