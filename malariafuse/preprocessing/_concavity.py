"""Marking of the concavities of cell outlines."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._cell import Cell, find_cell
from malariafuse._transformer import GivesImages, ImageTransformer

# Of 255. Stained cells absorb green most, so no cell has this color.
_TEAL = (0, 128, 128)


class ConcavityMarker(GivesImages, ImageTransformer):
    """Fill the concavities of each cell outline with a constant color.

    Most cells are nearly convex. In some of the NIH crops, the segmentation removed a
    parasite at the edge together with the background, which leaves a concavity. It is
    black like the background, so a network can hardly use it. A constant color (teal)
    makes it visible. :ref:`results` reports the gain in accuracy.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    BackgroundMasker : Set the background to black. Apply it first.
    malariafuse.features.SpotFeatureExtractor : Compute features of the outline.

    Notes
    -----
    The convex deficiency of a shape is the part of its convex hull that is not in the
    shape [1]_. The cell is the largest region brighter than 10 of 255, with holes
    filled. Black pixels of its convex deficiency are set to the color (0, 128, 128) of
    255. No stained cell has this color: chromatin and hemoglobin absorb green more than
    red. No other pixel changes, not even debris in the concavity. An image whose
    largest region has fewer than 30 pixels is returned unchanged.

    Concavities are a property of the segmentation, not of malaria. Inspect the filled
    regions if your crops come from another source. Images with a natural background do
    not change.

    References
    ----------
    .. [1] R. Gonzalez and R. Woods, "Digital Image Processing", 4th edition, Pearson,
       2018, section 9.5

    Examples
    --------
    >>> import numpy as np
    >>> from malariafuse.preprocessing import ConcavityMarker
    >>> image = np.zeros((1, 12, 12, 3), dtype=np.uint8)
    >>> image[:, 2:10, 2:10] = 200, 140, 150
    >>> image[:, 2:6, 4:8] = 0
    >>> marked = ConcavityMarker().fit_transform(image)
    >>> marked[0, 3, 5]
    array([  0, 128, 128], dtype=uint8)
    >>> int((marked != image).any(axis=-1).sum())
    16
    """

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Fill the convex deficiency of each cell.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            Copy of `X` with the same dtype.

        Raises
        ------
        ValueError, TypeError
            If `X` is not an array of RGB images of the shape seen in `fit`.
        """
        marked = np.array(self._check(X), order="C")
        scale = 1 if marked.dtype == np.uint8 else 255
        teal = np.divide(_TEAL, scale).astype(marked.dtype)
        for image in marked:
            cell = find_cell(image.astype(np.float32) * scale)
            if cell is None:
                continue
            black = (cell.mask | cell.lit) == 0
            image[black & _within_hull(cell)] = teal
        return marked


def _within_hull(cell: Cell) -> NDArray[np.bool_]:
    """Return which pixels have their center in the convex hull of the cell.

    OpenCV also fills the pixels that the edges of a polygon touch, so a round cell
    would get specks along its outline.
    """
    corners = cv2.convexHull(cell.outline)[:, 0]
    x, y = corners.T[..., None, None]
    to_x, to_y = np.roll(corners, -1, axis=0).T[..., None, None]
    rows, columns = np.indices(cell.mask.shape)
    turn = (to_x - x) * (rows - y) - (to_y - y) * (columns - x)
    return np.asarray((turn >= 0).all(axis=0))
