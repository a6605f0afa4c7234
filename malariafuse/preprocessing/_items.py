"""Validation of the input of a loader: paths and images in memory."""

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from malariafuse._files._decode import check_size, decode_image
from malariafuse._files._memory import (
    Encoded,
    convert_open_image,
    decode_bytes,
    decode_open_file,
)
from malariafuse._files._read import read_file
from malariafuse._images import check_image, check_images
from malariafuse._shown import short_repr

_EXPECTED = (
    "the path of an image file, its content as bytes, an open binary file, a Pillow "
    "image or an array (height, width, 3)"
)


@dataclass(frozen=True)
class Items:
    """Images to load, with the names of images in error messages."""

    values: Sequence[Any]
    names: Sequence[str]

    def load(self, position: int, lock: Lock) -> NDArray[np.uint8]:
        """Return the pixels of one image. `lock` guards open files."""
        value = self.values[position]
        if isinstance(value, str):
            return decode_image(read_file(value))
        if isinstance(value, Encoded):
            return decode_bytes(value)
        if isinstance(value, Image.Image):
            return convert_open_image(value, lock)
        if isinstance(value, np.ndarray):
            return _to_uint8(value)
        return decode_open_file(value, lock)


def as_items(X: Any) -> Items:
    """Return the images of `X`, or raise if an item is invalid. No file is read."""
    if isinstance(X, str | os.PathLike):
        raise TypeError(
            f"X is a single path, {short_repr(X)}: expected a list of paths or images. "
            "Pass [X]."
        )
    if isinstance(X, Encoded | Image.Image) or _can_be_read(X):
        return Items([_as_item(X, "X")], ["X"])
    if isinstance(X, Sequence):
        values = list(X)
        if all(isinstance(value, list | tuple) and len(value) == 1 for value in values):
            values = [value[0] for value in values]
    else:
        array = _as_array(X)
        if array.dtype.kind not in "OUT":
            return _numeric_items(array)
        values = _one_dimension(array)
    if not values:
        raise ValueError(
            "X is empty: found 0 image(s) while a minimum of 1 is required."
        )
    items = [_as_item(value, f"X[{place}]") for place, value in enumerate(values)]
    names = [
        item if isinstance(item, str) else f"X[{place}]"
        for place, item in enumerate(items)
    ]
    return Items(items, names)


def _as_array(X: Any) -> NDArray[Any]:
    try:
        array = np.asanyarray(X)
    except ValueError as error:
        raise ValueError(f"X is not an array of paths or images: {error}") from error
    if array.ndim == 0:
        raise TypeError(
            f"X is {short_repr(X)}, of type {type(X).__name__}: expected {_EXPECTED}, "
            "or a list of these. Paths must be in a list."
        )
    if array.dtype.kind == "S":
        # Unlike a list of bytes, an array of bytes drops trailing zeros.
        raise TypeError(
            f"X has dtype {array.dtype}, which drops trailing zeros of files. Pass a "
            "list of bytes."
        )
    return array


def _one_dimension(array: NDArray[Any]) -> list[Any]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        hint = ""
        if array.ndim > 2:
            hint = " Pass images as a list or with dtype uint8."
        raise ValueError(
            f"X has shape {array.shape} and dtype {array.dtype}: expected paths or "
            f"images of shape (n_samples,) or (n_samples, 1).{hint}"
        )
    return list(array)


def _numeric_items(array: NDArray[Any]) -> Items:
    """Return the images of a numeric array, or the image of a 3-D array."""
    if array.ndim == 4:
        images = list(check_images(array, channels=3))
        return Items(images, [f"X[{place}]" for place in range(len(images))])
    if array.ndim == 3:
        return Items([check_image(array, name="X")], ["X"])
    raise ValueError(
        f"X has shape {array.shape} and dtype {array.dtype}: expected paths of shape "
        "(n_samples,) or (n_samples, 1), one RGB image (height, width, 3) or images "
        "(n_samples, height, width, 3)."
    )


def _as_item(value: Any, name: str) -> Any:
    """Return a path as str, a validated array, or any other item unchanged."""
    if isinstance(value, str | os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, Encoded | Image.Image):
        return value
    if _can_be_read(value):
        if inspect.iscoroutinefunction(value.read):
            raise TypeError(
                f"{name}, of type {type(value).__name__}, is read asynchronously. Pass "
                "`await file.read()`, or the attribute `file` of an upload."
            )
        return value
    if isinstance(value, np.ndarray) or (
        hasattr(value, "__array__") and not isinstance(value, np.generic | type)
    ):
        return check_image(value, name=name)
    raise TypeError(
        f"{name} is {short_repr(value)}, of type {type(value).__name__}: expected "
        f"{_EXPECTED}."
    )


def _can_be_read(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "read", None))


def _to_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    check_size(image.shape[1], image.shape[0])
    if image.dtype != np.uint8:
        image = np.rint(image * image.dtype.type(255)).astype(np.uint8)
    return np.ascontiguousarray(image)
