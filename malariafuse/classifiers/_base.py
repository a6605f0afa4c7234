"""The one way in which every classifier trains, decides and is stored."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_array, check_consistent_length, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from malariafuse._images import check_image_shape, check_images, remember_image_shape
from malariafuse._keras._inference import (
    FrozenNetwork,
    check_engine,
    engine_attribute,
)
from malariafuse.classifiers._batches import (
    PREDICTION_BATCH,
    TrainingData,
    slices,
)
from malariafuse.classifiers._decision import (
    check_threshold,
    check_views,
    positive_column,
)
from malariafuse.classifiers._inputs import BranchInputs, ImageInputs, Shape
from malariafuse.classifiers._memory import train_once
from malariafuse.classifiers._training import Training, train


class BaseImageClassifier(ClassifierMixin, BaseEstimator):
    """Train, tune, store and apply a Keras network as a scikit-learn classifier.

    A concrete classifier adds its own parameters and says in `_build_network` which
    network it trains.
    """

    # These change what is decided, not what is trained.
    _NOT_TRAINED = (
        "engine",
        "memory",
        "pos_label",
        "test_time_views",
        "threshold",
        "verbose",
    )
    # These are positive integers.
    _COUNTS: tuple[str, ...] = ("batch_size", "epochs", "n_iter_no_change")

    @abstractmethod
    def __init__(
        self,
        *,
        epochs: int,
        batch_size: int,
        optimizer: str | keras.optimizers.Optimizer,
        learning_rate: float | None,
        momentum: float,
        weight_decay: float | None,
        schedule: str,
        warmup_epochs: float,
        augmentation: Any,
        early_stopping: bool,
        validation_fraction: float,
        n_iter_no_change: int,
        ema_momentum: float | None,
        class_weight: dict[Any, float] | str | None,
        threshold: float,
        pos_label: Any,
        test_time_views: int,
        precision: str,
        engine: str,
        memory: str | Path | Memory | None,
        callbacks: Any,
        verbose: int | bool,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup_epochs = warmup_epochs
        self.augmentation = augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.ema_momentum = ema_momentum
        self.class_weight = class_weight
        self.threshold = threshold
        self.pos_label = pos_label
        self.test_time_views = test_time_views
        self.precision = precision
        self.engine = engine
        self.memory = memory
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @abstractmethod
    def _build_network(
        self, input_shapes: Mapping[str, Shape], n_outputs: int
    ) -> keras.Model:
        """Return a new network that ends in a sigmoid or softmax of `n_outputs`."""

    def _branch_logits(self, network: keras.Model) -> str | None:
        """Return the layer of `network` whose branches are trained one by one, too."""
        return None

    def _make_inputs(self) -> ImageInputs | BranchInputs:
        """Return what makes the inputs of the network from images, not fitted."""
        return ImageInputs()

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in 0..255 or floating in 0..1; may be memory-mapped.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in the loss; None weighs all alike.
        groups : array-like of shape (n_samples,), default=None
            Patient of each sample. With `early_stopping`, whole patients are set
            aside for validation.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If `X`, `y`, `sample_weight`, `groups` or a parameter is not as described.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        images = check_images(X)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        labels = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=None)
        check_classification_targets(labels)
        patients = None if groups is None else column_or_1d(groups)
        check_consistent_length(images, labels, patients)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class only, {classes[0]!r}: a classifier needs at least 2 "
                "classes."
            )
        self._check_training_parameters()
        check_threshold(self.threshold, self.pos_label, classes)
        check_views(self.test_time_views, images.shape[1:])
        check_engine(self.engine)
        training = self._trained(
            TrainingData(
                images,
                codes,
                self._loss_weights(sample_weight, labels),
                patients if self.early_stopping else None,
                positive_column(self.pos_label, classes) if len(classes) == 2 else None,
            )
        )
        self.classes_ = classes
        remember_image_shape(self, images)
        self.history_ = training.history
        self.precision_ = training.precision
        self.n_iter_ = len(training.history["loss"])
        self._network, self._inputs = training.network, training.inputs
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Probabilities in the order of `classes_`.

        Raises
        ------
        ValueError
            If `X` is not as described.
        FloatingPointError
            If the network gives NaN.
        """
        check_is_fitted(self)
        check_views(self.test_time_views, self.image_shape_)
        probabilities = self._outputs(X, self._network)
        if not np.isfinite(probabilities).all():
            # Compared with a threshold, NaN would pass for an uninfected cell.
            raise FloatingPointError(
                "The network gives NaN for these images: its weights diverged in "
                "training. Train again with a lower learning_rate."
            )
        return with_both_classes(probabilities)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the decided class: of two, `pos_label` from `threshold` on.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        check_is_fitted(self)
        check_threshold(self.threshold, self.pos_label, self.classes_)
        probabilities = self.predict_proba(X)
        if len(self.classes_) > 2:
            return self.classes_[probabilities.argmax(axis=1)]
        # At 0.5, the only threshold possible without a known positive class, either
        # class may stand for it.
        positive = positive_column(self.pos_label, self.classes_) or 0
        decided = probabilities[:, positive] >= self.threshold
        return self.classes_[np.where(decided, positive, 1 - positive)]

    def _outputs(self, X: ArrayLike, network: FrozenNetwork) -> NDArray[np.float32]:
        """Return what a network gives for images, batch by batch."""
        images = check_images(X)
        check_image_shape(self, images)
        engine = network.engine_for(self.engine)

        def outputs_of(seen: NDArray[Any]) -> NDArray[np.float32]:
            inputs = self._inputs(seen)
            return network.compute(
                inputs if isinstance(inputs, tuple) else (inputs,), engine
            )

        return np.concatenate(
            [
                _mean_over_views(outputs_of, images[part], self.test_time_views)
                for part in slices(len(images), PREDICTION_BATCH)
            ]
        )

    @property
    def engine_(self) -> str:
        """What computes predictions here, "keras" or "openvino"."""
        check_is_fitted(self)
        return engine_attribute(self._network, self.engine)

    @property
    def model_(self) -> keras.Model:
        """The trained `keras.Model`, images in 0..1 to probabilities."""
        check_is_fitted(self)
        return self._network.model

    def _loss_weights(
        self, sample_weight: ArrayLike | None, labels: NDArray[Any]
    ) -> NDArray[np.float32]:
        weights = np.ones(len(labels), dtype=np.float32)
        if sample_weight is not None:
            weights = check_array(
                sample_weight,
                ensure_2d=False,
                ensure_all_finite=True,
                dtype=np.float32,
                input_name="sample_weight",
            )
            if weights.shape != labels.shape:
                raise ValueError(
                    f"sample_weight.shape == {weights.shape}, expected {labels.shape}: "
                    "one weight for each sample."
                )
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, labels)
        if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
            raise ValueError(
                "sample_weight or class_weight has values below 0, NaN or infinity, or "
                "none but zeros: expected weights of at least 0, and one above it."
            )
        return weights.astype(np.float32)

    def _check_training_parameters(self) -> None:
        for name, may_be_none, fits, wanted in (
            *((name, False, _is_count, "a positive integer") for name in self._COUNTS),
            ("learning_rate", True, lambda rate: rate > 0, "a number above 0"),
            ("weight_decay", True, lambda decay: decay >= 0, "a number of at least 0"),
            ("momentum", False, lambda share: 0 <= share < 1, "a number in [0, 1)"),
            ("ema_momentum", True, lambda share: 0 < share < 1, "a number in (0, 1)"),
            (
                "validation_fraction",
                False,
                lambda share: 0 < share < 1,
                "a number in (0, 1)",
            ),
            (
                "warmup_epochs",
                False,
                lambda number: 0 <= number <= self.epochs,
                f"a number from 0 to epochs={self.epochs}",
            ),
        ):
            value = getattr(self, name)
            if value is None and may_be_none:
                continue
            if not isinstance(value, Real) or not fits(value):
                none = "None or " if may_be_none else ""
                raise ValueError(f"{name}={value!r}: expected {none}{wanted}.")

    def _trained(self, data: TrainingData) -> Training:
        """Train, or take the same training from `memory`."""
        recipe = clone(self)
        if isinstance(self.random_state, np.random.RandomState):
            # Drawn from the user's own generator, which the next fit finds advanced.
            recipe.set_params(random_state=self.random_state.randint(2**31 - 1))
        defaults = inspect.signature(type(self)).parameters
        recipe.set_params(
            **{name: defaults[name].default for name in self._NOT_TRAINED}
        )
        return train_once(self.memory, train, recipe, data, self.verbose)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def with_both_classes(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one column a class, where a sigmoid gives the last of two alone."""
    if probabilities.shape[1] == 1:
        return np.hstack([1 - probabilities, probabilities])
    return probabilities


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def _mean_over_views(
    outputs_of: Callable[[NDArray[Any]], NDArray[np.float32]],
    images: NDArray[Any],
    n_views: int,
) -> NDArray[np.float32]:
    """Average the outputs over the image, its flips and its quarter turns."""
    outputs = []
    for view in range(n_views):
        seen = images.transpose(0, 2, 1, 3) if view >= 4 else images
        seen = seen[:, :: -1 if view & 1 else 1, :: -1 if view & 2 else 1]
        outputs.append(outputs_of(np.ascontiguousarray(seen)))
    return np.mean(outputs, axis=0)
