"""Turn the natural background of a crop black."""

from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import OneOf, Rules
from malariafuse._transformer import GivesImages, ImageTransformer

_BLACK = 5  # of 255: black, also after a lossy format
_MASKED_FRAME = 0.1  # share of black on its frame from which a crop counts as masked
_SMALLEST_CELL = 0.05  # of the area of the crop
# In units of the radius of the largest disk within the cell:
_NECK = 0.7  # half of the width where cells that touch are cut apart
_TIP = 0.15  # length of a tip that belongs to a cell
_FAINTEST_CELL = 0.1  # optical density, summed over R, G and B

Bytes = NDArray[np.uint8]


class BackgroundMasker(GivesImages, ImageTransformer):
    """Turn the background of crops black, as in the NIH cell images.

    The NIH crops show one cell on black, and a classifier trained on them expects that.
    A crop cut from a photograph shows bright plasma around the cell, and parts of other
    cells. This transformer finds the cell in the middle and sets everything else to 0.
    A crop that is black around its cell already comes back unchanged, byte for byte.

    Parameters
    ----------
    on_error : {"raise", "keep"}, default="raise"
        Reaction to crops in which no cell is found: "raise" raises an error that names
        the crops, "keep" leaves them as they are.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load crops, masked or not.

    Notes
    -----
    A crop counts as masked if, after black bars along its sides are set aside, at least
    one tenth of its outermost pixels are black. Otherwise:

    1. The color of the plasma is the median of the brightest fifth of the outermost
       pixels, so some plasma must be visible there.
    2. The optical density of every pixel against that color, summed over the channels,
       tells how much stain the light met (law of Beer and Lambert) and does not depend
       on the color of the lamp.
    3. Otsu's threshold [1]_ splits the densities into plasma and cells. Densities above
       their 80th percentile are cut first, or chromatin would form a class of its own.
    4. Holes, such as a pale center, are filled. Cells that touch are narrower where
       they touch than in their middle: regions are cut apart where they are narrower
       than 0.7 of the widest place in the middle of the crop. The region that covers
       most of the middle is the cell, and the others are neighbors. A neighbor that
       overlaps the cell along a wider line is not cut off.

    No cell is found if that region covers less than 5 % of the crop, or its density is
    less than 0.1 above that of the rest. Use the transformer before images are smoothed
    or converted to another color space.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE
       Transactions on Systems, Man, and Cybernetics 9(1), 62-66, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.preprocessing import BackgroundMasker
    >>> masked = make_cell_images(8, 2, random_state=0).images
    >>> masker = BackgroundMasker().fit(masked)
    >>> bool((masker.transform(masked) == masked).all())
    True
    >>> plasma = np.array([235, 225, 215], dtype=np.uint8)
    >>> natural = np.where(masked.max(axis=-1, keepdims=True) < 60, plasma, masked)
    >>> masker.transform(natural)[0, 0, 0]
    array([0, 0, 0], dtype=uint8)
    """

    _parameter_rules: ClassVar[Rules] = {"on_error": (OneOf("raise", "keep"),)}

    def __init__(self, *, on_error: str = "raise") -> None:
        self.on_error = on_error

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Set the background of every image to 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            A copy of the same dtype, black outside the cell.

        Raises
        ------
        ValueError
            If no cell is found in an image and ``on_error="raise"``; if `X` is not an
            array of RGB images of the shape seen in `fit`.
        TypeError
            If the dtype of `X` is neither uint8 nor floating.
        """
        images = self._check(X)
        masked = np.array(images, order="C")
        without_cell = []
        for i, image in enumerate(images):
            image = image if image.dtype == np.uint8 else _to_bytes(image)
            inner = _find_natural(image)
            if inner is None:
                continue
            cell = _find_cell(image[inner])
            if cell is None:
                without_cell.append(i)
            else:
                masked[i][inner][~cell] = 0
        if without_cell and self.on_error == "raise":
            shown = ", ".join(map(str, without_cell[:10]))
            more = ", ..." if len(without_cell) > 10 else ""
            raise ValueError(
                f"No cell found in {len(without_cell)} of {len(images)} image(s) of "
                f"X, at index {shown}{more}. Look at them and leave them out, or pass "
                "on_error='keep' to leave them as they are."
            )
        return masked


def _to_bytes(image: NDArray[Any]) -> Bytes:
    return np.round(image.astype(np.float32) * 255).astype(np.uint8)


def _frame(image: NDArray[Any]) -> NDArray[Any]:
    """Return the outermost pixels of an image, one after the other."""
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


def _find_natural(image: Bytes) -> tuple[slice, slice] | None:
    """Return the part of an image inside black bars, or None if it is masked."""
    black = cv2.inRange(image, (0, 0, 0), (_BLACK, _BLACK, _BLACK)) > 0
    rows = np.flatnonzero(~black.all(axis=1))
    columns = np.flatnonzero(~black.all(axis=0))
    if not rows.size:
        return None
    inner = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return None if _frame(black[inner]).mean() >= _MASKED_FRAME else inner


def _find_cell(image: Bytes) -> NDArray[np.bool_] | None:
    """Return where the cell in the middle of an image is, or None without one."""
    frame = _frame(image)
    brightness = frame.sum(axis=1, dtype=np.int64)
    plasma = np.median(frame[brightness >= np.quantile(brightness, 0.8)], axis=0)
    density = np.log((plasma + 1) / (image + np.float32(1))).sum(axis=2)
    top = np.quantile(density, 0.8)
    if top < _FAINTEST_CELL:
        return None
    levels = np.clip(density / top * 255, 0, 255).astype(np.uint8)
    levels = cv2.medianBlur(levels, 3)
    _, stained = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)

    cell = _without_neighbors(_filled(stained.astype(np.uint8)))
    if cell is None:
        return None
    contrast = density[cell].mean() - density[~cell].mean()
    if cell.mean() < _SMALLEST_CELL or contrast < _FAINTEST_CELL:
        return None
    return np.asarray(cell)


def _filled(stained: Bytes) -> Bytes:
    """Fill pale centers and gaps between cells."""
    contours, _ = cv2.findContours(stained, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(stained, contours, -1, 1, cv2.FILLED)  # type: ignore[return-value]


def _without_neighbors(stained: Bytes) -> NDArray[np.bool_] | None:
    """Return the region in the middle of the crop, cut off from those that touch it."""
    # Distance from plasma. Neighbors go on beyond the frame.
    depth = cv2.distanceTransform(stained, cv2.DIST_L2, 5)
    height, width = depth.shape
    middle = np.zeros_like(stained)
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    radius = float((depth * middle).max())
    if radius == 0:
        return None
    # Where cells touch, they are narrower than in their middle.
    _, cores = cv2.connectedComponents((depth > _NECK * radius).astype(np.uint8))
    sizes = np.bincount(cores[(middle > 0) & (cores > 0)])
    core = sizes.argmax()
    to_core = cv2.distanceTransform((cores != core).astype(np.uint8), cv2.DIST_L2, 5)
    near = to_core <= (_NECK + _TIP) * radius
    others = (cores > 0) & (cores != core)
    if others.any():
        to_others = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, 5)
        near &= to_core < to_others
    return np.asarray(near & (stained > 0))
