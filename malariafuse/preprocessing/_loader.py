"""Image files, and images in memory, to images of one size, as a transformer."""

from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from malariafuse._files._read import ImageReadError, read_images
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    N_JOBS,
    Booleans,
    ImageSizes,
    Rules,
    check_parameters,
)
from malariafuse._stored import StoredEstimator
from malariafuse._transformer import GivesImages
from malariafuse.preprocessing._items import as_items


class ImageLoader(GivesImages, StoredEstimator):
    """Read and resize images from files or from memory.

    The first step of a pipeline that starts from file names, uploads or images of
    different sizes, so that an image is predicted from exactly the pixels that training
    would have seen. Files are decoded and resized as
    :func:`malariafuse.datasets.load_cell_images` does it, and the same image in memory
    gives the same pixels.

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

    Each image of `X` is one of these:

    - the path of a file, str or path-like;
    - the content of a file, as bytes, bytearray or memoryview;
    - an open binary file, such as an upload or ``io.BytesIO``. It is read from its
      beginning and left open at the position where it was, so that a second call sees
      the same image. A stream that cannot be rewound is read from where it stands;
    - a ``PIL.Image.Image``, which is converted, turned upright and refused as a file
      is. Damage to the file that it was opened from shows only if Pillow finds it;
    - an RGB array of shape (height, width, 3), uint8 in 0..255 or floating in 0..1.
      Floating values are rounded to the nearest of 256 levels.

    `X` is a list, Series or array of these, which may be mixed, a table with one column
    of them, or an array of shape (n_samples, height, width, 3). One image is taken
    without a list, too, and gives an output of one sample. A single path needs a list:
    scikit-learn takes no single text for samples.

    With an output of pandas, the images of a Series or a table are a Series of arrays
    with the same row labels (see :meth:`set_output`).

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

    An upload of a web application, and an image of another size that is in memory:

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
        """Check the parameters and the kind of `X`; no file is opened.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1), or image
            Paths, or images in memory, as the notes list them.
        y : None
            Ignored.

        Returns
        -------
        self : ImageLoader
            The transformer itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` holds anything else than the
            notes list. The message names the place in `X`.
        """
        check_parameters(self)
        as_items(X)
        return self

    def transform(self, X: Any) -> NDArray[np.uint8]:
        """Read the images.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1), or image
            Paths, or images in memory, as the notes list them.

        Returns
        -------
        ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB in 0..255, in the order of `X`.

        Raises
        ------
        ImageReadError
            If files are missing, or images cannot be read; it counts all of them. It
            names a file by its path and any other image by its place, as ``X[3]``.
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
