"""Display of RGB, smoothed and HSV images."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._images import check_images
from malariafuse.plotting._axes import axes_grid, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Hue is circular, and "twilight" is a cyclic colormap.
_HSV: tuple[tuple[str, str, list[float], str], ...] = (
    ("hue", "twilight", [0, 180, 360], "{}°"),
    ("saturation", "cividis", [0, 0.5, 1], "{}"),
    ("value", "gray", [0, 0.5, 1], "{}"),
)


class ChannelsDisplay:
    """Display of cells in RGB, smoothed, and as hue, saturation and value.

    Create it with :meth:`from_images`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, 3)
        RGB images, uint8 in [0, 255] or floating in [0, 1].
    smoothed : ndarray of the shape of `images`
        Smoothed images.
    hsv : ndarray of shape (n_images, height, width, 3), float32
        Hue, saturation and value of the smoothed images, each in [0, 1].
    kernel_size : int
        Size of the smoothing kernel in pixels.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_images, 5)
        Axes, one row for each image.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    malariafuse.preprocessing.GaussianSmoother : Smooth images.
    malariafuse.preprocessing.HSVConverter : Convert images to HSV.

    Notes
    -----
    Hue is computed from the smoothed image, because hue is noisy in pale or dark areas.
    Hue itself cannot be smoothed, because it is circular.

    Examples
    --------
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import ChannelsDisplay
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> ChannelsDisplay.from_images(cells.images[:3]).axes_.shape
    (3, 5)
    """

    def __init__(
        self,
        *,
        images: NDArray[Any],
        smoothed: NDArray[Any],
        hsv: NDArray[np.float32],
        kernel_size: int,
    ) -> None:
        self.images = images
        self.smoothed = smoothed
        self.hsv = hsv
        self.kernel_size = kernel_size

    @classmethod
    def from_images(
        cls, X: ArrayLike, *, kernel_size: int = 5, ax: "Axes | None" = None
    ) -> Self:
        """Smooth and convert images, and draw them.

        Parameters
        ----------
        X : array-like of shape (n_images, height, width, 3)
            RGB images to show (a few), uint8 in [0, 255] or floating in [0, 1].
        kernel_size : int, default=5
            Kernel size of :class:`~malariafuse.preprocessing.GaussianSmoother` in
            pixels, odd and positive.
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ChannelsDisplay
            Display object.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid.
        """
        # OpenCV is imported on first use, not with the displays.
        from malariafuse.preprocessing import GaussianSmoother, HSVConverter

        images = check_images(X, channels=3)
        smoothed = GaussianSmoother(kernel_size).fit_transform(images)
        unit = smoothed / np.float32(255) if smoothed.dtype == np.uint8 else smoothed
        return cls(
            images=images,
            smoothed=smoothed,
            hsv=HSVConverter().fit_transform(unit),
            kernel_size=kernel_size,
        ).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes on which to draw. None creates a new figure.

        Returns
        -------
        display : ChannelsDisplay
            Display object.
        """
        n_images = len(self.images)
        self.figure_, self.axes_ = axes_grid(
            ax,
            (n_images, 2 + len(_HSV)),
            (8, 1.6 * n_images + 0.9),
            "Smoothing and color channels",
        )
        smoothed = f"smoothed {self.kernel_size} x {self.kernel_size}"
        for row in range(n_images):
            show_image(self.axes_[row, 0], self.images[row])
            show_image(self.axes_[row, 1], self.smoothed[row])
        self.axes_[0, 0].set_title("RGB", fontsize="small")
        self.axes_[0, 1].set_title(smoothed, fontsize="small")
        for channel, (name, colors, ticks, label) in enumerate(_HSV):
            column = self.axes_[:, 2 + channel]
            for axes, image in zip(column, self.hsv[..., channel], strict=True):
                shown = show_image(axes, image, cmap=colors, vmax=1)
            column[0].set_title(name, fontsize="small")
            # In axes coordinates, so that all images have the same size.
            bar = self.figure_.colorbar(
                shown,
                cax=column[-1].inset_axes((0, -0.12, 1, 0.06)),
                orientation="horizontal",
            )
            bar.set_ticks(
                [tick / ticks[-1] for tick in ticks],
                labels=[label.format(tick) for tick in ticks],
                fontsize="small",
            )
        return self
