"""Checks for quality problems, duplicates and inconsistent photographs of a patient."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._warn import warn

_SHOWN = 5
# Limits of ratios to the median of the other photographs, and of degrees.
_DIAMETERS, _STAINS, _HUES = 1.25, 1.6, 25.0


def first_places(digests: Sequence[bytes]) -> list[int]:
    """Return the index of the first photograph with the same pixels, for each."""
    first: dict[bytes, int] = {}
    return [first.setdefault(digest, at) for at, digest in enumerate(digests)]


def unlike_others(photos: pd.DataFrame) -> list[str]:
    """Return the measures by which each photograph differs from its patient's."""
    unlike = pd.Series("", index=photos.index, dtype=object)
    if "patient" not in photos:
        return unlike.tolist()
    for _, rows in photos[photos["problem"] == ""].groupby("patient", sort=False):
        for row in rows.index:
            others = rows.drop(row)
            if len(others):
                unlike[row] = ", ".join(_differences(photos.loc[row], others))
    return unlike.tolist()


def _differences(photo: pd.Series, others: pd.DataFrame) -> list[str]:
    found = []
    for measure, most in (("diameter", _DIAMETERS), ("stain", _STAINS)):
        ratio = photo[measure] / others[measure].median()
        if not 1 / most <= ratio <= most:
            found.append(measure)
    # Hue is circular.
    turned = (others["hue"] - photo["hue"] + 180) % 360 - 180
    if abs(turned.median()) > _HUES:
        found.append("hue")
    return found


def report_odd_photos(
    photos: pd.DataFrame, first: Sequence[int], on_problem: str
) -> None:
    """Warn of problems of photographs, or raise for quality problems.

    `first` is the result of `first_places`.
    """
    bad = photos[photos["problem"] != ""]
    if len(bad):
        text = (
            f"{len(bad)} of {len(photos)} photograph(s) cannot be judged: "
            f"{_some(bad['name'] + ' (' + bad['problem'] + ')')}."
        )
        if on_problem == "raise":
            raise ValueError(f"{text} Pass on_problem='warn' to leave out their cells.")
        kept = "found all the same" if on_problem == "keep" else "left out"
        warn(f"{text} Their cells are {kept}.")
    twice = photos[np.arange(len(photos)) != first]
    if len(twice):
        warn(
            f"{len(twice)} photograph(s) have the same pixels as another one, so their "
            f"cells are counted more than once: {_some(twice['name'])}."
        )
    unlike = photos[photos["unlike_others"] != ""]
    if len(unlike):
        warn(
            f"{len(unlike)} photograph(s) differ from the others of their patient: "
            f"{_some(unlike['name'] + ' (' + unlike['unlike_others'] + ')')}. Check "
            "that they are of the same smear and magnification."
        )
    if "patient" in photos:
        _warn_of_shared(photos, photos["patient"].to_numpy()[list(first)])


def _warn_of_shared(photos: pd.DataFrame, patients: NDArray[Any]) -> None:
    """Warn of identical photographs of different patients."""
    texts = [
        f"{name} (patients {first!s} and {patient!s})"
        for name, first, patient in zip(
            photos["name"], patients, photos["patient"], strict=True
        )
        if first != patient
    ]
    if texts:
        warn(
            f"{len(texts)} photograph(s) belong to several patients: {_some(texts)}. "
            "At least one patient is wrong."
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
