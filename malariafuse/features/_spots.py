"""Handcrafted features of cells: outline, stain and chromatin spots."""

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
# Fewer images do not pay off with processes. Also the number of images per batch.
_FEWEST_SHARED = 128
# Larger arrays are passed by joblib to its processes through files.
_MOST_BYTES_PICKLED = 1_000_000
_MOST_PROCESSES_PER_CORE = 4
# Number of cells of similar size measured together: few calls of NumPy, and arrays fit
# in the processor cache.
_PIXELS_TOGETHER = 45_000


class SpotFeatureExtractor(ImageTransformer):
    """Extract handcrafted features of malaria parasites from images of cells.

    A parasite appears as a dark purple chromatin spot in a paler cell. The features
    describe:

    - the darkest and the most purple spots at four scales, also at the rim;
    - regions that are darker or more purple than fixed and adaptive thresholds;
    - the distribution of the stain inside the cell;
    - the outline of the cell, and the stain along it, in particular around its most
      concave point.

    Densities are relative to the median of the cell, which cancels the effects of the
    lamp and of the paleness of the cell.

    The transformer does not learn from data, so `transform` works without `fit`.

    Read more in the :ref:`user guide <handcrafted>`.

    Parameters
    ----------
    n_jobs : int or None, default=None
        Number of processes, as in joblib. None means 1 unless in a joblib context. -1
        means one process for each core. Processes take a second to start, once, so they
        pay off from a few hundred images. Fewer than 128 images are measured without
        them.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Height, width and channels of the images seen in `fit`. Images passed to other
        methods must have the same shape.

    See Also
    --------
    PretrainedFeatureExtractor : Extract features with a pretrained network.
    malariafuse.classifiers.FeatureFusionClassifier : Classifier of images and features.

    Notes
    -----
    The background must be black, as in the NIH crops. See
    :class:`~malariafuse.preprocessing.BackgroundMasker`. The cell is the largest region
    on the background. Lengths are in radii of a disk of the same area as the cell, and
    areas in areas of the cell, so the size of the image has little influence. Optical
    density is the negative logarithm of the light relative to the cell's median
    (Beer-Lambert law). Spots are maxima of a difference of Gaussians [1]_. The notch is
    the most concave point of the outline, which is smoothed as a sequence of complex
    numbers [2]_. Gaps and tips are the areas added by closing and removed by opening
    with disks [3]_. Purple is the density in green minus that in red. Chromatin absorbs
    green but not red, whereas the shade of a fold or of the edge of the cell absorbs
    both.

    The outline is informative in the NIH crops: their segmentation sometimes removed a
    parasite at the rim together with the background, which leaves a dent. This is a
    property of the segmentation, not of malaria. Check the effect of the ``dent``,
    ``notch``, ``border`` and ``gaps`` features if your crops come from another source.

    All features of an image without a cell are 0. An image has no cell if its largest
    region brighter than 10 of 255, with holes filled, has fewer than 30 pixels.

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
        """Extract the features of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, 3)
            RGB images, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, 259), float32
            Features of each cell, in the order of `get_feature_names_out`.

        Raises
        ------
        ValueError, TypeError
            If a parameter is not as described, or `X` is not an array of RGB images, or
            the images have another shape than in `fit`.
        """
        images = self._check(X)
        if len(images) < _FEWEST_SHARED:
            return _measure(images)
        # Each process takes memory, and more processes than cores save no time.
        n_jobs = min(
            effective_n_jobs(self.n_jobs), _MOST_PROCESSES_PER_CORE * cpu_count()
        )
        most = max(1, _MOST_BYTES_PICKLED // images[0].nbytes)
        # Each process gets the same number of equally large parts.
        parts = np.array_split(images, n_jobs * ceil(len(images) / (n_jobs * most)))
        # Without `temp_folder`, each call of joblib leaves an empty folder in shared
        # memory until the process ends, even if it writes no files.
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
            Ignored.

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
    # After one large array, the allocator keeps the memory of a batch. Otherwise it
    # would request memory from the system for each batch, a fifth of the total time.
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
