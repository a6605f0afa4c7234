"""Tables of paths, labels and patients."""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from malariafuse._shown import short_repr
from malariafuse.datasets._classes import Classes, class_key
from malariafuse.datasets._layout import SPLITS
from malariafuse.datasets._listing import Listing, name_some, stamp_all
from malariafuse.datasets._paths import as_path

# Names are compared in lower case, without blanks and underscores.
_SYNONYMS = {
    "path": (
        "path",
        "file",
        "filename",
        "filenames",
        "filepath",
        "image",
        "imagepath",
        "imagefile",
    ),
    "label": ("label", "labels", "class", "target", "diagnosis"),
    "patient": (
        "patient",
        "patients",
        "patientid",
        "patientnumber",
        "patientname",
        "subject",
        "subjectid",
        "donor",
        "donorid",
        "pid",
        "group",
        "groups",
        "patientno",
        "case",
        "caseid",
        "individual",
    ),
    "split": ("split", "subset", "partition"),
}


def read_csv(path: str) -> pd.DataFrame:
    """Read a table with fields separated by commas, semicolons or tabs.

    All values are strings, so that the patients "007" and "7" differ.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
        separator = max(",;\t", key=head.count)
        with warnings.catch_warnings():
            # Rows with more fields than the header would lose the last ones.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
            )
    # Errors of encodings and of pandas are ValueErrors.
    except (ValueError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"path={short_repr(path)} cannot be read as a UTF-8 table: {error}"
        ) from error


def list_table(
    table: Any,
    classes: Classes,
    labels: bool,
    root: str | None,
    columns: Mapping[str, Any] | None,
) -> Listing:
    """List images by the rows of a table."""
    found = _find_columns(table, labels, columns)
    names = [
        path if root is None else os.path.join(root, path)
        for path in (
            as_path(path, f"The column {short_repr(found['path'])} holds")
            for path in table[found["path"]]
        )
    ]
    if not names:
        raise ValueError("path is an empty table: expected an image in each row.")
    target = _as_targets(table, found["label"], classes) if labels else None
    patients, split = (
        None if found[role] is None else _as_values(table, found[role])
        for role in ("patient", "split")
    )
    if split is not None:
        split = [SPLITS.get(class_key(side), str(side)) for side in split]
    # Names that `classes` excludes.
    kept = [
        row for row in range(len(names)) if target is None or target[row] is not None
    ]
    names = [names[row] for row in kept]
    return Listing(
        names=names,
        stamps=stamp_all(names),
        target=_rows(target, kept),
        split=_rows(split, kept),
        patients=_rows(patients, kept),
        patient_column=found["patient"],
    )


def _rows(values: Sequence[Any] | None, kept: Sequence[int]) -> list[Any] | None:
    return None if values is None else [values[row] for row in kept]


def _find_columns(
    table: Any, labels: bool, columns: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the column of each role, or None if the table has no such column."""
    columns = _check_columns(columns)
    given = list(table.columns)
    found: dict[str, Any] = {"label": None}
    for role in _SYNONYMS:
        if role in columns:
            found[role] = columns[role]
        elif labels or role != "label":
            found[role] = _find_column(table, role)
    needed = ("label", "path") if labels else ("path",)
    missing = [role for role in needed if found[role] is None]
    if missing:
        raise ValueError(
            f"path is a table without the column(s) {missing}. It has "
            f"{name_some(given, 10) or 'none'}. Pass other names of columns, such as "
            f"columns={{{missing[0]!r}: ...}}."
            + (" Without labels, pass labels=False." if missing == ["label"] else "")
        )
    for role, name in found.items():
        if name is not None and given.count(name) != 1:
            raise ValueError(
                f"columns[{role!r}] is {short_repr(name)}: the table has "
                f"{given.count(name)} columns of that name. Its columns are "
                f"{name_some(given, 10)}."
            )
    return found


def _check_columns(columns: Any) -> Mapping[str, Any]:
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise TypeError(
            f"columns={short_repr(columns)}: expected a mapping to names of columns, "
            "such as "
            "columns={'path': 'file', 'label': 'diagnosis', 'patient': 'case'}."
        )
    unknown = [role for role in columns if role not in _SYNONYMS]
    if unknown:
        raise ValueError(
            f"columns has the keys {name_some(unknown)}: expected {list(_SYNONYMS)}."
        )
    return columns


def _find_column(table: Any, role: str) -> Any:
    """Return the column for `role`, or None if there is none."""
    fitting = [
        name
        for name in table.columns
        if re.sub(r"[\s_-]", "", str(name)).casefold() in _SYNONYMS[role]
    ]
    if role in fitting and role != "patient":
        return role
    if len(fitting) > 1:
        codes = [pd.factorize(pd.Series(list(table[name])))[0] for name in fitting]
        if role != "patient" or any((code != codes[0]).any() for code in codes):
            raise ValueError(
                f"The columns {name_some(fitting)} of the table may all be the {role}. "
                f"Choose one, such as columns={{{role!r}: {short_repr(fitting[0])}}}."
            )
    return fitting[0] if fitting else None


def _as_targets(table: Any, name: Any, classes: Classes) -> list[int | None]:
    labels = list(table[name])
    wrong = sorted({_as_text(label) for label in labels if not classes.knows(label)})
    if wrong:
        raise ValueError(
            f"The column {short_repr(name)} has unknown classes "
            f"{name_some(wrong, 10)}. {classes.advice(wrong)}"
        )
    return [classes.targets.get(class_key(label)) for label in labels]


def _as_text(label: Any) -> str:
    """Return a label as a string for error messages."""
    is_binary = isinstance(label, bytes | bytearray | memoryview)
    return short_repr(label) if is_binary else str(label)


def _as_values(table: Any, name: Any) -> list[Any]:
    values = [
        value.strip() if isinstance(value, str) else value for value in table[name]
    ]
    for value in values:
        if pd.api.types.is_list_like(value):
            raise TypeError(
                f"The column {short_repr(name)} has {short_repr(value)}: expected "
                "names."
            )
    missing = sum(1 for value in values if value == "" or pd.isna(value))
    if missing:
        raise ValueError(
            f"The column {short_repr(name)} has {missing} missing value(s). Fill them, "
            "drop these rows, or drop the column."
        )
    return values
