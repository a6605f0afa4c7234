"""How the stain is distributed over a cell: its strength, its tint, its rim."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_border import BORDER_NAMES, border_features
from malariafuse.features._cell_spots import SPOT_NAMES, spot_features

_RIM = 0.1  # of the radius
_RANKS = (0.01, 0.05, 0.25, 0.75, 0.9, 0.95, 0.98, 0.995)
_TINT_RANKS = (0.02, 0.5, 0.98)

STAIN_NAMES = (
    *(f"log_{channel}" for channel in ("red", "green", "blue")),
    "log_red_to_green",
    "log_blue_to_green",
    *(f"{channel}_variation" for channel in ("red", "green", "blue")),
    *(
        f"{region}_{what}"
        for region in ("inner", "rim")
        for what in (
            *(f"density_p{100 * rank:g}" for rank in _RANKS),
            *(f"red_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
            *(f"blue_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
        )
    ),
    *SPOT_NAMES,
    *BORDER_NAMES,
)


def stain_features(image: NDArray[np.float32], cell: Cell) -> list[float]:
    """Return the values of `STAIN_NAMES` for an image in 0..255."""
    within = cell.mask > 0
    pixels = image[within] + 1
    white = np.median(pixels, axis=0)
    logarithms = np.log(white)
    # Optical density relative to that of the cell itself: the same for any lamp and for
    # a paler or darker cell (gray-world balance by the cell's own median).
    density = -np.log(np.maximum((image + 1) / white, 0.05))
    density[~within] = 0
    # The frame outside the image is background, too.
    framed = cv2.copyMakeBorder(cell.mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distances = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = np.asarray(distances / cell.radius, dtype=np.float32)
    inner = depth > _RIM
    rim = within & ~inner
    return [
        *logarithms,
        logarithms[0] - logarithms[1],
        logarithms[2] - logarithms[1],
        *(pixels.std(axis=0) / white),
        *_distribution(density, inner),
        *_distribution(density, rim),
        *spot_features(density, cell, depth, inner, rim),
        *border_features(density, cell),
    ]


def _distribution(
    density: NDArray[np.float32], region: NDArray[np.bool_]
) -> list[float]:
    """Return quantiles of the density in green and of the tint over a region."""
    pixels = density[region]
    if not len(pixels):
        return [0.0] * (len(_RANKS) + 2 * len(_TINT_RANKS))
    red, green, blue = pixels.T
    return [
        *_quantiles(green, _RANKS),
        *_quantiles(red - green, _TINT_RANKS),
        *_quantiles(blue - green, _TINT_RANKS),
    ]


def _quantiles(
    values: NDArray[np.float32], ranks: tuple[float, ...]
) -> NDArray[np.float32]:
    # A twentieth of the time of np.quantile, which checks and interpolates more.
    ordered = np.sort(values)
    return ordered[[round(rank * (len(ordered) - 1)) for rank in ranks]]
