"""Formatting of numbers, names and model cards in reports."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

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


def percent(share: float) -> str:
    """Return a fraction in percent, with two decimals, or three below 0.1 %."""
    if np.isnan(share):
        return NOT_KNOWN
    decimals = 3 if 0 < share < 0.001 else 2
    return f"{100 * share:.{decimals}f}"


def between(low: str, high: str) -> str:
    """Return an interval in words, or an empty string if it is unknown."""
    return "" if NOT_KNOWN in (low, high) else f"{low} to {high}"


def heading(name: Any) -> str:
    """Return the heading of a column or of an entry of a model card."""
    text = str(name).replace("_", " ").strip()
    return _HEADINGS.get(str(name)) or text[:1].upper() + text[1:]


def value(item: Any) -> str:
    """Return a value of a table as text."""
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


def card_parts(card: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the main part of the model card, and the remaining part."""
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
    """Return a value as nested dicts, lists of strings, and strings."""
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
