"""Quality of one photograph."""

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
    """Measure the quality of a photograph and detect problems.

    Parameters
    ----------
    photo : array-like of shape (height, width, 3)
        RGB photograph, uint8 in [0, 255], as returned by :func:`read_photo`.
    segmenter : CellSegmenter or callable, default=None
        Segmenter of the cells, as in :func:`load_smear_photos`. None uses
        ``CellSegmenter()``.

    Returns
    -------
    dict
        Measures of the photograph, NaN if a measure cannot be computed:

        diameter : float
            Diameter of a typical cell in pixels.
        sharpness : float
            Slope of the outlines of the cells, in units of the stain of a cell per
            diameter: the square root of the 0.9 quantile of the squared gradient along
            the outlines. It does not depend on magnification and exposure. Sharp
            photographs have values of 8 to 12.
        stain : float
            Natural logarithm of the ratio of the light of the plasma to the light of a
            typical cell, in the green channel.
        hue : float
            Hue of the stain in degrees, NaN for gray.
        covered : float
            Stained fraction of the field.
        separate : float
            Fraction of the area of all regions that look like single cells. Other
            regions are clumps or have a different shape. NaN for a custom segmenter.
        brightness : float
            Median light of the plasma in its brightest channel, in [0, 255].
        evenness : float
            Ratio of the 0.05 to the 0.95 quantile of the light of the plasma over the
            field, in the green channel.
        clipped_white, clipped_black : float
            Fractions of the pixels of the field with 255, or with 0, in all channels.
        n_cells : int
            Number of red cells, 0 if there is a problem.
        problem : str
            Quality problem, see the notes, or "".

    Raises
    ------
    ValueError
        If `photo` is not an RGB image, or `segmenter` is invalid.
    TypeError
        If the dtype of `photo` is not uint8.

    See Also
    --------
    load_smear_photos : Load many photographs with these measures in a table.

    Notes
    -----
    The first applicable problem is reported:

    "dark"
        No pixel is above 50 of 255.
    "overexposed"
        More than 0.3 of the field is white in all channels.
    "no cells"
        There is no stained area, or no region is a red cell.
    "not a thin smear"
        The stained structures are smaller than cells (less than 10 pixels), or have the
        stain of nuclei (above 1), or less than 0.15 of their area looks like single
        cells. Examples are thick smears and photographs of other objects.
    "cells too small", "cells too large"
        The diameter is below 24 pixels, at which parasites are not visible, or above
        half of the shorter side of the field.
    "underexposed"
        The brightness is below 80.
    "gray"
        The stain is nearly equal in all channels.
    "out of focus"
        The sharpness is below 4.5. This corresponds to a sharp photograph after a
        Gaussian blur with a standard deviation of 0.11 diameters, about the width of
        ring forms.

    "too dense"
        More than 0.85 of the field is stained.

    Among measures of focus, the squared gradient ranks blurred blood smears best [1]_.
    The limits were chosen on photographs of three laboratories, all of which have no
    problem, and on blurred, bleached, darkened and gray copies of them.

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
