"""The answer about a patient."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import Reals, check_parameter
from malariafuse.smears import read_photo

# WHO: thin smears are read until so many red cells are counted.
ENOUGH_CELLS = 5000
_HYPERPARASITEMIA, _SEVERE = 0.04, 0.1


def who_class(fraction: float) -> str:
    """Return the class of a parasitemia by the limits of the WHO.

    Parameters
    ----------
    fraction : float
        Share of red cells that are parasitized, 0 to 1.

    Returns
    -------
    str
        "none" for 0, "below 4 %", "hyperparasitemia" from 4 % on, at which the risk of
        a severe course is raised, or "severe" above 10 %, a criterion of severe
        falciparum malaria by itself.

    Raises
    ------
    ValueError, TypeError
        If `fraction` is not a number in 0..1.

    References
    ----------
    .. [1] World Health Organization, "Severe malaria", Tropical Medicine and
       International Health 19 (s1), 2014, pages 7 to 131,
       https://doi.org/10.1111/tmi.12313_2
    .. [2] World Health Organization, "WHO guidelines for malaria", 2023.

    Examples
    --------
    >>> from malariafuse.patients import who_class
    >>> [who_class(fraction) for fraction in (0, 0.01, 0.05, 0.2)]
    ['none', 'below 4 %', 'hyperparasitemia', 'severe']
    """
    check_parameter("fraction", fraction, (Reals(0, 1),))
    if fraction > _SEVERE:
        return "severe"
    if fraction >= _HYPERPARASITEMIA:
        return "hyperparasitemia"
    return "below 4 %" if fraction > 0 else "none"


@dataclass(frozen=True)
class PatientResult:
    """Answer about one patient, as :class:`SmearReader` gives it.

    Parameters
    ----------
    patient : object
        Name of the patient, None if it is not known.
    verdict : str
        "infected", "review" for a patient whose cells a person should look at, "not
        infected", or "cannot be judged" if no cell, or too few without a suspicion,
        were found.
    p_value : float
        Probability of so many counted cells, or more, without a parasite. NaN without
        cells.
    n_cells : int
        Number of red cells.
    n_counted : int
        Number of cells that reach the threshold for the verdict.
    needed : int
        Number of such cells that makes the verdict "infected".
    threshold : float
        Probability from which on a cell is counted for the verdict.
    fraction, low, high : float
        Parasitemia, which is the parasitized fraction of the red cells, and its
        interval, 0 to 1. Misses, false alarms and their differences between patients
        are allowed for. NaN without cells.
    confidence_level : float
        Confidence level of the interval.
    red_cells_per_microliter : float
        Number of red cells per microliter of blood that densities are computed with.
    photos : DataFrame of shape (n_photos, n_columns)
        One row for each photograph: the columns of
        :func:`malariafuse.smears.load_smear_photos`, "n_counted", and "fraction", "low"
        and "high" from the cells of this photograph alone.
    cells : DataFrame of shape (n_regions, 9)
        One row for each region that was found: "photo" (the row in `photos`), the box
        "x", "y", "width" and "height" in pixels, "area" in pixels, "flag" ("" for a red
        cell, else the reason why it is left out of the count), "probability" of
        "parasitized" (NaN if flagged) and "counted".
    masks : sequence of ndarray of shape (height, width), dtype bool
        Mask of each region within its box.
    sources : list
        Path, bytes or array of each photograph, in the order of `photos`.
    upright : bool
        Whether photographs are turned as their EXIF marks say.
    warnings : tuple of str
        Messages of the warnings that were given while the photographs were read.
    card : dict
        Model card of the classifier, empty if there is none.

    See Also
    --------
    SmearReader : Gives these answers.
    write_report : Shows one as an HTML file, in which cells are reviewed.

    Examples
    --------
    >>> import pandas as pd
    >>> from malariafuse.patients import PatientResult
    >>> cells = pd.DataFrame(
    ...     {"flag": ["", "", "clump"], "probability": [0.2, 0.9, float("nan")]}
    ... )
    >>> result = PatientResult(
    ...     "Ada", "infected", 0.001, n_cells=1000, n_counted=21, needed=6,
    ...     threshold=0.9, fraction=0.02, low=0.01, high=0.03, confidence_level=0.95,
    ...     red_cells_per_microliter=5_000_000, photos=pd.DataFrame(),
    ...     cells=cells, masks=[], sources=[],
    ... )
    >>> result.per_microliter
    (100000.0, 50000.0, 150000.0)
    >>> result.who_class, result.enough_cells
    ('below 4 %', False)
    >>> result.suspicious(1)["probability"].item()
    0.9
    """

    patient: Any
    verdict: str
    p_value: float
    n_cells: int
    n_counted: int
    needed: int
    threshold: float
    fraction: float
    low: float
    high: float
    confidence_level: float
    red_cells_per_microliter: float
    photos: pd.DataFrame = field(repr=False)
    cells: pd.DataFrame = field(repr=False)
    masks: Any = field(repr=False)
    sources: list[Any] = field(repr=False)
    upright: bool = field(default=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)
    card: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def enough_cells(self) -> bool:
        """Whether 5,000 red cells were counted, as the WHO asks for."""
        return self.n_cells >= ENOUGH_CELLS

    @property
    def who_class(self) -> str:
        """Class of the parasitemia, see :func:`who_class`."""
        return "none" if np.isnan(self.fraction) else who_class(self.fraction)

    @property
    def per_microliter(self) -> tuple[float, float, float]:
        """Parasitized cells per microliter of blood, and both ends of the interval."""
        density = self.red_cells_per_microliter
        return self.fraction * density, self.low * density, self.high * density

    def suspicious(self, n: int | None = None) -> pd.DataFrame:
        """Return the red cells with the highest probabilities.

        Parameters
        ----------
        n : int, default=None
            Number of cells. None returns all red cells.

        Returns
        -------
        DataFrame
            Rows of `cells`, the most suspicious one first.
        """
        red = self.cells[self.cells["flag"] == ""]
        return red.sort_values("probability", ascending=False, kind="stable").head(
            len(red) if n is None else n
        )

    def read_photo(self, photo: int) -> NDArray[np.uint8]:
        """Read a photograph again, in the frame of the boxes.

        Parameters
        ----------
        photo : int
            Row of the photograph in `photos`.

        Returns
        -------
        ndarray of shape (height, width, 3), dtype uint8
            RGB in 0..255.

        Raises
        ------
        ImageReadError
            If the photograph cannot be read any more.
        """
        source = self.sources[photo]
        if isinstance(source, np.ndarray):
            return source
        return read_photo(source, upright=self.upright)

    def outlines(self, rows: ArrayLike) -> list[NDArray[np.int64]]:
        """Return the outlines of regions.

        Parameters
        ----------
        rows : array-like of int
            Rows of `cells`.

        Returns
        -------
        list of ndarray of shape (n_points, 2), dtype int64
            x and y of the corners of each outline, in pixels of the photograph.
        """
        outlines = []
        for row in np.asarray(rows).tolist():
            lines, _ = cv2.findContours(
                self.masks[row].astype(np.uint8),
                cv2.RETR_EXTERNAL,
                cv2.CHAIN_APPROX_SIMPLE,
            )
            corner = self.cells.loc[row, ["x", "y"]].to_numpy(dtype=np.int64)
            outlines.append(max(lines, key=len)[:, 0].astype(np.int64) + corner)
        return outlines

    def crops(
        self, rows: ArrayLike, *, margin: float = 0.25
    ) -> list[NDArray[np.uint8]]:
        """Cut cells out of the photographs, with what surrounds them.

        Each photograph is read once.

        Parameters
        ----------
        rows : array-like of int
            Rows of `cells`.
        margin : float, default=0.25
            Width of the surrounding on each side, in longer sides of the box.

        Returns
        -------
        list of ndarray of shape (side, side, 3), dtype uint8
            Square crops in the order of `rows`, white beyond the photograph.

        Raises
        ------
        ImageReadError
            If a photograph cannot be read any more.
        """
        check_parameter("margin", margin, (Reals(0, 10),))
        chosen = self.cells.loc[np.asarray(rows)]
        crops: dict[int, NDArray[np.uint8]] = {}
        for photo, cells in chosen.groupby("photo"):
            image = self.read_photo(int(photo))
            boxes = cells[["x", "y", "width", "height"]].itertuples()
            for row, x, y, width, height in boxes:
                side = max(width, height)
                reach = round(side * (0.5 + margin))
                center = x + width // 2, y + height // 2
                crops[row] = _square(image, center, reach)
        return [crops[row] for row in chosen.index]

    def summary(self) -> "pd.Series[Any]":
        """Return the numbers of the answer.

        Returns
        -------
        Series
            "verdict", "n_cells", "enough_cells", "n_counted", "needed", "p_value",
            "fraction", "low", "high", "per_microliter", "per_microliter_low",
            "per_microliter_high", "who_class", "n_photos" and "n_judged".
        """
        density, density_low, density_high = self.per_microliter
        return pd.Series(
            {
                "verdict": self.verdict,
                "n_cells": self.n_cells,
                "enough_cells": self.enough_cells,
                "n_counted": self.n_counted,
                "needed": self.needed,
                "p_value": self.p_value,
                "fraction": self.fraction,
                "low": self.low,
                "high": self.high,
                "per_microliter": density,
                "per_microliter_low": density_low,
                "per_microliter_high": density_high,
                "who_class": self.who_class,
                "n_photos": len(self.photos),
                "n_judged": int((self.photos["problem"] == "").sum()),
            },
            name=self.patient,
        )


def _square(
    image: NDArray[np.uint8], center: tuple[int, int], reach: int
) -> NDArray[np.uint8]:
    """Cut a square, white beyond the image."""
    (x, y), (height, width) = center, image.shape[:2]
    square = np.full((2 * reach, 2 * reach, 3), 255, dtype=np.uint8)
    top, left = max(y - reach, 0), max(x - reach, 0)
    bottom, right = min(y + reach, height), min(x + reach, width)
    square[
        top - y + reach : bottom - y + reach, left - x + reach : right - x + reach
    ] = image[top:bottom, left:right]
    return square
