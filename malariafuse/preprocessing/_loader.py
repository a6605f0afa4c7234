"""Paths of image files to images, as a transformer."""

import os
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from malariafuse._files._read import ImageReadError, read_file, read_images
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    N_JOBS,
    Booleans,
    ImageSizes,
    Rules,
    check_parameters,
)
from malariafuse._shown import short_repr
from malariafuse._transformer import GivesImages


class ImageLoader(GivesImages, BaseEstimator):
    """Read and resize image files.

    The first step of a pipeline that starts from file names, so that one file is
    predicted from exactly the pixels that training would have seen. Files are decoded
    and resized as :func:`malariafuse.datasets.load_cell_images` does it.

    Parameters
    ----------
    image_size : tuple of (height, width), default=(48, 48)
        The size of the returned images in pixels.
    keep_aspect : bool, default=False
        Whether the image keeps its ratio of height to width and is centered on black.
        By default it is stretched to `image_size`.
    n_jobs : int or None, default=None
        The number of threads, as in joblib: None is 1 unless a joblib context says
        otherwise, -1 is one for each core.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Reads a labeled set and keeps it on disk.

    Notes
    -----
    The transformer is stateless: `fit` checks parameters and the kind of `X`, and
    `transform` works without it. The notes of
    :func:`malariafuse.datasets.load_cell_images` list the files that are read,
    converted and refused. They also say which damage cannot be known: JPEG, BMP and
    most TIFF files hold no checksum of their pixels.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from PIL import Image
    >>> from malariafuse.preprocessing import ImageLoader
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "cell.png")
    ...     Image.fromarray(np.full((50, 40, 3), 200, dtype=np.uint8)).save(path)
    ...     images = ImageLoader(image_size=(32, 32)).transform([path])
    >>> images.shape, images.dtype
    ((1, 32, 32, 3), dtype('uint8'))
    """

    _parameter_rules: ClassVar[Rules] = {
        "image_size": (ImageSizes(),),
        "keep_aspect": (Booleans(),),
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        image_size: tuple[int, int] = (48, 48),
        *,
        keep_aspect: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.image_size = image_size
        self.keep_aspect = keep_aspect
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Check the parameters and that `X` holds paths; no file is opened.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths, str or path-like.
        y : None
            Ignored.

        Returns
        -------
        self : ImageLoader
            The transformer itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` holds no paths.
        """
        check_parameters(self)
        _check_paths(X)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Read the files.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths, str or path-like.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB in 0..255, in the order of `X`.

        Raises
        ------
        ImageReadError
            If files are missing or cannot be read; it counts and names all of them.
        ValueError, TypeError
            As in `fit`, or if the output of the pipeline is set to pandas and `X` has
            row labels other than 0, 1, ..., which images would lose.
        """
        check_parameters(self)
        size = check_image_size(self.image_size)
        paths = _check_paths(X)
        self._check_row_labels(X)
        images = np.empty((len(paths), *size, 3), dtype=np.uint8)
        refused: dict[str, str] = {}
        filled = 0
        for block, failures in read_images(
            paths,
            read_file,
            image_size=size,
            keep_aspect=self.keep_aspect,
            n_jobs=self.n_jobs,
        ):
            images[filled : filled + len(block)] = block
            filled += len(block)
            refused |= failures
        if refused:
            raise ImageReadError(refused)
        return images

    def _check_row_labels(self, X: Any) -> None:
        """Raise if a table made from the images would have other row labels than X.

        pandas aligns tables by their row labels: put side by side, the rows of another
        one would be those of other cells.
        """
        configured = getattr(self, "_sklearn_output_config", {})
        container = configured.get("transform", get_config()["transform_output"])
        if container != "pandas" or not isinstance(X, pd.Series | pd.DataFrame):
            return
        if not X.index.equals(pd.RangeIndex(len(X))):
            raise ValueError(
                "X has row labels other than 0, 1, ..., which images lose, so the rows "
                "of a pandas output would be those of other cells. Pass "
                "X.reset_index(drop=True), or leave the output at 'default'."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True
        tags.input_tags.string = True
        return tags


def _check_paths(X: Any) -> list[str]:
    if isinstance(X, str | os.PathLike):
        raise TypeError(
            f"X is one path, {short_repr(X)}; expected a list of paths. Pass [X]."
        )
    if isinstance(X, bytes | bytearray | memoryview):
        raise TypeError(f"X is {short_repr(X)}; expected a list of paths.")
    try:
        paths = np.asarray(X, dtype=object)
    except ValueError as error:
        raise ValueError(
            f"X holds arrays of several shapes; expected a list of paths: {error}"
        ) from error
    if paths.ndim == 2 and paths.shape[1] == 1:
        paths = paths[:, 0]
    if paths.ndim != 1:
        raise ValueError(
            f"X has shape {paths.shape}: expected paths of shape (n_samples,) or "
            "(n_samples, 1)."
        )
    if len(paths) == 0:
        raise ValueError(
            "X is empty: found 0 path(s) while a minimum of 1 is required."
        )
    for position, path in enumerate(paths):
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                f"X[{position}] is {short_repr(path)}, of type {type(path).__name__}; "
                "expected the path of an image file."
            )
    return [os.fsdecode(path) for path in paths]
