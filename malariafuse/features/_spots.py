"""Handcrafted features of a cell: its outline, its stain, its chromatin spots."""

import os
from collections import defaultdict
from math import ceil
from tempfile import gettempdir
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags

from malariafuse._cell import Cell, find_cell
from malariafuse._parameters import N_JOBS, Rules
from malariafuse._transformer import ImageTransformer
from malariafuse.features._cell_shape import SHAPE_NAMES, shape_features
from malariafuse.features._cell_smooth import size_class
from malariafuse.features._cell_stain import STAIN_NAMES, stain_features

_NAMES = (*SHAPE_NAMES, *STAIN_NAMES)
# Fewer images are not worth processes. As many are predicted at a time.
_FEWEST_SHARED = 128
# Larger arrays are written to files by joblib, for its processes to read.
_MOST_BYTES_PICKLED = 1_000_000
_MOST_PROCESSES_PER_CORE = 4
# Cells of a size measured together, so that calls of NumPy are few and arrays stay in
# the cache.
_PIXELS_TOGETHER = 45_000


class SpotFeatureExtractor(ImageTransformer):
    """Describe each cell by features made for malaria parasites, without training.

    A parasite shows as a dark purple spot of chromatin in a paler cell. The features
    measure the darkest and the most purple spots at four scales, the latter at the rim
    too, whatever is darker than fixed and adaptive thresholds or more purple than fixed
    ones, the distribution of the stain inside the cell, the outline of the cell, and
    the stain along it, above all around its most concave place. All densities are
    relative to the median of the cell itself, so that the lamp and the paleness of the
    cell cancel.

    Nothing is learned in `fit`, which may be left out.

    Read more in the :ref:`user guide <handcrafted>`.

    Parameters
    ----------
    n_jobs : int or None, default=None
        The number of processes, as in joblib: None is 1 unless a joblib context says
        otherwise, -1 is one for each core. They take a second to start, once, so they
        pay from some hundred images on; fewer than 128 are measured without them.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Later images must have
        the same shape.

    See Also
    --------
    PretrainedFeatureExtractor : Features of a network trained on other images.
    malariafuse.classifiers.FeatureFusionClassifier : Train a network on images and
        features together.

    Notes
    -----
    The background must be black, as in the NIH crops; see
    :class:`~malariafuse.preprocessing.BackgroundMasker`. The cell is the largest thing
    on it. Lengths are in radii of the disk of the same area, and areas in areas of the
    cell, so the size of the image matters little. Optical density is the negative
    logarithm of light relative to the cell's median, after Beer and Lambert.
    Spots are maxima of a difference of Gaussians [1]_. The notch is the most concave
    place of the outline, which is smoothed as a sequence of complex numbers [2]_. Gaps
    and tips are what closings and openings by disks add and take [3]_. Purple is the
    density in green beyond that in red: chromatin absorbs green and lets red pass,
    while the shade of a fold or of the edge of the cell absorbs both.

    The outline is there because it tells something about the NIH crops: where a
    parasite at the rim was cut away with the background, a dent is left. That is a
    property of their segmentation, not of malaria. With crops from elsewhere, look at
    what the ``dent``, ``notch``, ``border`` and ``gaps`` features do.

    An image without a cell (whose largest region brighter than 10 of 255, holes
    filled, has fewer than 30 pixels) has 0 in every feature.

    References
    ----------
    .. [1] D. Lowe, "Distinctive image features from scale-invariant keypoints",
       International Journal of Computer Vision 60, 2004,
       https://doi.org/10.1023/B:VISI.0000029664.99615.94
    .. [2] G. Granlund, "Fourier preprocessing for hand print character recognition",
       IEEE Transactions on Computers C-21, 1972,
       https://doi.org/10.1109/TC.1972.5008926
    .. [3] J. Serra, "Image Analysis and Mathematical Morphology", Academic Press, 1982

    Examples
    --------
    >>> from malariafuse import SpotFeatureExtractor
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(10, 2, random_state=0)
    >>> extractor = SpotFeatureExtractor().set_output(transform="pandas")
    >>> features = extractor.fit_transform(cells.images)
    >>> features[["solidity", "spot1_contrast"]].shape
    (10, 2)
    """

    _parameter_rules: ClassVar[Rules] = {"n_jobs": N_JOBS}

    def __init__(self, *, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Measure each cell.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, 259), float32
            One row of features a cell, in the order of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images,
            or has images of another shape than in `fit`.
        """
        images = self._check(X)
        if len(images) < _FEWEST_SHARED:
            return _measure(images)
        # Each process takes memory, and many more than there are cores save no time.
        n_jobs = min(
            effective_n_jobs(self.n_jobs), _MOST_PROCESSES_PER_CORE * cpu_count()
        )
        most = max(1, _MOST_BYTES_PICKLED // images[0].nbytes)
        # As many parts for one process as for another, all of one size.
        parts = np.array_split(images, n_jobs * ceil(len(images) / (n_jobs * most)))
        # Without `temp_folder`, each call of joblib leaves an empty folder in shared
        # memory until the process ends, even if it needs no files.
        parallel = Parallel(
            n_jobs=n_jobs,
            temp_folder=os.environ.get("JOBLIB_TEMP_FOLDER", gettempdir()),
        )
        return np.concatenate(parallel(delayed(_measure)(part) for part in parts))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored; images have no names of features.

        Returns
        -------
        ndarray of shape (259,), object
            Names such as ``"solidity"`` or ``"spot1_contrast"``.
        """
        return np.array(_NAMES, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.requires_fit = False
        return tags


def _measure(images: NDArray[Any]) -> NDArray[np.float32]:
    features = np.zeros((len(images), len(_NAMES)), dtype=np.float32)
    # One large array, after which the allocator keeps the memory of those of a batch;
    # else it asks the system for each of them again, in a fifth of all time.
    scale = 1 if images.dtype == np.uint8 else 255
    scaled = np.ascontiguousarray(images, dtype=np.float32) * scale
    by_size: dict[int, list[tuple[int, Cell]]] = defaultdict(list)
    for i, image in enumerate(scaled):
        cell = find_cell(image)
        if cell is not None:
            by_size[size_class(cell.radius)].append((i, cell))
    n_together = max(1, _PIXELS_TOGETHER // (images.shape[1] * images.shape[2]))
    for found in by_size.values():
        for start in range(0, len(found), n_together):
            part = found[start : start + n_together]
            rows, cells = map(list, zip(*part, strict=True))
            features[rows] = np.hstack(
                [shape_features(cells), stain_features(scaled[rows], cells)]
            )
    return features
