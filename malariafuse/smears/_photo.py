"""Reading of photographs of smears."""

from os import PathLike, fspath
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._arrays import as_array
from malariafuse._files._damage import RefusedImageError
from malariafuse._files._memory import Encoded, read_bytes, read_open_file
from malariafuse._files._photo import decode_photo
from malariafuse._files._read import ImageReadError, read_file
from malariafuse._parameters import Booleans, check_parameter
from malariafuse._shown import short_repr


def read_photo(
    file: "str | PathLike[str] | Encoded | BinaryIO", *, upright: bool = False
) -> NDArray[np.uint8]:
    """Read a photograph of a smear.

    Parameters
    ----------
    file : str, path-like, bytes or binary file
        Path of a JPEG, PNG, TIFF or BMP file, its contents as bytes, or an open file.
        An open file is read from the beginning and then reset to its position.
    upright : bool, default=False
        Whether to rotate the photograph by its EXIF orientation. If False, pixels are
        returned in the order of the file, and coordinates of cells refer to this order.

    Returns
    -------
    ndarray of shape (height, width, 3), dtype uint8
        RGB photograph in [0, 255].

    Raises
    ------
    ImageReadError
        If the file is missing, damaged or not in one of these formats, or if it has
        more than 8 bits per channel, a side of fewer than 64 pixels, or more than 80
        million pixels.
    TypeError
        If `file` has an invalid type.

    See Also
    --------
    load_smear_photos : Load photographs and segment their cells.
    find_field : Find the bright field of view in a photograph.

    Notes
    -----
    Programs handle the EXIF orientation differently: browsers and OpenCV rotate
    photographs, but Pillow does not. Boxes of the NIH cells refer to unrotated pixels.
    If you compare boxes with those of another program, use the same convention.

    Grayscale photographs get three equal channels. Color profiles are ignored.

    Examples
    --------
    >>> from io import BytesIO
    >>> from PIL import Image
    >>> from malariafuse.smears import read_photo
    >>> file = BytesIO()
    >>> Image.new("RGB", (120, 80), "orchid").save(file, "PNG")
    >>> read_photo(file).shape
    (80, 120, 3)
    """
    check_parameter("upright", upright, (Booleans(),))
    data = read_content(file)
    try:
        return decode_photo(data, upright=bool(upright))
    except RefusedImageError as error:
        name = fspath(file) if isinstance(file, str | PathLike) else "file"
        raise ImageReadError({name: str(error)}) from error


def read_content(file: Any) -> bytes:
    """Return the bytes of a photograph from a path, bytes or an open file."""
    name = "file"
    try:
        if isinstance(file, Encoded):
            return read_bytes(file)
        if isinstance(file, str | PathLike):
            name = fspath(file)
            return read_file(name)
        if hasattr(file, "read"):
            return read_open_file(file, Lock())
    except RefusedImageError as error:
        raise ImageReadError({name: str(error)}) from error
    raise TypeError(
        f"file={short_repr(file)}: expected a path, the contents of a file as bytes, "
        "or an open binary file."
    )


def check_photo(photo: ArrayLike, name: str = "photo") -> NDArray[Any]:
    """Return an RGB photograph as a contiguous array, or raise if it is invalid."""
    image = as_array(photo, name)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 8:
        raise ValueError(
            f"{name} has shape {image.shape}: expected (height, width, 3), an RGB "
            "photograph with sides of at least 8 pixels."
        )
    if image.dtype != np.uint8:
        raise TypeError(
            f"{name} has dtype {image.dtype}: expected uint8 in [0, 255], as returned "
            "by read_photo."
        )
    return np.ascontiguousarray(image)
