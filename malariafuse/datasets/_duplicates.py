"""Images that are there more than once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array
from malariafuse._images import check_images, image_digest, sets_of_equals
from malariafuse._patients import check_patients
from malariafuse._shown import short_text
from malariafuse.datasets._listing import list_some


def find_duplicates(
    X: ArrayLike,
    *,
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    split: ArrayLike | None = None,
    filenames: ArrayLike | None = None,
) -> pd.DataFrame:
    """Find images that are equal in every pixel.

    The same image in training and test flatters a classifier, and the same image in
    both classes has one wrong label at least. The pixels are compared by their SHA-256;
    images that differ in a single bit are not found.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width, channels)
        Images, uint8 in 0..255 or floating in 0..1. To compare several arrays, such as
        those of training and test, concatenate them and pass `split`.
    y : array-like of shape (n_samples,), default=None
        The class of each image.
    groups : array-like of shape (n_samples,), default=None
        The patient of each image.
    split : array-like of shape (n_samples,), default=None
        The side of a split that each image is on, such as "train" and "test".
    filenames : array-like of shape (n_samples,), default=None
        The name of each image, for the table only.

    Returns
    -------
    pandas.DataFrame
        One row for each image that has an equal, sorted by set and position; no row if
        all images differ. With the columns

        duplicate_set : int
            The number of the set of equal images, from 0 on.
        position : int
            The position of the image in `X`.
        path, label, patient, split
            Values given for the image; there is a column for each argument given.
        label_differs, patient_differs, split_differs : bool
            Whether images of the set have several classes, patients or sides; only the
            columns of what was given.

    Raises
    ------
    ValueError
        If an array does not have one value for each image, lacks values or mixes
        numbers and text, or `X` holds no images.
    TypeError
        If `X` is neither uint8 nor floating.

    See Also
    --------
    load_cell_images : Reports equal files and images in its attribute `duplicates`.
    malariafuse.model_selection.check_no_leakage : Finds patients on both sides.

    Notes
    -----
    A patient on both sides of a split is found by
    :func:`malariafuse.model_selection.check_no_leakage`, an image that is stored under
    two patients only by this function.

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

    `columns` has the values of all images under path, label, patient and split.
    """
    rows = np.array([position for found in sets for position in found], dtype=np.int64)
    numbers = np.repeat(np.arange(len(sets)), [len(found) for found in sets])
    table = pd.DataFrame({"duplicate_set": numbers, "position": rows})
    for name, values in columns.items():
        if values is not None:
            table[name] = values[rows]
    for name in ("label", "patient", "split"):
        if name in table:
            several = table.groupby("duplicate_set")[name].transform("nunique") > 1
            table[f"{name}_differs"] = several.astype(bool)
    return table


def describe_duplicates(table: pd.DataFrame) -> list[str]:
    """Return what to warn of, the worst first."""
    texts = []
    for column, where, consequence in (
        (
            "label_differs",
            "in several classes",
            "At least one label of each is wrong.",
        ),
        (
            "split_differs",
            "on several sides of the split",
            "A score on them says nothing about new cells.",
        ),
        (
            "patient_differs",
            "under several patients",
            "A split by patient may put them on both sides.",
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
        f"{len(sets)} image(s) are there {where}: {list_some(sets)}. See the attribute "
        "`duplicates`."
    )


def _column(values: ArrayLike | None, name: str, length: int) -> NDArray[Any] | None:
    if values is None:
        return None
    array = as_array(values, name)
    if array.shape != (length,):
        raise ValueError(
            f"{name} has the shape {array.shape} for {length} images: expected one "
            "value for each."
        )
    if name != "filenames":
        # What is compared: 1 and "1" may be one patient, and may be two.
        check_patients(values, len(array), name=name, unit="value")
    return array
