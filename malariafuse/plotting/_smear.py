"""Displays of photographs of smears and of suspicious cells."""

from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from malariafuse._parameters import Instances, Integers, check_parameter
from malariafuse.patients import PatientResult
from malariafuse.plotting._axes import show_image, single_axes
from malariafuse.plotting._checks import check_count
from malariafuse.plotting._image_grid import ImageGridDisplay
from malariafuse.plotting._style import GRAY, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RESULT = (
    Instances(PatientResult, "a PatientResult, as returned by SmearReader.read"),
)
_LONGEST = 1600  # maximum longer side of the drawn image, in pixels
_SHAPE = (64, 64)
_MARGIN = 0.25


class SmearDisplay:
    """Display of a photograph of a smear with outlined cells.

    Outlines are colored by the probability of "parasitized". Outlines of counted cells
    are wider. Outlines of flagged regions, which are not counted, are gray and dashed.

    Create it with :meth:`from_result`.

    Parameters
    ----------
    photo : ndarray of shape (height, width, 3), dtype uint8
        RGB photograph.
    outlines : list of ndarray of shape (n_points, 2)
        Outline of each region, as x and y in pixels of `photo`.
    cells : DataFrame
        One row for each region, with the columns "flag", "probability" and "counted",
        as in :class:`malariafuse.patients.PatientResult`.
    title : str, default=""
        Title of the axes.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        Photograph.
    outlines_ : matplotlib LineCollection
        Outlines of the red cells.
    flagged_ : matplotlib LineCollection
        Outlines of the flagged regions.
    ax_ : matplotlib Axes
        Axes with the photograph.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    ParasitemiaDisplay : Plot of the parasitemia of each photograph.
    malariafuse.patients.SmearReader : Read the photographs of a patient.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from malariafuse.plotting import SmearDisplay
    >>> square = np.array([[10, 10], [30, 10], [30, 30], [10, 30]])
    >>> display = SmearDisplay(
    ...     photo=np.full((60, 90, 3), 230, dtype=np.uint8),
    ...     outlines=[square, square + 25],
    ...     cells=pd.DataFrame(
    ...         {
    ...             "flag": ["", "cut"],
    ...             "probability": [0.9, None],
    ...             "counted": [True, False],
    ...         }
    ...     ),
    ... ).plot()
    >>> len(display.outlines_.get_paths()), len(display.flagged_.get_paths())
    (1, 1)
    """

    def __init__(
        self,
        *,
        photo: NDArray[np.uint8],
        outlines: list[NDArray[Any]],
        cells: pd.DataFrame,
        title: str = "",
    ) -> None:
        self.photo = photo
        self.outlines = outlines
        self.cells = cells
        self.title = title

    @classmethod
    def from_result(
        cls, result: PatientResult, photo: int = 0, *, ax: "Axes | None" = None
    ) -> Self:
        """Draw a photograph of a patient.

        Parameters
        ----------
        result : PatientResult
            Result of :meth:`malariafuse.patients.SmearReader.read`.
        photo : int, default=0
            Row of the photograph in ``result.photos``.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : SmearDisplay
            Display object.

        Raises
        ------
        ImageReadError
            If the photograph can no longer be read.
        ValueError, TypeError
            If an argument is invalid.
        """
        check_parameter("result", result, _RESULT)
        check_parameter("photo", photo, (Integers(0, len(result.photos) - 1),))
        image = result.read_photo(photo)
        scale = min(1.0, _LONGEST / max(image.shape[:2]))
        if scale < 1:
            image = cv2.resize(  # type: ignore[assignment]
                image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        cells = result.cells[result.cells["photo"] == photo]
        outlines = [outline * scale for outline in result.outlines(cells.index)]
        row = result.photos.iloc[photo]
        title = f"{row['n_counted']} of {counted(int(row['n_cells']), 'cell')} counted"
        return cls(photo=image, outlines=outlines, cells=cells, title=title).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the photograph and the outlines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : SmearDisplay
            Display object.
        """
        height, width = self.photo.shape[:2]
        self.figure_, self.ax_ = single_axes(ax, (8, 8 * height / width + 0.4))
        from matplotlib.collections import LineCollection

        self.image_ = show_image(self.ax_, self.photo, title=self.title or None)
        closed = [np.concatenate([line, line[:1]]) for line in self.outlines]
        red = (self.cells["flag"] == "").to_numpy()
        probability = self.cells["probability"].to_numpy(dtype=float)[red]
        order = np.argsort(
            probability, kind="stable"
        )  # drawn in ascending order of probability, suspicious cells on top
        lines = [line for line, is_red in zip(closed, red, strict=True) if is_red]
        widths = np.where(self.cells["counted"].to_numpy(dtype=bool)[red], 2.5, 1.0)
        self.flagged_ = LineCollection(
            [line for line, is_red in zip(closed, red, strict=True) if not is_red],
            colors=GRAY,
            linestyles="--",
            linewidths=0.8,
        )
        self.outlines_ = LineCollection(
            [lines[i] for i in order],
            array=probability[order],
            cmap="plasma",
            linewidths=widths[order],
            clim=(0, 1),
        )
        self.ax_.add_collection(self.flagged_)
        self.ax_.add_collection(self.outlines_)
        # Outlines of cells at the border must not enlarge the axes.
        self.ax_.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        self.figure_.colorbar(
            self.outlines_, ax=self.ax_, label="probability of parasitized", shrink=0.8
        )
        return self


def suspicious_cells(
    result: PatientResult, n_cells: int = 18, *, ax: "Axes | None" = None
) -> ImageGridDisplay:
    """Draw the most suspicious cells of a patient, cropped from the photographs.

    Parameters
    ----------
    result : PatientResult
        Result of :meth:`malariafuse.patients.SmearReader.read`.
    n_cells : int, default=18
        Maximum number of cells.
    ax : matplotlib Axes, default=None
        Axes on which to draw. None creates a new figure.

    Returns
    -------
    ImageGridDisplay
        Grid of cells in descending order of probability, with the probability and the
        number of the photograph, starting at 1.

    Raises
    ------
    ImageReadError
        If a photograph can no longer be read.
    ValueError, TypeError
        If an argument is invalid, or there is no red cell.

    See Also
    --------
    SmearDisplay : Display of all cells of a photograph.

    Examples
    --------
    >>> import warnings
    >>> import cv2
    >>> import numpy as np
    >>> from malariafuse import load_smear_reader
    >>> from malariafuse.plotting import suspicious_cells
    >>> photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.uint8)
    >>> for x, y in [(80, 80), (200, 90), (120, 200), (330, 210)]:
    ...     _ = cv2.circle(photo, (x, y), 30, (200, 120, 150), cv2.FILLED)
    >>> with warnings.catch_warnings():  # disks are not stained cells
    ...     warnings.simplefilter("ignore")
    ...     result = load_smear_reader().read([photo])[None]
    >>> suspicious_cells(result, 2).images.shape
    (2, 64, 64, 3)
    """
    check_parameter("result", result, _RESULT)
    check_count(n_cells, "n_cells")
    rows = result.suspicious(n_cells)
    if rows.empty:
        raise ValueError("result has no red cell: there is nothing to draw.")
    crops = result.crops(rows.index, margin=_MARGIN)
    images = [cv2.resize(c, _SHAPE, interpolation=cv2.INTER_AREA) for c in crops]
    titles = [
        f"{probability:.2f}, photograph {photo + 1}"
        for probability, photo in zip(rows["probability"], rows["photo"], strict=True)
    ]
    return ImageGridDisplay(
        images=np.asarray(images),
        titles=titles,
        rows=rows.index.to_numpy(),
        title=f"The {counted(len(rows), 'most suspicious cell')}",
    ).plot(ax)
