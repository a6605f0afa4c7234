"""Distribution of the stain over a cell."""

import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_border import BORDER_NAMES, border_features
from malariafuse.features._cell_density import Stain, measure_stain
from malariafuse.features._cell_spots import SPOT_NAMES, spot_features

_RANKS = (0.01, 0.05, 0.25, 0.75, 0.9, 0.95, 0.98, 0.995)
_TINT_RANKS = (0.02, 0.5, 0.98)
_ALL_RANKS = np.array([*_RANKS, *_TINT_RANKS, *_TINT_RANKS])
# Quantiles of green, red minus green, and blue minus green.
_LINES = np.repeat([0, 1, 2], [len(_RANKS), len(_TINT_RANKS), len(_TINT_RANKS)])

# Without the rim, whose pixels are mixed with the background.
STAIN_NAMES = (
    *(f"inner_density_p{100 * rank:g}" for rank in _RANKS),
    *(f"inner_red_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
    *(f"inner_blue_to_green_p{100 * rank:g}" for rank in _TINT_RANKS),
    *SPOT_NAMES,
    *BORDER_NAMES,
)


def stain_features(
    images: NDArray[np.float32], cells: list[Cell]
) -> NDArray[np.float64]:
    """Return the features `STAIN_NAMES` for images in [0, 255], one row for each.

    The radii of the cells must be in one size class, see `size_class`.
    """
    stain = measure_stain(images, cells)
    return np.hstack(
        [
            _distribution(stain),
            spot_features(stain, cells),
            border_features(stain, cells),
        ]
    )


def _distribution(stain: Stain) -> NDArray[np.float64]:
    """Return quantiles of green density and tint inside each cell."""
    red, green, blue = stain.density
    lines = np.stack([green, red - green, blue - green])
    table = np.zeros((len(stain.bounds), len(_ALL_RANKS)))
    for row, inner in zip(table, stain.inner(), strict=True):
        if inner.start == inner.stop:
            continue
        # Twenty times as fast as np.quantile, which has more checks and interpolation.
        ordered = np.sort(lines[:, inner])
        last = inner.stop - inner.start - 1
        row[:] = ordered[_LINES, np.rint(_ALL_RANKS * last).astype(np.intp)]
    return table
