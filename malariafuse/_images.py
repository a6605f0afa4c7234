"""Validation of arrays of images."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import refuse_masked

_ROUNDING = 1e-4  # tolerance of floating images beyond [0, 1]
_CHANNELS = (1, 3, 4)  # gray, RGB and RGBA
_BLACK = 1.5 / 255  # between the first two levels above 0, of 255


def check_images(
    X: ArrayLike,
    *,
    name: str = "X",
    channels: int | None = None,
    may_be_black: bool = False,
) -> NDArray[Any]:
    """Return `X` as a validated array of images.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1].
    name : str, default="X"
        Name of the argument in error messages.
    channels : int, default=None
        Required number of channels. None accepts any number.
    may_be_black : bool, default=False
        Whether all images may be nearly black.

    Returns
    -------
    ndarray of shape (n_samples, height, width, channels)
        Same data, uint8 or floating. It is copied only if `X` is not an array, has a
        non-native byte order, or has values that exceed [0, 1] by rounding, which are
        clipped. The tolerance is 1e-4, or the resolution of the dtype if that is
        coarser. A memory-mapped array in [0, 1] is not loaded.

    Raises
    ------
    ValueError
        If the number or order of dimensions, the number of samples, pixels or channels,
        or the range is invalid, if values are not finite or masked, or if all images
        are nearly black, for example after a second division by 255.
    TypeError
        If the dtype is neither uint8 nor floating.
    """
    if hasattr(X, "toarray"):
        raise TypeError(
            f"{name} is a sparse container, but images must be dense. Pass "
            f"{name}.toarray(), reshaped to (n_samples, height, width, channels)."
        )
    try:
        images = _stacked(np.asarray(X))
    except ValueError as error:
        raise ValueError(
            f"{name} is not an array, for example because images have different sizes. "
            "Resize all images to one size first, for example with ImageLoader. "
            f"({error})"
        ) from error
    refuse_masked(X, name)
    if np.iscomplexobj(images):
        raise ValueError(f"Complex data not supported: {name} has {images.dtype}.")
    _check_layout(images.shape, name)
    if images.shape[0] == 0:
        raise ValueError(
            f"{name} is empty: found 0 image(s) (shape={images.shape}) while a minimum "
            "of 1 is required."
        )
    if 0 in images.shape[1:]:
        raise ValueError(f"{name} has shape {images.shape}: its images have no pixels.")
    if channels is not None and images.shape[-1] != channels:
        raise ValueError(
            f"{name} has {images.shape[-1]} channel(s), expected {channels} in the "
            f"last dimension; its shape is {images.shape}."
        )
    return _check_values(images, name, may_be_black=may_be_black)


def check_image(X: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return `X` as a validated RGB image.

    Parameters
    ----------
    X : array-like of shape (height, width, 3)
        Image, uint8 in [0, 255] or floating in [0, 1].
    name : str
        Name of the image in error messages.

    Returns
    -------
    ndarray of shape (height, width, 3)
        Same data, as in `check_images`.

    Raises
    ------
    ValueError, TypeError
        As in `check_images`.
    """
    image = np.asarray(X)
    refuse_masked(X, name)
    _check_layout_of_one(image.shape, name)
    return _check_values(image[None], name, may_be_black=False)[0]


def _stacked(images: NDArray[Any]) -> NDArray[Any]:
    """Return the images of a Series or another array of objects as one array."""
    of_images = (
        images.dtype == object
        and images.ndim == 1
        and images.size > 0
        and all(isinstance(image, np.ndarray) for image in images)
    )
    return np.stack(list(images)) if of_images else images


def _check_values(
    images: NDArray[Any], name: str, *, may_be_black: bool
) -> NDArray[Any]:
    """Return the images with validated values, see `check_images`."""
    if images.dtype == np.uint8:
        # The first image is enough, unless it is black.
        if not may_be_black and not any(image.max() > 1 for image in images):
            _check_not_black(images, name)
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            f"{name} has dtype {images.dtype}: expected uint8 in [0, 255] or floating "
            f"in [0, 1]. If its values are in [0, 255], pass {name}.astype('uint8')."
        )
    images = images.astype(images.dtype.newbyteorder("="), copy=False)
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"{name} contains NaN or infinity: floating images must be in [0, 1]."
        )
    if low >= 0 and high < _BLACK and not may_be_black:
        _check_not_black(images, name)
    if low >= 0 and high <= 1:
        return images
    # Resizing and color conversion cause rounding errors.
    tolerance = max(_ROUNDING, np.finfo(images.dtype).eps)
    if low >= -tolerance and high <= 1 + tolerance:
        return np.clip(images, 0, 1)
    hint = ""
    if low >= 0 and 2 < high <= 255:
        hint = (
            f" They look like values in [0, 255]: pass {name}.astype('uint8') or "
            f"{name} / 255."
        )
    elif low >= -0.5 and high <= 1.5:
        hint = f" Interpolation such as bicubic overshoots: pass np.clip({name}, 0, 1)."
    # With all digits, so that a value slightly above 1 is not shown as 1.
    raise ValueError(
        f"{name} has floating values in [{low}, {high}]: expected values in [0, "
        f"1].{hint}"
    )


def _check_layout(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError with advice if `shape` is not that of images."""
    found = (
        f"{name} has shape {shape}: expected 4 dimensions (n_samples, height, width, "
        "channels)."
    )
    is_side = [size > max(_CHANNELS) for size in shape]
    if len(shape) == 4:
        if shape[1] in _CHANNELS and is_side[2] and is_side[3]:
            raise ValueError(
                f"{found} This looks like (n_samples, channels, height, width): pass "
                f"np.moveaxis({name}, 1, -1)."
            )
        if shape[2] in _CHANNELS and is_side[1] and is_side[3]:
            raise ValueError(
                f"{found} This looks like (height, width, channels, n_samples): pass "
                f"np.moveaxis({name}, -1, 0)."
            )
        return
    if len(shape) == 3:
        if shape[-1] in _CHANNELS:
            raise ValueError(f"{found} Use {name}[None] if this is a single image.")
        if shape[0] in _CHANNELS and is_side[1] and is_side[2]:
            raise ValueError(
                f"{found} If this is a single image (channels, height, width), pass "
                f"np.moveaxis({name}, 0, -1)[None]."
            )
        raise ValueError(
            f"{found} If these are gray images (n_samples, height, width), pass "
            f"{name}[..., None]."
        )
    if len(shape) == 1:
        raise ValueError(
            f"{found} Reshape your data, or begin a pipeline with ImageLoader if these "
            "are file names."
        )
    raise ValueError(f"{found} Reshape your data.")


def _check_layout_of_one(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError with advice if `shape` is not that of one RGB image."""
    if len(shape) == 3 and shape[-1] == 3:
        if 0 in shape:
            raise ValueError(f"{name} has shape {shape}: it has no pixels.")
        return
    hint = ""
    if len(shape) == 2:
        hint = f" If it is gray, pass np.stack([{name}] * 3, axis=-1)."
    elif len(shape) == 3 and shape[-1] == 1:
        hint = f" It looks gray: pass np.repeat({name}, 3, axis=-1)."
    elif len(shape) == 3 and shape[-1] == 4:
        hint = f" If the fourth channel is opacity, pass PIL.Image.fromarray({name})."
    elif len(shape) == 3 and shape[0] in _CHANNELS and min(shape[1:]) > max(_CHANNELS):
        hint = (
            " This looks like (channels, height, width): pass "
            f"np.moveaxis({name}, 0, -1)."
        )
    raise ValueError(
        f"{name} has shape {shape}: expected one RGB image (height, width, 3).{hint}"
    )


def _check_not_black(images: NDArray[Any], name: str) -> None:
    """Raise ValueError, except for a single image that is exactly black."""
    largest = images.max()
    if len(images) == 1 and largest == 0:
        return
    whole = 255 if images.dtype == np.uint8 else 1
    raise ValueError(
        f"{name} is nearly black: its largest value is {largest}, but white is "
        f"{whole}. The cause may be a second division by 255, or a division before a "
        "conversion to uint8. Expected uint8 in [0, 255] or floating in [0, 1]."
    )


def remember_image_shape(estimator: Any, images: NDArray[Any]) -> None:
    """Store the shape of one image as `image_shape_`, for validation of later input."""
    estimator.image_shape_ = tuple(int(size) for size in images.shape[1:])


def check_image_shape(estimator: Any, images: NDArray[Any], *, name: str = "X") -> None:
    """Raise ValueError unless `images` have the shape seen in fit."""
    if images.shape[1:] != estimator.image_shape_:
        raise ValueError(
            f"{name} has images of shape {images.shape[1:]}, but "
            f"{type(estimator).__name__} was fitted on images of shape "
            f"{estimator.image_shape_}. Resize them to the shape in fit."
        )


def image_digest(image: NDArray[Any]) -> bytes:
    """Return the SHA-256 of the pixels of one image."""
    return sha256(np.ascontiguousarray(image).data).digest()


def sets_of_equals(digests: Iterable[bytes]) -> list[list[int]]:
    """Return the positions of repeated digests, one list for each."""
    positions: dict[bytes, list[int]] = defaultdict(list)
    for position, digest in enumerate(digests):
        positions[digest].append(position)
    return [found for found in positions.values() if len(found) > 1]


def to_unit_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return uint8 or floating images as float32 in [0, 1]."""
    if images.dtype == np.uint8:
        return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
    return np.asarray(images, dtype=np.float32)
