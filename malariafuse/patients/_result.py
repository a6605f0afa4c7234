"""Result of reading the photographs of a patient."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._parameters import Reals, check_parameter
from malariafuse.smears import read_photo

# Number of red cells to count in a thin smear, according to the WHO.
ENOUGH_CELLS = 5000
_HYPERPARASITEMIA, _SEVERE = 0.04, 0.1


def who_class(fraction: float) -> str:
    """Classify a parasitemia by the limits of the WHO.

    Parameters
    ----------
    fraction : float
        Parasitized fraction of red cells, in [0, 1].

    Returns
    -------
    str
        "none" for 0, "below 4 %", "hyperparasitemia" from 4 % to 10 %, or "severe"
        above 10 %. Hyperparasitemia increases the risk of severe malaria [2]_. A
        parasitemia above 10 % is a criterion of severe falciparum malaria [1]_.

    Raises
    ------
    ValueError, TypeError
        If `fraction` is not a number in [0, 1].

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
    """Result of one patient, as returned by :class:`SmearReader`.

    Parameters
    ----------
    patient : object
        Name of the patient, or None if unknown.
    verdict : str
        "infected", "review" if a person should look at the cells, "not infected", or
        "cannot be judged" if there are no cells, or too few for "not infected".
    p_value : float
        Probability of at least this number of counted cells without parasites. NaN
        without cells.
    n_cells : int
        Number of red cells.
    n_counted : int
        Number of counted cells, whose probability is at least `threshold`.
    needed : int
        Smallest number of counted cells for the verdict "infected".
    threshold : float
        Threshold of the probability for counted cells.
    fraction, low, high : float
        Parasitemia (parasitized fraction of red cells) and its interval, in [0, 1].
        They account for missed cells, false positives and their variation between
        patients. NaN without cells.
    confidence_level : float
        Confidence level of the interval.
    red_cells_per_microliter : float
        Number of red cells per microliter of blood, used to compute densities.
    photos : DataFrame of shape (n_photos, n_columns)
        One row for each photograph, with the columns of
        :func:`malariafuse.smears.load_smear_photos`, "n_counted", and "fraction", "low"
        and "high" of the photograph.
    cells : DataFrame of shape (n_regions, 9)
        One row for each segmented region, with the columns "photo" (row in `photos`),
        the bounding box "x", "y", "width" and "height" in pixels, "area" in pixels,
        "flag" ("" for a red cell, otherwise the reason why it is not counted),
        "probability" of "parasitized" (NaN if flagged) and "counted".
    masks : sequence of ndarray of shape (height, width), dtype bool
        Mask of each region in its box.
    sources : list
        Path, bytes or array of each photograph, in the order of `photos`.
    upright : bool
        Whether photographs are rotated by their EXIF orientation.
    warnings : tuple of str
        Messages of warnings during the reading of the photographs.
    card : dict
        Model card of the classifier, possibly empty.

    See Also
    --------
    SmearReader : Read the photographs of a patient.
    write_report : Write a result as an HTML file for review.

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
        """Whether at least 5,000 red cells were found, as required by the WHO."""
        return self.n_cells >= ENOUGH_CELLS

    @property
    def who_class(self) -> str:
        """WHO class of the parasitemia, see :func:`who_class`."""
        return "none" if np.isnan(self.fraction) else who_class(self.fraction)

    @property
    def per_microliter(self) -> tuple[float, float, float]:
        """Parasitized cells per microliter of blood, and bounds of the interval."""
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
            Rows of `cells`, in descending order of probability.
        """
        red = self.cells[self.cells["flag"] == ""]
        return red.sort_values("probability", ascending=False, kind="stable").head(
            len(red) if n is None else n
        )

    def read_photo(self, photo: int) -> NDArray[np.uint8]:
        """Read a photograph again, in the orientation of the boxes.

        Parameters
        ----------
        photo : int
            Row of the photograph in `photos`.

        Returns
        -------
        ndarray of shape (height, width, 3), dtype uint8
            RGB photograph in [0, 255].

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
            Outlines as x and y of their corners, in pixels of the photograph.
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
        """Crop cells and their surroundings from the photographs.

        Each photograph is read once.

        Parameters
        ----------
        rows : array-like of int
            Rows of `cells`.
        margin : float, default=0.25
            Width of the margin on each side, in units of the longer side of the box.

        Returns
        -------
        list of ndarray of shape (side, side, 3), dtype uint8
            Square crops in the order of `rows`, white outside the photograph.

        Raises
        ------
        ImageReadError
            If a photograph can no longer be read.
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
        """Return a summary of the result.

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
    """Crop a square, white outside the image."""
    (x, y), (height, width) = center, image.shape[:2]
    square = np.full((2 * reach, 2 * reach, 3), 255, dtype=np.uint8)
    top, left = max(y - reach, 0), max(x - reach, 0)
    bottom, right = min(y + reach, height), min(x + reach, width)
    square[
        top - y + reach : bottom - y + reach, left - x + reach : right - x + reach
    ] = image[top:bottom, left:right]
    return square
