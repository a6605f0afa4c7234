"""The one place that decides what an array of images may be."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import refuse_masked

_ROUNDING = 1e-4  # tolerance of floating images beyond [0, 1]
_CHANNELS = (1, 3, 4)  # of the images that people have
_BLACK = 1.5 / 255  # between the first two levels above 0


def check_images(
    X: ArrayLike,
    *,
    name: str = "X",
    channels: int | None = None,
    may_be_black: bool = False,
) -> NDArray[Any]:
    """Return `X` as an array of images, or say what is wrong with it.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width, channels)
        Images, uint8 in [0, 255] or floating in [0, 1].
    name : str, default="X"
        Name of the argument in error messages.
    channels : int, default=None
        The number of channels that is needed; None takes any.
    may_be_black : bool, default=False
        Whether all images may be all but black.

    Returns
    -------
    ndarray of shape (n_samples, height, width, channels)
        The same data, uint8 or floating. It is copied only if `X` is not an array yet,
        or has another byte order than the machine's, or has values out of 0..1 by
        rounding, which are clipped: by at most 1e-4, or the resolution of the dtype
        where that is coarser. A memory-mapped array within 0..1 stays on disk.

    Raises
    ------
    ValueError
        If the rank, the order of dimensions, the number of samples, pixels or channels,
        the range or the finiteness is not as said above, if all images are all but
        black, as after a second division by 255, or if values are masked.
    TypeError
        If the dtype is neither uint8 nor floating.
    """
    if hasattr(X, "toarray"):
        raise TypeError(
            f"{name} is a sparse container; images are dense. Pass {name}.toarray(), "
            "reshaped to (n_samples, height, width, channels)."
        )
    try:
        images = _stacked(np.asarray(X))
    except ValueError as error:
        raise ValueError(
            f"{name} is no array, as a list of images of different sizes is none. "
            f"Resize all images to one size first: ImageLoader takes such a list. "
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
    """Return `X` as one RGB image, or say what is wrong with it.

    Parameters
    ----------
    X : array-like of shape (height, width, 3)
        An image, uint8 in [0, 255] or floating in [0, 1].
    name : str
        Name of the image in error messages.

    Returns
    -------
    ndarray of shape (height, width, 3)
        The same data as `check_images` returns them.

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
    """Return the images of a Series, or of another array of objects, as one array."""
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
    """Return the images, whose values must be as `check_images` says, or raise."""
    if images.dtype == np.uint8:
        # The first image settles it, but for a black one.
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
            f"{name} contains NaN or infinity; floating images must be in [0, 1]."
        )
    if low >= 0 and high < _BLACK and not may_be_black:
        _check_not_black(images, name)
    if low >= 0 and high <= 1:
        return images
    # Any resize and any change of color rounds.
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
    # With all digits: what is barely too far above 1 must not read as 1.
    raise ValueError(
        f"{name} has floating values in [{low}, {high}]: expected values in [0, "
        f"1].{hint}"
    )


def _check_layout(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError, with the way out, unless `shape` may be that of images."""
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
    raise ValueError(f"{found} Reshape your data.")


def _check_layout_of_one(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError, with the way out, unless `shape` is that of one RGB image."""
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
    """Raise ValueError unless this is one black image, of which there are such."""
    largest = images.max()
    if len(images) == 1 and largest == 0:
        return
    whole = 255 if images.dtype == np.uint8 else 1
    raise ValueError(
        f"{name} is all but black: its largest value is {largest}, where white is "
        f"{whole}. This follows from a second division by 255, or from one before a "
        "conversion to uint8. Expected uint8 in [0, 255] or floating in [0, 1]."
    )


def remember_image_shape(estimator: Any, images: NDArray[Any]) -> None:
    """Keep the shape of one image as `image_shape_`, to check later input against."""
    estimator.image_shape_ = tuple(int(size) for size in images.shape[1:])


def check_image_shape(estimator: Any, images: NDArray[Any], *, name: str = "X") -> None:
    """Raise ValueError unless `images` have the shape seen in fit."""
    if images.shape[1:] != estimator.image_shape_:
        raise ValueError(
            f"{name} has images of shape {images.shape[1:]}, but "
            f"{type(estimator).__name__} was fitted on images of shape "
            f"{estimator.image_shape_}. Resize them as they were for fit."
        )


def image_digest(image: NDArray[Any]) -> bytes:
    """Return the SHA-256 of the pixels of one image."""
    return sha256(np.ascontiguousarray(image).data).digest()


def sets_of_equals(digests: Iterable[bytes]) -> list[list[int]]:
    """Return the positions of equal digests, a list for each that is there twice."""
    positions: dict[bytes, list[int]] = defaultdict(list)
    for position, digest in enumerate(digests):
        positions[digest].append(position)
    return [found for found in positions.values() if len(found) > 1]


def to_unit_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return uint8 or floating images as float32 in [0, 1]."""
    if images.dtype == np.uint8:
        return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
    return np.asarray(images, dtype=np.float32)
