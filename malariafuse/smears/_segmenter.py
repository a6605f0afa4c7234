"""Segmentation of a photograph into cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags

from malariafuse._base import Estimator
from malariafuse._parameters import Integers, Nothing, Reals, Rules, check_parameters
from malariafuse._shown import short_repr
from malariafuse.smears._diameter import estimate_diameter
from malariafuse.smears._foreground import find_foreground
from malariafuse.smears._outlines import Region, enlarge, paint
from malariafuse.smears._photo import check_photo
from malariafuse.smears._split import split_cells
from malariafuse.smears._stain import Stain, Stained, find_stained, measure_stain
from malariafuse.smears._views import Views
from malariafuse.smears._white import find_white_cells, join_white_cells

_SMALLEST_CELL = 0.04  # minimum area, as a fraction of a disk of the diameter
_LARGEST_SCALE = 3.0


class CellSegmenter(TransformerMixin, Estimator):
    """Segment the cells in photographs of thin smears.

    The result is a label image for each photograph. Use :func:`tabulate_cells` to
    measure and flag its regions, or :func:`load_smear_photos` to do both for many
    photographs. Internal lengths are in diameters of a red cell, so the segmenter works
    for any magnification and camera.

    Parameters
    ----------
    diameter : float or None, default=None
        Diameter of a typical red cell in pixels. None estimates it from each
        photograph. Set it for photographs with few cells.
    resolution : int, default=44
        Number of pixels per cell diameter for the segmentation. The photograph is
        resized to this resolution, and the outlines are scaled back.

    See Also
    --------
    tabulate_cells : Measure the regions of a label image, and flag those that are not
        red cells.
    load_smear_photos : Load photographs and segment their cells.

    Notes
    -----
    The segmenter is stateless: `fit` only validates the parameters, and the other
    methods work without it.

    1. The light of the plasma is modeled by a third-order polynomial over the field,
       fitted to the bright class of Otsu's threshold [1]_. Optical density relative to
       it does not depend on the lamp.
    2. The diameter is that at which openings with disks of increasing size remove most
       of the stained area (granulometry).
    3. A pixel belongs to a cell if its density in the green channel is closer to that
       of the surrounding cells than to that of the surrounding plasma. Small holes, and
       convex holes with more stain than plasma, are filled.
    4. Thin bright lines between cells are detected by a morphological closing and
       removed. The hills of the distance to the background (watershed) are merged if
       the pass between them is shallow. They are then merged in the order of their
       passes, which gives a tree of regions.
    5. The tree is cut into the regions that most resemble single cells in size,
       solidity and width of necks. Remaining clumps are cut again along fainter lines.
    6. Regions around nuclei, large areas with more than twice the stain of a typical
       cell, are merged into white blood cells.

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
        """Validate the parameters.

        Parameters
        ----------
        X : Ignored
            Not used.
        y : None
            Ignored.

        Returns
        -------
        self : CellSegmenter
            Fitted segmenter.

        Raises
        ------
        ValueError
            If a parameter is invalid.
        """
        check_parameters(self)
        return self

    def segment(self, photo: ArrayLike) -> NDArray[np.int32]:
        """Segment one photograph.

        Parameters
        ----------
        photo : array-like of shape (height, width, 3)
            RGB photograph, uint8 in [0, 255], as returned by :func:`read_photo`.

        Returns
        -------
        ndarray of shape (height, width), dtype int32
            Label image with 0 for the background and 1, 2, ... for the cells. White
            blood cells, debris and clumps also have labels. All 0 if there is no
            stained area.

        Raises
        ------
        ValueError
            If `photo` is not an RGB image or is completely dark, or a parameter is
            invalid.
        TypeError
            If the dtype of `photo` is not uint8.
        """
        return self._segment(photo, "photo")

    def transform(self, X: Sequence[ArrayLike]) -> list[NDArray[np.int32]]:
        """Segment photographs.

        Parameters
        ----------
        X : sequence of array-like of shape (height, width, 3)
            RGB photographs, uint8 in [0, 255], possibly of different sizes.

        Returns
        -------
        list of ndarray of shape (height, width), dtype int32
            Label images, as returned by :meth:`segment`.

        Raises
        ------
        ValueError, TypeError
            As in :meth:`segment`.
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
    """Return the regions of a photograph."""
    diameter = diameter_of(views, segmenter)
    sight = look(views, segmenter, diameter) if diameter else None
    return [] if sight is None else split_regions(views, sight)


@dataclass(frozen=True)
class Sight:
    """Stain and cell diameter of the field of a photograph.

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
    """Return the diameter of a cell in pixels of a photograph, or 0 without cells."""
    return segmenter.diameter or estimate_diameter(views.inner)


def look(views: Views, segmenter: CellSegmenter, diameter: float) -> Sight | None:
    """Return the stain and the diameter of a photograph, or None without stain."""
    scale = min(segmenter.resolution / diameter, _LARGEST_SCALE)
    stain = measure_stain(views.inner, scale)
    stained = find_stained(stain, diameter * scale)
    if stained is None:
        return None
    return Sight(stain, stained, diameter * scale)


def split_regions(views: Views, sight: Sight) -> list[Region]:
    """Return the regions of the stained area."""
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
