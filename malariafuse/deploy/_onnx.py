"""A classifier that was exported to ONNX, without Keras and TensorFlow."""

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
# Of probabilities of golden cells. Versions of OpenCV resize and measure a little
# differently.
GOLDEN_TOLERANCE = 1e-3


class OnnxClassifier(ClassifierMixin, Estimator):
    """Classify images by a folder that `export_onnx` wrote, on ONNX Runtime.

    The classifier is fitted from the start. It needs neither Keras nor TensorFlow, and
    runs no code of the folder. Every file is compared with its SHA-256 when the
    classifier is made.

    Read more in the :ref:`user guide <in_the_field>`.

    Parameters
    ----------
    folder : path-like
        Folder that :func:`export_onnx` wrote.
    check_golden : bool, default=True
        Whether the golden cells of the folder are classified first, and compared with
        the probabilities that they had at export.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    manifest_ : dict
        Contents of ``manifest.json``.

    Raises
    ------
    FileNotFoundError
        If the folder has no manifest, or a file is missing.
    ValueError
        If a file is damaged, the folder has another format, or golden cells have other
        probabilities than at export.
    ImportError
        If ONNX Runtime is not installed.

    See Also
    --------
    export_onnx : Write such a folder.
    predict_files : List the decisions about many files.

    Notes
    -----
    The thresholds, the classes and the steps in front of the network are those of the
    exported pipeline, and so are its warnings about images that look odd. A pipeline
    without :class:`~malariafuse.preprocessing.ImageLoader` gets one, which takes paths
    and resizes. Floating images are rounded to 256 levels first.

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
        """Return the classifier, which was trained before.

        Parameters
        ----------
        X, y : object
            Ignored.

        Returns
        -------
        self : OnnxClassifier
            The classifier itself.
        """
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Paths of image files, or images in memory, as
            :class:`~malariafuse.preprocessing.ImageLoader` takes them.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Probabilities in the order of `classes_`.

        Raises
        ------
        ImageReadError
            If images cannot be read.
        ValueError, TypeError
            If `X` is something else.

        Warns
        -----
        UserWarning
            As the exported pipeline does: if images look like no single stained red
            cell, or are far from those of the training.
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
        """Return the decided class: of two, `pos_label` from `threshold` on.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Images as in `predict_proba`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.

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
        """Probability of the positive class from which on it is decided for."""
        return float(self.manifest_["threshold"]["value"])

    @property
    def pos_label(self) -> Any:
        """The positive class, if the exported classifier named it."""
        return self.manifest_["threshold"]["pos_label"]

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and load the folder anew.

        Parameters
        ----------
        **params : dict
            Parameters.

        Returns
        -------
        self : OnnxClassifier
            The classifier itself.
        """
        super().set_params(**params)
        if params:
            self._load()
        return self

    def _decide(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the decided classes for what `predict_proba` gave."""
        # In float64, as thresholds are chosen.
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
            # Drawn cells look like no stained ones.
            warnings.simplefilter("ignore", UserWarning)
            largest = np.abs(self.predict_proba(paths) - expected).max()
        if not largest <= GOLDEN_TOLERANCE:
            raise ValueError(
                f"The golden cells of {folder} have probabilities that differ by up to "
                f"{largest:.2g} from those at export. The versions at export were "
                f"{self.manifest_['versions']}: install these, or look at cells of "
                "your own, and pass check_golden=False."
            )

    def _inputs(self, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph for images that it takes."""
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
        """Return what the classifier computes by, wherever its folder lies."""
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
