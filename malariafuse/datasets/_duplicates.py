"""Detection of duplicate images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array
from malariafuse._images import check_images, image_digest, sets_of_equals
from malariafuse._patients import check_patients
from malariafuse._shown import short_text
from malariafuse._texts import text_column
from malariafuse.datasets._listing import list_some


def find_duplicates(
    X: ArrayLike,
    *,
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    split: ArrayLike | None = None,
    filenames: ArrayLike | None = None,
) -> pd.DataFrame:
    """Find pixel-identical images.

    An image that is in both the training and the test set makes metrics too optimistic.
    An image in both classes has at least one wrong label. Images are compared by the
    SHA-256 of their pixels, so images that differ in a single bit are not found.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1]. To compare several arrays, such
        as training and test set, concatenate them and pass `split`.
    y : array-like of shape (n_samples,), default=None
        Class of each image.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image.
    split : array-like of shape (n_samples,), default=None
        Part of a split that contains the image, such as "train" or "test".
    filenames : array-like of shape (n_samples,), default=None
        Name of each image, used only in the table.

    Returns
    -------
    pandas.DataFrame
        One row for each image with a duplicate, sorted by set and position. Empty if
        all images differ. The columns are:

        duplicate_set : int
            Number of the set of identical images, starting at 0.
        position : int
            Index of the image in `X`.
        path, label, patient, split
            Values of the image, with one column for each argument that was passed.
        label_differs, patient_differs, split_differs : bool
            Whether images of the set have different classes, patients or parts, with
            one column for each argument that was passed.

    Raises
    ------
    ValueError
        If an array does not have one value for each image, has missing values or mixes
        numbers and strings, or `X` is not an array of images.
    TypeError
        If `X` is neither uint8 nor floating.

    See Also
    --------
    load_cell_images : Load images and report duplicates in the attribute `duplicates`.
    malariafuse.model_selection.check_no_leakage : Check that no patient is in both
        parts of a split.

    Notes
    -----
    Use :func:`malariafuse.model_selection.check_no_leakage` to find patients in both
    parts of a split. An image that is stored under two patients is found only by this
    function.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.datasets import find_duplicates, make_cell_images
    >>> train = make_cell_images(40, 4, random_state=0)
    >>> test = make_cell_images(40, 4, random_state=1)
    >>> images = np.concatenate([train.images, test.images, train.images[3:4]])
    >>> split = ["train"] * 40 + ["test"] * 41
    >>> find_duplicates(images, split=split)
       duplicate_set  position  split  split_differs
    0              0         3  train           True
    1              0        80   test           True
    """
    images = check_images(X, may_be_black=True)
    sets = sets_of_equals(map(image_digest, images))
    return duplicate_table(
        sets,
        path=_column(filenames, "filenames", len(images)),
        label=_column(y, "y", len(images)),
        patient=_column(groups, "groups", len(images)),
        split=_column(split, "split", len(images)),
    )


def duplicate_table(
    sets: Sequence[Sequence[int]], **columns: NDArray[Any] | None
) -> pd.DataFrame:
    """Return the table of `find_duplicates` for sets of positions.

    `columns` has the values of all images for path, label, patient and split.
    """
    rows = np.array([position for found in sets for position in found], dtype=np.int64)
    numbers = np.repeat(np.arange(len(sets)), [len(found) for found in sets])
    table = pd.DataFrame({"duplicate_set": numbers, "position": rows})
    for name, values in columns.items():
        if values is not None:
            table[name] = text_column(values[rows])
    for name in ("label", "patient", "split"):
        if name in table:
            several = table.groupby("duplicate_set")[name].transform("nunique") > 1
            table[f"{name}_differs"] = several.astype(bool)
    return table


def describe_duplicates(table: pd.DataFrame) -> list[str]:
    """Return the warnings, most severe first."""
    texts = []
    for column, where, consequence in (
        (
            "label_differs",
            "in several classes",
            "At least one label of each is wrong.",
        ),
        (
            "split_differs",
            "in several parts of the split",
            "Metrics on them are too optimistic.",
        ),
        (
            "patient_differs",
            "of several patients",
            "A split by patient may put them into both parts.",
        ),
    ):
        if column in table and table[column].any():
            texts.append(f"{_count(table[table[column]], where)} {consequence}")
    if not texts and len(table):
        texts.append(_count(table, "more than once"))
    return texts


def _count(table: pd.DataFrame, where: str) -> str:
    sets = [
        repr(list_some([short_text(str(name)) for name in names], 3, " = "))
        for _, names in table.groupby("duplicate_set")["path"]
    ]
    return (
        f"{len(sets)} image(s) occur {where}: {list_some(sets)}. See the attribute "
        "`duplicates`."
    )


def _column(values: ArrayLike | None, name: str, length: int) -> NDArray[Any] | None:
    if values is None:
        return None
    array = as_array(values, name)
    if array.shape != (length,):
        raise ValueError(
            f"{name} has shape {array.shape} for {length} images: expected one "
            "value for each."
        )
    if name != "filenames":
        # Types must be unambiguous: 1 and "1" may or may not be the same patient.
        check_patients(values, len(array), name=name, unit="value")
    return array
