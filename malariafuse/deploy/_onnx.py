"""Classifier that runs an exported ONNX folder."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, gen_batches

from malariafuse._base import Estimator
from malariafuse._extras import needed_for
from malariafuse._familiar import warn_if_far
from malariafuse._labels import positive_column
from malariafuse._workers import worker_threads
from malariafuse.deploy._folder import MODEL, read_golden, read_library, read_manifest

_BATCH = 128
# Tolerance of probabilities of golden cells. Resizing and features differ slightly
# between versions of OpenCV.
GOLDEN_TOLERANCE = 1e-3


class OnnxClassifier(ClassifierMixin, Estimator):
    """Classifier that runs a folder written by `export_onnx` on ONNX Runtime.

    The classifier is already fitted. It needs neither Keras nor TensorFlow, and does
    not execute code from the folder. The SHA-256 of every file is verified on
    construction.

    Read more in the :ref:`User Guide <in_the_field>`.

    Parameters
    ----------
    folder : path-like
        Folder written by :func:`export_onnx`.
    check_golden : bool, default=True
        Whether to classify the golden cells of the folder first, and compare their
        probabilities with those at export.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    manifest_ : dict
        Contents of ``manifest.json``.

    Raises
    ------
    FileNotFoundError
        If the folder has no manifest, or a file is missing.
    ValueError
        If a file is damaged, the folder has an unsupported format, or the probabilities
        of golden cells differ from those at export.
    ImportError
        If ONNX Runtime is not installed.

    See Also
    --------
    export_onnx : Export a fitted classifier to a folder.
    predict_files : Classify many image files.

    Notes
    -----
    The threshold, the classes, the steps before the network and the warnings about
    outliers are those of the exported pipeline. A
    :class:`~malariafuse.preprocessing.ImageLoader` is added to a pipeline without one,
    so that paths are accepted and images are resized. Floating images are rounded to
    256 levels first.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pytest
    >>> _ = pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.deploy import OnnxClassifier, export_onnx
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> trained = ConvNetClassifier(filters=2, epochs=1, random_state=0)
    >>> _ = trained.fit(cells.images, cells.target)
    >>> with TemporaryDirectory() as place:
    ...     folder = export_onnx(trained, f"{place}/exported")
    ...     classifier = OnnxClassifier(folder)
    >>> classifier.predict_proba(cells.images).shape
    (40, 2)
    """

    classes_: NDArray[Any]
    manifest_: dict[str, Any]

    def __init__(
        self, folder: str | PathLike[str], *, check_golden: bool = True
    ) -> None:
        self.folder = folder
        self.check_golden = check_golden
        self._load()

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Return the classifier, which is already fitted.

        Parameters
        ----------
        X, y : object
            Ignored.

        Returns
        -------
        self : OnnxClassifier
            This classifier.
        """
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Paths of image files, or images in memory, as in
            :class:`~malariafuse.preprocessing.ImageLoader`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Class probabilities, in the order of `classes_`.

        Raises
        ------
        ImageReadError
            If images cannot be read.
        ValueError, TypeError
            If `X` is invalid.

        Warns
        -----
        UserWarning
            As in the exported pipeline: if images do not look like single stained red
            cells, or differ strongly from the training images.
        """
        images = X
        for _, step in self._before:
            images = step.transform(images)
        self._warn_if_far(images)
        return np.concatenate(
            [
                self._session.run(None, self._inputs(images[part]))[0]
                for part in gen_batches(len(images), _BATCH)
            ]
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Images as in `predict_proba`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted labels from `classes_`. For two classes, `pos_label` is predicted
            if its probability is at least `threshold`.

        Raises
        ------
        ImageReadError, ValueError, TypeError
            As in `predict_proba`.

        Warns
        -----
        UserWarning
            As in `predict_proba`.
        """
        return self._decide(self.predict_proba(X))

    @property
    def threshold(self) -> float:
        """Decision threshold."""
        return float(self.manifest_["threshold"]["value"])

    @property
    def pos_label(self) -> Any:
        """Positive class of the exported classifier, or None."""
        return self.manifest_["threshold"]["pos_label"]

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and load the folder again.

        Parameters
        ----------
        **params : dict
            Parameters.

        Returns
        -------
        self : OnnxClassifier
            This classifier.
        """
        super().set_params(**params)
        if params:
            self._load()
        return self

    def _decide(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the predicted classes for probabilities."""
        # Compared in float64, the dtype in which thresholds are chosen.
        exact = probabilities.astype(np.float64)
        if len(self.classes_) > 2:
            return self.classes_[exact.argmax(axis=1)]
        positive = positive_column(self.pos_label, self.classes_) or 0
        decided = exact[:, positive] >= self.threshold
        return self.classes_[np.where(decided, positive, 1 - positive)]

    def _load(self) -> None:
        with needed_for("Exported classifiers"):
            import onnxruntime
        folder = Path(self.folder)
        self.manifest_ = read_manifest(folder)
        self.classes_ = np.array(
            self.manifest_["classes"]["labels"], self.manifest_["classes"]["dtype"]
        )
        library = read_library(folder)
        self._before, self._in_graph = library["before"], library["in_graph"]
        self._made_inputs = library["inputs"]
        options = onnxruntime.SessionOptions()
        # 0 is one for each core.
        options.intra_op_num_threads = worker_threads() or 0
        self._session = onnxruntime.InferenceSession(
            folder / MODEL, options, providers=["CPUExecutionProvider"]
        )
        if self.check_golden:
            self._compare_golden(folder)

    def _compare_golden(self, folder: Path) -> None:
        paths, expected = read_golden(folder)
        with warnings.catch_warnings():
            # Synthetic cells do not look like stained cells.
            warnings.simplefilter("ignore", UserWarning)
            largest = np.abs(self.predict_proba(paths) - expected).max()
        if not largest <= GOLDEN_TOLERANCE:
            raise ValueError(
                f"The golden cells of {folder} have probabilities that differ by up to "
                f"{largest:.2g} from those at export. The versions at export were "
                f"{self.manifest_['versions']}. Install these versions, or check the "
                "classifier on your own cells and pass check_golden=False."
            )

    def _inputs(self, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph for images."""
        inputs = {}
        for name, steps in self._made_inputs.items():
            values = images
            for _, step in steps:
                values = step.transform(values)
            is_bytes = np.asarray(values).dtype == np.uint8
            inputs[name] = np.asarray(values, np.uint8 if is_bytes else np.float32)
        return inputs

    def _warn_if_far(self, images: NDArray[Any]) -> None:
        seen = images
        for _, step in self._in_graph:
            seen = step.transform(seen)
        image_range = self.manifest_["quality_gates"]["image_range"]
        low, high = np.array(image_range["low"]), np.array(image_range["high"])
        warn_if_far(low, high, seen)

    def _content(self) -> dict[str, Any]:
        """Return the content of the classifier, independent of its folder."""
        return self.manifest_

    def __getstate__(self) -> dict[str, Any]:
        return self.get_params()

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._load()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags
