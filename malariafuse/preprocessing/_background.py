"""Removal of the natural background of crops."""

from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import OneOf, Rules
from malariafuse._transformer import GivesImages, ImageTransformer

_BLACK = 5  # of 255: pixels up to this value are black, also after lossy compression
_MASKED_FRAME = 0.1  # proportion of black pixels on the frame of a masked crop
_SMALLEST_CELL = 0.05  # fraction of the area of the crop
# In units of the radius of the largest disk within the cell:
_NECK = 0.7  # half of the width below which touching cells are separated
_TIP = 0.15  # length of a tip that still belongs to the cell
_FAINTEST_CELL = 0.1  # optical density, summed over R, G and B

Bytes = NDArray[np.uint8]


class BackgroundMasker(GivesImages, ImageTransformer):
    """Set the background of crops to black, as in the NIH cell images.

    The NIH crops show one cell on a black background, and a classifier trained on them
    expects the same. A crop from a photograph shows bright plasma and parts of other
    cells around the cell. This transformer segments the cell in the center and sets all
    other pixels to 0. A crop whose background is already black is returned unchanged.

    Parameters
    ----------
    on_error : {"raise", "keep"}, default="raise"
        Action if no cell is found in a crop. "raise" raises an error that lists the
        crops. "keep" returns them unchanged.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load crops.

    Notes
    -----
    Black bars along the sides of a crop are ignored. A crop is already masked if at
    least one tenth of its outermost pixels are black. Otherwise, the cell is segmented:

    1. The color of the plasma is the median of the brightest fifth of the outermost
       pixels. Some plasma must therefore be visible there.
    2. The optical density of every pixel relative to that color, summed over the
       channels, measures the amount of stain (Beer-Lambert law). It does not depend on
       the color of the lamp.
    3. Otsu's threshold [1]_ separates plasma from cells. Densities are clipped at their
       80th percentile first, so that chromatin does not form a separate class.
    4. Holes, such as a pale center, are filled. Touching cells are separated where the
       region is narrower than 0.7 of its largest width in the center of the crop. The
       region that covers most of the center is the cell, and other regions are
       neighbors. A neighbor that overlaps the cell along a wider line is not separated.

    No cell is found if that region covers less than 5 % of the crop, or if its density
    is less than 0.1 above that of the other pixels. Apply this transformer before
    smoothing and color conversion.

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
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            Copy of `X` with the same dtype, black outside the cell.

        Raises
        ------
        ValueError
            If no cell is found in an image and ``on_error="raise"``, or if `X` is not
            an array of RGB images of the shape seen in `fit`.
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
                f"No cell found in {len(without_cell)} of {len(images)} image(s) of X, "
                f"at index {shown}{more}. Inspect and remove them, or pass "
                "on_error='keep' to keep them unchanged."
            )
        return masked


def _to_bytes(image: NDArray[Any]) -> Bytes:
    return np.round(image.astype(np.float32) * 255).astype(np.uint8)


def _frame(image: NDArray[Any]) -> NDArray[Any]:
    """Return the outermost pixels of an image as an array of colors."""
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


def _find_natural(image: Bytes) -> tuple[slice, slice] | None:
    """Return the part of an image inside black bars, or None if already masked."""
    black = cv2.inRange(image, (0, 0, 0), (_BLACK, _BLACK, _BLACK)) > 0
    rows = np.flatnonzero(~black.all(axis=1))
    columns = np.flatnonzero(~black.all(axis=0))
    if not rows.size:
        return None
    inner = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return None if _frame(black[inner]).mean() >= _MASKED_FRAME else inner


def _find_cell(image: Bytes) -> NDArray[np.bool_] | None:
    """Return the mask of the cell in the center of an image, or None."""
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
    """Fill holes, such as pale centers and gaps between cells."""
    contours, _ = cv2.findContours(stained, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(stained, contours, -1, 1, cv2.FILLED)  # type: ignore[return-value]


def _without_neighbors(stained: Bytes) -> NDArray[np.bool_] | None:
    """Return the region in the center of the crop, separated from its neighbors."""
    # Distance from plasma. Neighbors may extend beyond the frame.
    depth = cv2.distanceTransform(stained, cv2.DIST_L2, 5)
    height, width = depth.shape
    middle = np.zeros_like(stained)
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    radius = float((depth * middle).max())
    if radius == 0:
        return None
    # Cells are narrower where they touch than in their center.
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
