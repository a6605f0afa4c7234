"""Transformer that loads and resizes images."""

from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from malariafuse._base import Estimator
from malariafuse._files._read import ImageReadError, read_images
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    N_JOBS,
    Booleans,
    ImageSizes,
    Rules,
    check_parameters,
)
from malariafuse._transformer import GivesImages
from malariafuse.preprocessing._items import as_items


class ImageLoader(GivesImages, Estimator):
    """Load and resize images from files or from memory.

    Use it as the first step of a pipeline whose input is file names, uploads or images
    of different sizes. Images are decoded and resized exactly as by
    :func:`malariafuse.datasets.load_cell_images`, so that training and prediction see
    the same pixels. Files and images in memory give the same result.

    Parameters
    ----------
    image_size : tuple of (height, width), default=(48, 48)
        Size of the returned images in pixels.
    keep_aspect : bool, default=False
        Whether to preserve the aspect ratio and center the image on black. If False,
        the image is stretched to `image_size`.
    n_jobs : int or None, default=None
        Number of threads, as in joblib. None means 1 unless in a joblib context. -1
        means one thread for each core.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load and cache a labeled data set.

    Notes
    -----
    The transformer is stateless: `fit` only validates the parameters and `X`, and
    `transform` works without it. The notes of
    :func:`malariafuse.datasets.load_cell_images` list the files that are read,
    converted or rejected. Some damage cannot be detected: JPEG, BMP and most TIFF files
    have no checksum of their pixels.

    Each item of `X` is one of the following:

    - the path of a file, str or path-like;
    - the contents of a file, as bytes, bytearray or memoryview;
    - an open binary file, such as an upload or ``io.BytesIO``. It is read from the
      beginning and then reset to its position, so that a second call reads the same
      image. A stream that is not seekable is read from its current position;
    - a ``PIL.Image.Image``, which is converted, rotated by its EXIF orientation, and
      rejected like a file. Damage to the underlying file is detected only if Pillow
      detects it;
    - an RGB array of shape (height, width, 3), uint8 in [0, 255] or floating in [0, 1].
      Floating values are rounded to the nearest of 256 levels.

    `X` is a list, Series or array of such items, which may be of different kinds, a
    table with one column of them, or an array of shape (n_samples, height, width, 3). A
    single image without a list gives an output of one sample. A single path must be in
    a list, because scikit-learn does not accept a string as samples.

    With pandas output (see :meth:`set_output`), the images of a Series or a table are a
    Series of arrays with the same index.

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

    An upload to a web application, and an image of another size in memory:

    >>> from io import BytesIO
    >>> upload = BytesIO()
    >>> Image.new("RGB", (60, 70), "orchid").save(upload, "PNG")
    >>> crop = np.full((40, 44, 3), 0.5)
    >>> ImageLoader(image_size=(32, 32)).transform([upload, crop]).shape
    (2, 32, 32, 3)
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

    def fit(self, X: Any, y: object = None) -> Self:
        """Validate the parameters and `X`, without opening files.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1), or image
            Paths or images in memory, as listed in the notes.
        y : None
            Ignored.

        Returns
        -------
        self : ImageLoader
            Fitted transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or an item of `X` is not listed in the
            notes. The message names its position in `X`.
        """
        check_parameters(self)
        as_items(X)
        return self

    def transform(self, X: Any) -> NDArray[np.uint8]:
        """Load and resize the images.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1), or image
            Paths or images in memory, as listed in the notes.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB images in [0, 255], in the order of `X`.

        Raises
        ------
        ImageReadError
            If files are missing, or images cannot be read. The message counts all of
            them. It names a file by its path, and any other image by its position, such
            as ``X[3]``.
        ValueError, TypeError
            As in `fit`.
        """
        check_parameters(self)
        size = check_image_size(self.image_size)
        items = as_items(X)
        images = np.empty((len(items.names), *size, 3), dtype=np.uint8)
        refused: dict[str, str] = {}
        filled = 0
        lock = Lock()
        for block, failures in read_images(
            range(len(items.names)),
            lambda position: items.load(position, lock),
            image_size=size,
            keep_aspect=self.keep_aspect,
            n_jobs=self.n_jobs,
        ):
            images[filled : filled + len(block)] = block
            filled += len(block)
            refused |= {items.names[place]: why for place, why in failures.items()}
        if refused:
            raise ImageReadError(refused)
        return images

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags
