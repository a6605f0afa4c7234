"""How the stain is distributed over a cell, and how it forms spots."""

import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_border import BORDER_NAMES, border_features
from malariafuse.features._cell_density import measure_stain
from malariafuse.features._cell_spots import SPOT_NAMES, spot_features

_RANKS = (0.01, 0.05, 0.25, 0.75, 0.9, 0.95, 0.98, 0.995)
_TINT_RANKS = (0.02, 0.5, 0.98)

# Without the rim, whose pixels are mixed with what lies beyond the outline.
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
    """Return the values of `STAIN_NAMES` for images in 0..255, a row each."""
    stains = [
        measure_stain(image, cell) for image, cell in zip(images, cells, strict=True)
    ]
    return np.hstack(
        [
            [_distribution(stain.density[:, : stain.n_inner]) for stain in stains],
            spot_features(stains, cells),
            border_features(stains, cells),
        ]
    )


def _distribution(density: NDArray[np.float32]) -> list[float]:
    """Return quantiles of the density in green and of the tint over a region."""
    if not density.shape[1]:
        return [0.0] * (len(_RANKS) + 2 * len(_TINT_RANKS))
    red, green, blue = density
    # A twentieth of the time of np.quantile, which checks and interpolates more.
    ordered = np.sort(np.stack([green, red - green, blue - green]))
    last = density.shape[1] - 1
    ranks, tint_ranks = (
        [round(rank * last) for rank in ranks] for ranks in (_RANKS, _TINT_RANKS)
    )
    return [*ordered[0, ranks], *ordered[1, tint_ranks], *ordered[2, tint_ranks]]
