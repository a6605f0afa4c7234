"""The quality of one photograph."""

from typing import Any

from numpy.typing import ArrayLike

from malariafuse._parameters import check_parameter
from malariafuse.smears._find import SEGMENTER, Segmenter, find_cells
from malariafuse.smears._photo import check_photo
from malariafuse.smears._segmenter import CellSegmenter
from malariafuse.smears._views import Views


def photo_quality(
    photo: ArrayLike, *, segmenter: "Segmenter | None" = None
) -> dict[str, Any]:
    """Measure how well the cells of a photograph can be counted and judged.

    Parameters
    ----------
    photo : array-like of shape (height, width, 3)
        RGB photograph, uint8 in 0..255, as :func:`read_photo` returns it.
    segmenter : CellSegmenter or callable, default=None
        Finder of the cells, as for :func:`load_smear_photos`. None is
        ``CellSegmenter()``.

    Returns
    -------
    dict
        Measures of the photograph, NaN where they cannot be taken:

        diameter : float
            Diameter of a typical cell in pixels.
        sharpness : float
            Slope of the outlines of the cells, in stains of a cell per diameter: the
            square root of the 0.9 quantile of the squared gradient along the outlines.
            Neither magnification nor exposure changes it. Sharp photographs have 8 to
            12.
        stain : float
            Natural logarithm of the light of the plasma by that of a typical cell, in
            the green channel.
        hue : float
            Hue of the stain in degrees; NaN for gray.
        covered : float
            Share of the field that is stained.
        separate : float
            Share of the area of all regions that look like single cells; the rest is
            clumped or of another shape. NaN for a segmenter of your own.
        brightness : float
            Median light of the plasma in its brightest channel, in 0..255.
        evenness : float
            Light of the plasma in the green channel where it is dim by that where it
            is bright (0.05 and 0.95 quantiles of the field).
        clipped_white, clipped_black : float
            Shares of the field's pixels with 255, or with 0, in all channels.
        n_cells : int
            Number of red cells, 0 if there is a problem.
        problem : str
            Reason why the photograph cannot be judged, "" if there is none.

    Raises
    ------
    ValueError
        If `photo` is not an RGB image, or `segmenter` is none.
    TypeError
        If the dtype of `photo` is not uint8.

    See Also
    --------
    load_smear_photos : Has these measures of many photographs in a table.

    Notes
    -----
    The problems, of which the first that applies is given:

    "dark"
        No pixel is above 50 of 255.
    "overexposed"
        More than 0.3 of the field is white in all channels.
    "no cells"
        Nothing is stained, or no region is a red cell.
    "not a thin smear"
        What is stained has no size as cells have (less than 10 pixels), is stained as
        nuclei are (above 1), or less than 0.15 of its area looks like single cells.
        Thick smears and photographs of something else are such.
    "cells too small", "cells too large"
        The diameter is below 24 pixels, which shows no parasite, or above half of the
        shorter side of the field.
    "underexposed"
        The brightness is below 80.
    "gray"
        All channels have nearly the same stain.
    "out of focus"
        The sharpness is below 4.5. A Gaussian blur by 0.11 diameters brings sharp
        photographs there, and rings of parasites are hardly wider than that.

    "too dense"
        More than 0.85 of the field is stained.

    Measures by the squared gradient rank blurred blood films best [1]_. The limits were
    chosen on photographs of three laboratories, all of which pass, and on blurred,
    bleached, darkened and gray copies of them.

    References
    ----------
    .. [1] X. Liu et al., "Autofocus algorithms for blood smear and Pap smear
       microscopy", IEEE EMBS, 4718-4721, 2008.

    Examples
    --------
    >>> import cv2
    >>> import numpy as np
    >>> from malariafuse.smears import photo_quality
    >>> photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.uint8)
    >>> photo_quality(photo)["problem"]
    'no cells'
    >>> for x, y in [(80, 80), (200, 90), (120, 200), (330, 210)]:
    ...     _ = cv2.circle(photo, (x, y), 30, (200, 120, 150), cv2.FILLED)
    >>> quality = photo_quality(photo)
    >>> quality["n_cells"], quality["problem"]
    (4, '')
    >>> photo_quality(cv2.GaussianBlur(photo, (0, 0), 9))["problem"]
    'out of focus'
    """
    check_parameter("segmenter", segmenter, SEGMENTER)
    found = find_cells(
        Views(check_photo(photo)),
        CellSegmenter() if segmenter is None else segmenter,
        despite_problems=False,
    )
    quality = dict(found.quality)
    problem = quality.pop("problem")
    n_cells = int((found.table["flag"] == "").sum())
    return {**quality, "n_cells": n_cells, "problem": problem}
