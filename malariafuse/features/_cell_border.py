"""Features of the outline of a cell: its notches and the stain along it."""

from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from malariafuse._cell import Cell
from malariafuse.features._cell_density import Stain

_N_POINTS = 128
# Lengths in points of the outline: smaller structures are steps between pixels, and the
# minimum width of a notch.
_STEPS, _NOTCH = 2, 4
_OFFSETS = range(0, 25, 2)  # offsets from the notch, to either side
_INSIDE = 0.1  # fraction of the radius

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


def border_features(stain: Stain, cells: list[Cell]) -> NDArray[np.float64]:
    """Return the features `BORDER_NAMES`, one row for each cell.

    The notch is the most concave point of the outline. Values at both sides of it are
    averaged, so that a mirrored cell has the same features.
    """
    # Outlines as complex numbers: derivatives are products in their spectrum.
    outlines = _even_outlines([cell.outline for cell in cells])
    radius = np.array([[cell.radius] for cell in cells])
    # Orientation of the outline: clockwise or counterclockwise.
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
    green, purple, solid = _read(stain.layers, places)
    # Shape (2, n_offsets, n_cells), to match the index of cells.
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


def _even_outlines(outlines: list[NDArray[np.int32]]) -> NDArray[np.complex128]:
    """Return equidistant points along each outline, one row for each outline."""
    # The outline is closed: the first corner follows the last.
    corners = np.concatenate([part for line in outlines for part in (line, line[:1])])
    stops = np.cumsum([len(line) + 1 for line in outlines])
    starts = np.concatenate([[0], stops[:-1]])
    # Steps have length 1 or sqrt(2), so sums over all outlines are exact.
    steps = np.abs(np.diff(corners, axis=0, prepend=corners[:1]))
    steps[starts] = 0
    n_moves, n_diagonal = np.cumsum([steps.max(axis=1), steps.min(axis=1)], axis=1)
    spans = stops - starts
    n_moves -= np.repeat(n_moves[starts], spans)
    n_diagonal -= np.repeat(n_diagonal[starts], spans)
    lengths = n_moves + (sqrt(2) - 1) * n_diagonal
    wanted = np.outer(lengths[stops - 1], np.arange(_N_POINTS) / _N_POINTS)
    after = np.stack(
        [
            start + lengths[start:stop].searchsorted(row, side="right")
            for start, stop, row in zip(starts, stops, wanted, strict=True)
        ]
    ).clip(max=stops[:, np.newaxis] - 1)
    before = after - 1
    gap = np.maximum(lengths[after] - lengths[before], 1e-6)
    x, y = corners.T.astype(np.float64)
    points = x + 1j * y
    part = (wanted - lengths[before]) / gap
    even: NDArray[np.complex128] = points[before] + part * (
        points[after] - points[before]
    )
    return even


def _curvature(
    spectrum: NDArray[np.complex128], angles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the curvature at each point."""
    first = np.fft.ifft(1j * angles * spectrum)
    second = np.fft.ifft(-(angles**2) * spectrum)
    bends: NDArray[np.float64] = (first.conj() * second).imag / (
        np.abs(first) ** 3 + 1e-6
    )
    return bends


def _read(
    layers: NDArray[np.float32], places: NDArray[np.complex128]
) -> NDArray[np.float32]:
    """Return green density, purple and the mask at positions of each cell.

    Green density and purple are slightly smoothed within the cell.
    """
    _, n_cells, height, width = layers.shape
    # All images are smoothed in one call, each with mirrored first and last rows.
    framed = np.empty((3, n_cells, height + 2, width), dtype=np.float32)
    framed[:, :, 1:-1] = layers
    framed[:, :, 0] = layers[:, :, min(1, height - 1)]
    framed[:, :, -1] = layers[:, :, max(height - 2, 0)]
    smooth = cv2.GaussianBlur(framed.reshape(-1, width), (3, 3), 0)
    smooth = smooth.reshape(framed.shape)[:, :, 1:-1]
    seen = np.empty_like(layers)
    np.divide(smooth[:2], smooth[2] + np.float32(1e-3), out=seen[:2])
    seen[2] = layers[2]
    # Interpolated without cv2.remap, which has only 32 steps before OpenCV 5.
    pixels, parts = _corners(places, height, width)
    pixels += (height * width) * np.arange(n_cells)[:, np.newaxis]
    read: NDArray[np.float32] = seen.reshape(3, -1).take(pixels, axis=1)
    read *= parts
    return read.sum(axis=1)


def _corners(
    places: NDArray[np.complex128], height: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the four pixels around each position and their weights, corners first."""
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


def _correlation(
    a: NDArray[np.floating], b: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the correlation of each row of `a` with the same row of `b`."""
    a, b = (line - line.mean(axis=1, keepdims=True) for line in (a, b))
    aa, bb, ab = ((x * y).sum(axis=1) for x, y in ((a, a), (b, b), (a, b)))
    correlation: NDArray[np.floating] = ab / (np.sqrt(aa * bb) + 1e-6)
    return correlation
