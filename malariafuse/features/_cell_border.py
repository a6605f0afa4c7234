"""The outline of a cell: its notches, and the stain along it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell

_N_POINTS = 128
# In points of the outline: what is smaller is a step between pixels, and how wide a
# notch is at least.
_STEPS, _NOTCH = 2, 4
_OFFSETS = range(0, 25, 2)  # from the notch, to either side
_INSIDE = 0.1  # of the radius

BORDER_NAMES = (
    *(
        f"notch_{what}{offset}"
        for what in ("density", "purple", "radius")
        for offset in _OFFSETS
    ),
    "border_solid",
    *(f"border_purple_spot_{what}" for what in ("purple", "density", "bend", "radius")),
    "border_purple_by_bend",
    "border_density_by_bend",
)


def border_features(density: NDArray[np.float32], cell: Cell) -> list[float]:
    """Return the values of `BORDER_NAMES`.

    The notch is where the outline is most concave. Around it, values of both sides are
    averaged, so that a mirrored cell has the same.

    Parameters
    ----------
    density : ndarray of shape (height, width, 3), float32
        Optical density relative to that of the cell; 0 outside.
    cell : Cell
        The cell.
    """
    # An outline of complex numbers, whose derivatives are products in its spectrum.
    outline = _even_outline(cell.outline)
    center = outline.mean()
    spectrum = np.fft.fft(outline - center)
    angles = np.asarray(2 * np.pi * np.fft.fftfreq(_N_POINTS), dtype=np.float64)
    smooth = spectrum * np.exp(-0.5 * (_STEPS * angles) ** 2)
    points = np.fft.ifft(smooth)
    bends = _curvature(spectrum * np.exp(-0.5 * (_NOTCH * angles) ** 2), angles)
    bends *= cell.radius
    # Whether the outline runs around the cell one way or the other.
    way = 1.0 if cv2.contourArea(cell.outline, oriented=True) > 0 else -1.0
    bends *= way
    tangent = np.fft.ifft(1j * angles * smooth)
    inward = way * 1j * tangent / (np.abs(tangent) + 1e-6)
    radii = np.abs(points) / cell.radius
    places = points + _INSIDE * cell.radius * inward + center
    layers = np.dstack([density[..., 1], density[..., 1] - density[..., 0], cell.mask])
    green, purple, solid = _read(layers.astype(np.float32), places)
    around = (int(bends.argmin()) + np.outer((-1, 1), _OFFSETS)) % _N_POINTS
    spot = int(purple.argmax())
    return [
        *(value for line in (green, purple, radii) for value in line[around].mean(0)),
        solid.mean(),
        purple[spot],
        green[spot],
        bends[spot],
        radii[spot],
        _correlation(purple, bends),
        _correlation(green, bends),
    ]


def _even_outline(outline: NDArray[np.int32]) -> NDArray[np.complex128]:
    """Return points at even distances along the outline."""
    corners = outline[:, 0] + 1j * outline[:, 1]
    corners = np.append(corners, corners[0])
    lengths = np.concatenate([[0], np.cumsum(np.abs(np.diff(corners)))])
    wanted = np.arange(_N_POINTS) * (lengths[-1] / _N_POINTS)
    even: NDArray[np.complex128] = np.interp(wanted, lengths, corners)
    return even


def _curvature(
    spectrum: NDArray[np.complex128], angles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the inverse radius of the circle that fits at each point."""
    first = np.fft.ifft(1j * angles * spectrum)
    second = np.fft.ifft(-(angles**2) * spectrum)
    bends: NDArray[np.float64] = (first.conj() * second).imag / (
        np.abs(first) ** 3 + 1e-6
    )
    return bends


def _read(
    layers: NDArray[np.float32], places: NDArray[np.complex128]
) -> tuple[NDArray[np.float32], ...]:
    """Return green, purple and the mask at some places, the first two within it."""
    blurred = cv2.GaussianBlur(layers, (3, 3), 0)
    weights = blurred[..., 2:] + 1e-3
    seen = np.dstack([blurred[..., :2] / weights, layers[..., 2]])
    x, y = (part.astype(np.float32)[None] for part in (places.real, places.imag))
    read = cv2.remap(seen, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    return read[:, 0], read[:, 1], read[:, 2]


def _correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) + 1e-6))
