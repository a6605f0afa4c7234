"""From a photograph to a label image of its cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags

from malariafuse._parameters import Integers, Nothing, Reals, Rules, check_parameters
from malariafuse._shown import short_repr
from malariafuse._stored import StoredEstimator
from malariafuse.smears._diameter import estimate_diameter
from malariafuse.smears._foreground import find_foreground
from malariafuse.smears._outlines import Region, enlarge, paint
from malariafuse.smears._photo import check_photo
from malariafuse.smears._split import split_cells
from malariafuse.smears._stain import Stain, Stained, find_stained, measure_stain
from malariafuse.smears._views import Views
from malariafuse.smears._white import find_white_cells, join_white_cells

_SMALLEST_CELL = 0.04  # of the area of a disk of the diameter
_LARGEST_SCALE = 3.0


class CellSegmenter(TransformerMixin, StoredEstimator):
    """Find the cells in photographs of thin smears.

    Lengths within are in diameters of a red cell, so the same settings fit every
    magnification and camera. The result is a label image for each photograph;
    :func:`tabulate_cells` measures and flags its regions, and
    :func:`load_smear_photos` does both for many photographs.

    Parameters
    ----------
    diameter : float or None, default=None
        Diameter of a typical red cell in pixels. None estimates it from each
        photograph. Give it for photographs with few cells.
    resolution : int, default=44
        Number of pixels per diameter at which cells are looked for. The photograph is
        resized to it, and outlines are enlarged to its size again.

    See Also
    --------
    tabulate_cells : Measures the regions of a label image, and flags what is no cell.
    load_smear_photos : Reads photographs and cuts all their cells.

    Notes
    -----
    The segmenter is stateless: `fit` checks parameters, and the other methods work
    without it.

    1. The light of the plasma is a polynomial of third order across the field, fitted
       to the bright class of Otsu's threshold [1]_. Optical density against it does not
       depend on the lamp.
    2. The diameter is the one at which openings by disks of growing size take away most
       of the stained area (granulometry).
    3. A pixel belongs to a cell if its density in the green channel is nearer to the
       cells around than to the plasma around. Small holes, and convex ones that are
       stained more than plasma, are filled.
    4. Thin bright lines between cells, found by a morphological closing, are taken out.
       The hills of the distance to the background (watershed) are joined where they
       are hardly parted, and then in the order of the passes between them, which gives
       a tree of regions.
    5. Of all ways to cut the tree, the one is taken whose regions look most like single
       cells: by size, by the share of the convex hull that they fill, and by the width
       of necks within them. Clumps that are left are cut once more along fainter lines.
    6. Regions around nuclei, large areas with more than twice the stain of a typical
       cell, are joined to white cells.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE
       Transactions on Systems, Man, and Cybernetics 9(1), 62-66, 1979.

    Examples
    --------
    >>> import cv2
    >>> import numpy as np
    >>> from malariafuse.smears import CellSegmenter
    >>> photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.uint8)
    >>> for x, y in [(80, 80), (135, 90), (120, 200), (330, 210)]:
    ...     _ = cv2.circle(photo, (x, y), 30, (200, 120, 150), cv2.FILLED)
    >>> labels = CellSegmenter().segment(photo)
    >>> labels.shape, int(labels.max())
    ((300, 400), 4)
    """

    _parameter_rules: ClassVar[Rules] = {
        "diameter": (Nothing(), Reals(4, 4096)),
        "resolution": (Integers(16, 256),),
    }

    def __init__(self, diameter: float | None = None, *, resolution: int = 44) -> None:
        self.diameter = diameter
        self.resolution = resolution

    def fit(self, X: Any = None, y: object = None) -> Self:
        """Check the parameters; photographs are not looked at.

        Parameters
        ----------
        X : Ignored
            Photographs.
        y : None
            Ignored.

        Returns
        -------
        self : CellSegmenter
            The segmenter itself.

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        check_parameters(self)
        return self

    def segment(self, photo: ArrayLike) -> NDArray[np.int32]:
        """Label the cells of one photograph.

        Parameters
        ----------
        photo : array-like of shape (height, width, 3)
            RGB photograph, uint8 in 0..255, as :func:`read_photo` returns it.

        Returns
        -------
        ndarray of shape (height, width), dtype int32
            0 in the background and 1, 2, ... in the cells; white cells, debris and what
            could not be cut apart have labels, too. All 0 if nothing is stained.

        Raises
        ------
        ValueError
            If `photo` is not an RGB image or is dark everywhere, or a parameter is not
            as described.
        TypeError
            If the dtype of `photo` is not uint8.
        """
        return self._segment(photo, "photo")

    def transform(self, X: Sequence[ArrayLike]) -> list[NDArray[np.int32]]:
        """Label the cells of photographs.

        Parameters
        ----------
        X : sequence of array-like of shape (height, width, 3)
            RGB photographs, uint8 in 0..255, whose sizes may differ.

        Returns
        -------
        list of ndarray of shape (height, width), dtype int32
            Label images, as :meth:`segment` returns them.

        Raises
        ------
        ValueError, TypeError
            As :meth:`segment`.
        """
        if not isinstance(X, Iterable) or isinstance(X, str | bytes | Mapping):
            raise TypeError(
                f"X={short_repr(X)}: expected a sequence of photographs, RGB arrays of "
                "shape (height, width, 3)."
            )
        return [self._segment(photo, f"X[{place}]") for place, photo in enumerate(X)]

    def _segment(self, photo: ArrayLike, name: str) -> NDArray[np.int32]:
        check_parameters(self)
        checked = check_photo(photo, name)
        labels = np.zeros(checked.shape[:2], dtype=np.int32)
        paint(find_regions(Views(checked), self), labels)
        return labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def find_regions(views: Views, segmenter: CellSegmenter) -> list[Region]:
    """Return the regions that a segmenter finds in a photograph."""
    diameter = diameter_of(views, segmenter)
    sight = look(views, segmenter, diameter) if diameter else None
    return [] if sight is None else split_regions(views, sight)


@dataclass(frozen=True)
class Sight:
    """What a segmenter sees of the field of a photograph.

    Attributes
    ----------
    stain : Stain
    stained : Stained
    diameter : float
        Diameter of a cell in pixels of the stain.
    """

    stain: Stain
    stained: Stained
    diameter: float


def diameter_of(views: Views, segmenter: CellSegmenter) -> float:
    """Return the diameter of a cell in pixels of a photograph, 0 without any."""
    return segmenter.diameter or estimate_diameter(views.inner)


def look(views: Views, segmenter: CellSegmenter, diameter: float) -> Sight | None:
    """Return what a segmenter sees of a photograph, None if nothing is stained."""
    scale = min(segmenter.resolution / diameter, _LARGEST_SCALE)
    stain = measure_stain(views.inner, scale)
    stained = find_stained(stain, diameter * scale)
    if stained is None:
        return None
    return Sight(stain, stained, diameter * scale)


def split_regions(views: Views, sight: Sight) -> list[Region]:
    """Return the regions of what a segmenter sees."""
    stain, diameter = sight.stain, sight.diameter
    foreground = find_foreground(stain, sight.stained, diameter)
    if not foreground.cores.any():
        return []
    labels = split_cells(foreground, diameter)
    zones = find_white_cells(stain, foreground.cells > 0, diameter)
    labels = join_white_cells(labels, zones)
    least = _SMALLEST_CELL * np.pi / 4 * diameter**2
    rows, columns = views.window
    return enlarge(labels, views.inner.shape, (rows.start, columns.start), least)
