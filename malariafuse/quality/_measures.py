"""Quality measures of crops: color, sharpness and outline."""

from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from malariafuse._cell import Cell, find_cell
from malariafuse._images import check_images

Floats = NDArray[np.float64]

# The rim is excluded, because resizing mixes it with the background.
_RIM, _RIM_PIXELS = 0.12, 1.5  # fraction of the radius, and minimum in pixels
_LEAST = 1e-7  # minimum variance of densities, for areas without texture
_CLIPPED = 254.5  # of 255
# Fewer clipped pixels or shallower dents than this are not significant.
_FEW_CLIPPED, _SHALLOW, _ALMOST_ROUND = 0.003, 0.01, 0.02
_LARGEST_CORRELATION = 0.999

# Each of these groups is compared with the training set separately. In the names,
# "spread" is a standard deviation, and "range" is the range of the middle 80 % of the
# pixels.
COLOR = (
    "red_to_green",
    "blue_to_green",
    "green_to_red_range",
    "green_to_blue_range",
    "rim_red_to_green",
    "rim_blue_to_green",
    "green_to_red_spread",
    "green_to_blue_spread",
    "red_green_correlation",
    "green_blue_correlation",
    "red_blue_correlation",
    "red_to_green_spread",
    "blue_to_green_spread",
    "density_spread",
)
TEXTURE = (
    "gradient",
    "gradient_to_spread",
    "grain_to_spread",
    "ripples_to_spread",
    "waves_to_spread",
    "grain",
    "curvature_to_gradient",
    "density_spread",
)
FORM = ("clipped", "black", "area", "dents", "roundness")
NAMES = tuple(dict.fromkeys((*COLOR, *TEXTURE, *FORM)))


def columns(group: tuple[str, ...]) -> list[int]:
    """Return the indices of the measures of a group in `NAMES`."""
    return [NAMES.index(name) for name in group]


def measure(images: NDArray[np.generic]) -> Floats:
    """Return the measures `NAMES`, one row for each image.

    The row of an image without a cell is NaN.
    """
    table = np.full((len(images), len(NAMES)), np.nan)
    for row, image in zip(table, _in_bytes(images), strict=True):
        cell = find_cell(image)
        if cell is not None:
            measured = _measure(image, cell)
            row[:] = [measured[name] for name in NAMES]
    return table


def cell_quality(X: ArrayLike) -> pd.DataFrame:
    """Measure the sharpness, the exposure and the color of each cell.

    The values are intended for tables and plots. Use :class:`CellOutlierDetector` to
    decide whether an image shows a cell. It compares many more measures with those of
    training cells.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width, 3)
        RGB images of cells on a black background, uint8 in [0, 255] or floating in
        [0, 1].

    Returns
    -------
    pandas.DataFrame
        One row for each image. If an image has no cell, all values except `black` are
        NaN. The columns are:

        - `sharpness`: mean squared gradient of the optical density inside the cell, in
          densities per radius of the cell, 0 if the image is uniform;
        - `clipped`: proportion of the cell in which a channel is at its maximum;
        - `black`: proportion of the image outside the cell;
        - `area`: area of the cell in pixels;
        - `hue`: hue of the median color in degrees, 0 for red and 120 for green;
        - `saturation`: saturation of the median color, in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If `X` is not an array of RGB images.

    See Also
    --------
    CellOutlierDetector : Detect images that do not show a single stained red cell.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.quality import cell_quality
    >>> cells = make_cell_images(8, 2, random_state=0)
    >>> cell_quality(cells.images).columns.to_list()
    ['sharpness', 'clipped', 'black', 'area', 'hue', 'saturation']
    """
    images = check_images(X, channels=3, may_be_black=True)
    rows = []
    for image in _in_bytes(images):
        cell = find_cell(image)
        if cell is None:
            rows.append({"black": 1.0})
            continue
        median = np.median(image[cell.mask > 0], axis=0).astype(np.float32)
        hue, saturation, _ = cv2.cvtColor(median[None, None] / 255, cv2.COLOR_RGB2HSV)[
            0, 0
        ]
        measured = _measure(image, cell)
        rows.append(
            {
                "sharpness": max(np.exp(measured["gradient"]) - _LEAST, 0.0),
                "clipped": max(np.exp(measured["clipped"]) - _FEW_CLIPPED, 0.0),
                "black": measured["black"],
                "area": float(cell.area),
                "hue": float(hue),
                "saturation": float(saturation),
            }
        )
    names = ["sharpness", "clipped", "black", "area", "hue", "saturation"]
    return pd.DataFrame(rows, columns=names)


def _in_bytes(images: NDArray[np.generic]) -> "list[NDArray[np.float32]]":
    scale = 1 if images.dtype == np.uint8 else 255
    return [np.ascontiguousarray(image, dtype=np.float32) * scale for image in images]


def _measure(image: NDArray[np.float32], cell: Cell) -> dict[str, float]:
    """Return a dict of the measures of a cell."""
    within = cell.mask > 0
    median = np.median(image[within] + 1, axis=0)
    # Optical density relative to the median of the cell (Beer-Lambert law).
    density = -np.log(np.maximum((image + 1) / median, 0.05))
    density[~within] = 0
    framed = cv2.copyMakeBorder(cell.mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    inner = depth > max(_RIM * cell.radius, _RIM_PIXELS)
    if inner.sum() < 10:
        inner = within
    return (
        _color(density, median, inner, within & ~inner)
        | _texture(density.mean(axis=2), inner, cell.radius)
        | _form(image, cell)
    )


def _color(
    density: NDArray[np.float32],
    median: NDArray[np.float32],
    inner: NDArray[np.bool_],
    rim: NDArray[np.bool_],
) -> dict[str, float]:
    """Return measures of the color and of its variation over the cell, by channel.

    The stain absorbs more green than red and blue where the cell is thick,
    independently of the color of the lamp.
    """
    pixels = density[inner].astype(np.float64)
    covariance = np.cov(pixels.T) + _LEAST * np.eye(3)
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    smooth = cv2.blur(density, (3, 3))[inner]
    low, high = np.quantile(smooth, [0.1, 0.9], axis=0)
    red, green, blue = high - low + 1e-3
    at_rim = density[rim].mean(axis=0) if rim.any() else np.zeros(3)

    def fisher(one: int, other: int) -> float:
        most = _LARGEST_CORRELATION
        return float(np.arctanh(np.clip(correlation[one, other], -most, most)))

    return {
        "red_to_green": np.log(median[0] / median[1]),
        "blue_to_green": np.log(median[2] / median[1]),
        "green_to_red_range": np.log(green / red),
        "green_to_blue_range": np.log(green / blue),
        "rim_red_to_green": np.arcsinh((at_rim[0] - at_rim[1]) / 0.02),
        "rim_blue_to_green": np.arcsinh((at_rim[2] - at_rim[1]) / 0.02),
        "green_to_red_spread": np.log(spread[1] / spread[0]),
        "green_to_blue_spread": np.log(spread[1] / spread[2]),
        "red_green_correlation": fisher(0, 1),
        "green_blue_correlation": fisher(1, 2),
        "red_blue_correlation": fisher(0, 2),
        "red_to_green_spread": _log_variance(pixels[:, 0] - pixels[:, 1]) / 2,
        "blue_to_green_spread": _log_variance(pixels[:, 2] - pixels[:, 1]) / 2,
    }


def _texture(
    density: NDArray[np.float32], inner: NDArray[np.bool_], radius: float
) -> dict[str, float]:
    """Return the distribution of the variance of a cell over spatial scales."""
    across = cv2.Sobel(density, cv2.CV_32F, 1, 0, scale=1 / 8)
    along = cv2.Sobel(density, cv2.CV_32F, 0, 1, scale=1 / 8)
    squared = float((across**2 + along**2)[inner].mean())
    gradient = np.log(squared * radius**2 + _LEAST)
    curvature = float((cv2.Laplacian(density, cv2.CV_32F)[inner] ** 2).mean())
    scales = [density, *(cv2.GaussianBlur(density, (0, 0), s) for s in (1, 2, 4))]
    grain, ripples, waves = (
        _log_variance((fine - coarse)[inner]) for fine, coarse in pairwise(scales)
    )
    spread = _log_variance(density[inner])
    return {
        "gradient": gradient,
        "gradient_to_spread": gradient - spread,
        "grain_to_spread": grain - spread,
        "ripples_to_spread": ripples - spread,
        "waves_to_spread": waves - spread,
        "grain": grain,
        "curvature_to_gradient": np.log(curvature / (squared + _LEAST) + 1e-3),
        "density_spread": spread / 2,
    }


def _form(image: NDArray[np.float32], cell: Cell) -> dict[str, float]:
    within = cell.mask > 0
    outline = cell.outline
    enclosed = max(cv2.contourArea(outline), 1.0)
    hull = max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    perimeter = cv2.arcLength(outline, True)
    clipped = (image[within] >= _CLIPPED).any(axis=1).mean()
    roughness = max(perimeter**2 / (4 * np.pi * enclosed) - 1, 0)
    return {
        "clipped": np.log(clipped + _FEW_CLIPPED),
        "black": 1 - within.mean(),
        "area": np.log(within.mean()),
        "dents": np.log(1 - enclosed / hull + _SHALLOW),
        "roundness": np.log(roughness + _ALMOST_ROUND),
    }


def _log_variance(values: NDArray[np.floating]) -> float:
    return float(np.log(np.var(values, dtype=np.float64) + _LEAST))
