"""Axes of displays: new or given axes, single or in a grid."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from malariafuse._extras import needed_for
from malariafuse._shown import short_repr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def import_pyplot() -> ModuleType:
    """Return matplotlib.pyplot, or raise with installation instructions."""
    with needed_for("Plots"):
        import matplotlib.pyplot
    return matplotlib.pyplot


def single_axes(
    ax: "Axes | None", size: tuple[float, float]
) -> tuple["Figure | SubFigure", "Axes"]:
    """Return `ax` and its figure, or single axes in a new figure of `size` inches."""
    pyplot = import_pyplot()
    if ax is None:
        return pyplot.subplots(figsize=size, layout="constrained")
    _check_axes(ax)
    return ax.figure, ax


def axes_grid(
    ax: "Axes | None",
    shape: tuple[int, int],
    size: tuple[float, float],
    title: str,
) -> tuple["Figure | SubFigure", NDArray[Any]]:
    """Return a figure and an array of axes, in a new figure or in place of `ax`.

    A new figure has a size of `size` inches. Of `ax`, only the position is used.
    """
    pyplot = import_pyplot()
    if ax is None:
        figure, axes = pyplot.subplots(
            *shape, figsize=size, layout="constrained", squeeze=False
        )
        figure.suptitle(title, fontsize="large")
        return figure, axes
    _check_axes(ax)
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax has no grid position, but this display divides its axes: pass axes "
            "from plt.subplots, or None for a new figure."
        )
    ax.set_axis_off()
    # A separate row for the title, because the axes below also have titles.
    parts = place.subgridspec(2, 1, height_ratios=[0.1, 1])
    heading = ax.figure.add_subplot(parts[0])
    heading.set_axis_off()
    heading.text(0.5, 0.5, title, ha="center", va="center", fontsize="large")
    grid = parts[1].subgridspec(*shape)
    axes = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        axes[index] = ax.figure.add_subplot(grid[index])
    return ax.figure, axes


def _check_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax={short_repr(ax)}: expected axes of a matplotlib figure, or None for a "
            "new figure."
        )


def show_image(
    axes: "Axes", image: NDArray[Any], *, title: str | None = None, **settings: Any
) -> Any:
    """Show an image without ticks. `settings` are arguments of matplotlib's `imshow`.

    Grayscale images are drawn on the full range of their dtype, so that they are
    comparable.
    """
    if image.ndim == 3 and image.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"X has {image.shape[-1]} channels, but only images with 1 (gray), 3 (RGB) "
            "or 4 (RGBA) channels can be drawn: pass a subset of the channels, such as "
            "X[..., :1] or X[..., :3]. If a classifier needs all channels, create the "
            "display with images=X[..., :3] and call its plot()."
        )
    axes.set(xticks=[], yticks=[])
    if title:
        axes.set_title(title, fontsize="small")
    white = 255 if image.dtype == np.uint8 else 1
    return axes.imshow(
        image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image,
        **{"cmap": "gray", "vmin": 0, "vmax": white, **settings},
    )
