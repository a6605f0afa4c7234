"""The outline of a cell: its notches, and the stain along it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_density import Stain

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


def border_features(stains: list[Stain], cells: list[Cell]) -> NDArray[np.float64]:
    """Return the values of `BORDER_NAMES`, a row for each cell.

    The notch is where the outline is most concave. Around it, values of both sides are
    averaged, so that a mirrored cell has the same.
    """
    # Outlines of complex numbers, whose derivatives are products in their spectrum.
    outlines = np.array([_even_outline(cell.outline) for cell in cells])
    radius = np.array([[cell.radius] for cell in cells])
    # Whether the outline runs around the cell one way or the other.
    areas = [[cv2.contourArea(cell.outline, oriented=True)] for cell in cells]
    way = np.where(np.array(areas) > 0, 1.0, -1.0)
    center = outlines.mean(axis=1, keepdims=True)
    spectrum = np.fft.fft(outlines - center)
    angles = np.asarray(2 * np.pi * np.fft.fftfreq(_N_POINTS), dtype=np.float64)
    smooth = spectrum * np.exp(-0.5 * (_STEPS * angles) ** 2)
    points = np.fft.ifft(smooth)
    bends = _curvature(spectrum * np.exp(-0.5 * (_NOTCH * angles) ** 2), angles)
    bends *= radius * way
    tangent = np.fft.ifft(1j * angles * smooth)
    inward = way * 1j * tangent / (np.abs(tangent) + 1e-6)
    radii = np.abs(points) / radius
    places = points + _INSIDE * radius * inward + center
    # Between pixels by hand: before OpenCV 5, cv2.remap knows 32 steps only.
    pixels, parts = _corners(places, *cells[0].mask.shape)
    read = [
        _read(stain.layers, pixels[:, i]) * parts[:, i]
        for i, stain in enumerate(stains)
    ]
    green, purple, solid = np.sum(read, axis=2).swapaxes(0, 1)
    # Shape (2, n_offsets, n_cells), like the index of cells beside it.
    around = np.add.outer(np.outer((-1, 1), _OFFSETS), bends.argmin(axis=1)) % _N_POINTS
    rows = np.arange(len(cells))
    spot = purple.argmax(axis=1)
    return np.column_stack(
        [
            *(lines[rows, around].mean(axis=0).T for lines in (green, purple, radii)),
            solid.mean(axis=1),
            *(lines[rows, spot] for lines in (purple, green, bends, radii)),
            _correlation(purple, bends),
            _correlation(green, bends),
        ]
    )


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


def _corners(
    places: NDArray[np.complex128], height: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the four pixels around each place and their parts in it, corners first."""
    x, y = (part.astype(np.float32) for part in (places.real, places.imag))
    left, top = np.floor(x), np.floor(y)
    right, below = x - left, y - top
    rows = [np.clip(row, 0, height - 1) * width for row in (top, top + 1)]
    columns = [np.clip(column, 0, width - 1) for column in (left, left + 1)]
    pixels = np.stack([row + column for row in rows for column in columns])
    parts = [
        down * across for down in (1 - below, below) for across in (1 - right, right)
    ]
    return pixels.astype(np.intp), np.stack(parts)


def _read(layers: NDArray[np.float32], pixels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return green, purple and the mask at some pixels, the first two within it."""
    mask = layers[2]
    weights = cv2.GaussianBlur(mask, (3, 3), 0) + np.float32(1e-3)
    seen = [cv2.GaussianBlur(layer, (3, 3), 0) / weights for layer in layers[:2]]
    return np.stack([layer.ravel().take(pixels) for layer in (*seen, mask)])


def _correlation(
    a: NDArray[np.floating], b: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the correlation of each row of `a` with that of `b`."""
    a, b = (line - line.mean(axis=1, keepdims=True) for line in (a, b))
    aa, bb, ab = ((x * y).sum(axis=1) for x, y in ((a, a), (b, b), (a, b)))
    correlation: NDArray[np.floating] = ab / (np.sqrt(aa * bb) + 1e-6)
    return correlation
