"""Show what the outline of a cell lacks."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._cell import Cell, find_cell
from malariafuse._transformer import GivesImages, ImageTransformer

# Of 255. Stained cells absorb green most, so none is of this color.
_TEAL = (0, 128, 128)


class ConcavityMarker(GivesImages, ImageTransformer):
    """Paint teal what a cell on black lacks of its convex hull.

    Most cells are convex or nearly so. Where a segmentation cut a parasite at the rim
    away with the background, as in some of the NIH crops, a bite is left: black next to
    black, of which a network makes little. Painted, it is a shape like any other.
    :ref:`results` has the gain.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.

    See Also
    --------
    BackgroundMasker : Turn the background black, which has to come before this.
    malariafuse.features.SpotFeatureExtractor : Measure the outline instead.

    Notes
    -----
    The convex deficiency of a shape is the part of its convex hull that does not
    belong to it [1]_. The cell is the largest region brighter than 10 of 255, its holes
    filled. Black pixels of its convex deficiency get the color (0, 128, 128) of 255,
    in which no stained cell is: chromatin and hemoglobin absorb green more than red.
    Nothing else changes, so debris in the bite stays as it is. An image whose largest
    region has fewer than 30 pixels comes back unchanged.

    A bite is a property of the segmentation, not of malaria. With crops from elsewhere,
    look at what is painted. On a natural background nothing is.

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
        """Paint the convex deficiency of each cell.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3)
            A copy of the same dtype.

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
    """Return which pixels have their center in the convex hull of all of the cell's.

    OpenCV fills polygons with a margin of pixels that their edges touch, and a round
    cell would get specks all around.
    """
    corners = cv2.convexHull(cell.outline)[:, 0]
    x, y = corners.T[..., None, None]
    to_x, to_y = np.roll(corners, -1, axis=0).T[..., None, None]
    rows, columns = np.indices(cell.mask.shape)
    turn = (to_x - x) * (rows - y) - (to_y - y) * (columns - x)
    return np.asarray((turn >= 0).all(axis=0))
