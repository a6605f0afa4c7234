"""Detection of the bright field of view in a photograph."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse.smears._photo import check_photo

_THUMBNAIL = 400  # longer side of the thumbnail, in pixels
_DARK = 50  # of 255, in the brightest channel: below the level of any stained cell
_EVEN = 8
_ALL = 0.98  # fraction of bright pixels from which the field is the whole photograph


class DarkPhotoError(ValueError):
    """Error for a photograph that is completely dark."""


def find_field(photo: ArrayLike) -> NDArray[np.bool_]:
    """Find the bright field of view in a photograph.

    A phone camera at the eyepiece captures a bright disk on black. With a microscope
    camera, the field is usually the whole photograph.

    Parameters
    ----------
    photo : array-like of shape (height, width, 3)
        RGB photograph, uint8 in [0, 255].

    Returns
    -------
    ndarray of shape (height, width), dtype bool
        Mask of the field. The rim, where the light fades, is excluded.

    Raises
    ------
    ValueError
        If `photo` is not an RGB image, or is completely dark.
    TypeError
        If the dtype of `photo` is not uint8.

    See Also
    --------
    read_photo : Read a photograph from a file.
    CellSegmenter : Segment the cells in the field.

    Notes
    -----
    The field is the convex hull of the largest connected region in which the brightest
    channel is above 50. It is computed in a thumbnail of about 400 pixels and eroded by
    one pixel of the thumbnail.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.smears import find_field
    >>> photo = np.zeros((200, 300, 3), dtype=np.uint8)
    >>> photo[50:150, 100:200] = 220
    >>> field = find_field(photo)
    >>> bool(field[100, 150]), bool(field[10, 10])
    (True, False)
    """
    photo = check_photo(photo)
    thumbnail = cv2.resize(
        photo, thumbnail_size(photo.shape), interpolation=cv2.INTER_AREA
    )
    mask = field_of(thumbnail)
    if mask.all():
        return np.ones(photo.shape[:2], dtype=bool)
    size = photo.shape[1::-1]
    smooth = cv2.resize(mask * 255, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth >= 128)


def window_of(mask: NDArray[np.uint8], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and the columns of the photograph in a thumbnail mask."""
    window = []
    for axis, (small, large) in enumerate(zip(mask.shape, shape, strict=True)):
        lit = np.flatnonzero(mask.any(axis=1 - axis))
        step = large / small
        # One more pixel of the thumbnail, because find_field smooths the rim.
        first, last = int((lit[0] - 1) * step), int((lit[-1] + 2) * step)
        # Even sides can be halved fast.
        first, last = first // _EVEN * _EVEN, -(-last // _EVEN) * _EVEN
        window.append(slice(max(first, 0), min(last, large)))
    return window[0], window[1]


def thumbnail_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the width and the height of the thumbnail."""
    height, width = shape[:2]
    step = max(1, max(height, width) // _THUMBNAIL)
    return max(1, width // step), max(1, height // step)


def dark_pixels(photo: NDArray[Any], level: int) -> NDArray[np.bool_]:
    """Return the mask of pixels at which no channel is above a level."""
    return np.asarray(cv2.inRange(photo, (0, 0, 0), (level,) * 3) > 0)


def field_of(thumbnail: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the mask of the field in a thumbnail."""
    lit = (~dark_pixels(thumbnail, _DARK)).astype(np.uint8)
    if not lit.any():
        raise DarkPhotoError(
            f"photo is completely dark: no pixel is above {_DARK} of 255. Expected a "
            "photograph with bright plasma between the cells."
        )
    if lit.mean() >= _ALL:
        return np.ones_like(lit)
    opened = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((3, 3)))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return np.ones_like(lit)
    hull = cv2.convexHull(max(outlines, key=cv2.contourArea))
    mask = cv2.drawContours(np.zeros_like(lit), [hull], -1, 1, cv2.FILLED)
    # The light fades along the rim. The border of the photograph is not a rim.
    return cv2.erode(mask, np.ones((3, 3)), borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]
