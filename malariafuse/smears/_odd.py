"""Photographs that cannot be judged, are there twice or do not fit their patient."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._warn import warn

_SHOWN = 5
# Ratios to the median of the other photographs, and degrees.
_DIAMETERS, _STAINS, _HUES = 1.25, 1.6, 25.0


def first_places(digests: Sequence[bytes]) -> list[int]:
    """Return the place of the first photograph with the same pixels as each."""
    first: dict[bytes, int] = {}
    return [first.setdefault(digest, at) for at, digest in enumerate(digests)]


def unlike_others(photos: pd.DataFrame) -> list[str]:
    """Return by which measures each photograph is far from others of its patient."""
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
    # Hues go round.
    turned = (others["hue"] - photo["hue"] + 180) % 360 - 180
    if abs(turned.median()) > _HUES:
        found.append("hue")
    return found


def report_odd_photos(
    photos: pd.DataFrame, first: Sequence[int], on_problem: str
) -> None:
    """Warn of odd photographs, or raise if they cannot be judged and may not be.

    `first` has the `first_places` of the photographs.
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
            f"cells count more than once: {_some(twice['name'])}."
        )
    unlike = photos[photos["unlike_others"] != ""]
    if len(unlike):
        warn(
            f"{len(unlike)} photograph(s) are unlike the others of their patient: "
            f"{_some(unlike['name'] + ' (' + unlike['unlike_others'] + ')')}. Are they "
            "of the same smear and magnification?"
        )
    if "patient" in photos:
        _warn_of_shared(photos, photos["patient"].to_numpy()[list(first)])


def _warn_of_shared(photos: pd.DataFrame, patients: NDArray[Any]) -> None:
    """Warn of photographs whose first ones have other patients."""
    texts = [
        f"{name} (patients {first!s} and {patient!s})"
        for name, first, patient in zip(
            photos["name"], patients, photos["patient"], strict=True
        )
        if first != patient
    ]
    if texts:
        warn(
            f"{len(texts)} photograph(s) are under several patients: {_some(texts)}. "
            "One of them is wrong."
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
