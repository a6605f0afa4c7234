"""Base class of all classifiers: training, prediction and persistence."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import (
    check_random_state,
    gen_batches,
)
from sklearn.utils.validation import check_is_fitted

from malariafuse._base import Estimator
from malariafuse._digest import StoredWithDigest
from malariafuse._engine._data import (
    PREDICTION_BATCH,
    ImageInputs,
    Inputs,
    TrainingData,
)
from malariafuse._engine._inference import (
    FrozenNetwork,
    check_engine,
    engine_attribute,
)
from malariafuse._engine._memory import train_once, training_key
from malariafuse._engine._parameters import StoresKeras
from malariafuse._engine._settings import TrainingSettings
from malariafuse._engine._training import NetworkFunction, Training, Watch, train
from malariafuse._files._kept import as_memory
from malariafuse._images import check_image_shape, check_images, remember_image_shape
from malariafuse._labels import positive_column
from malariafuse._parameters import Rule, check_parameters
from malariafuse._warn import warn
from malariafuse._which_training import which_training
from malariafuse.classifiers._checks import (
    check_decision,
    check_labels,
    check_samples,
    check_threshold,
    check_views,
    make_samples,
    validation_samples,
)
from malariafuse.classifiers._familiar import ImageRange
from malariafuse.classifiers._shared import TRAINING_RULES, describe_training

_SMALLEST = np.finfo(np.float32).tiny
_NEXT_TO_ONE = np.finfo(np.float32).epsneg


@describe_training
class BaseImageClassifier(
    StoredWithDigest, StoresKeras, ClassifierMixin, Estimator, ABC
):
    """Base class for classifiers of images with a Keras network.

    The base class trains, applies and stores the network. A subclass defines the
    network in `_network_function`. The ``__init__`` of a subclass may take any subset
    of the parameters below and passes them on.

    Parameters
    ----------
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    KerasImageClassifier : Classifier with any network, without subclassing.

    Examples
    --------
    A classifier with a single parameter:

    >>> from functools import partial
    >>> from malariafuse.classifiers import BaseImageClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.networks import build_convnet
    >>> class NarrowClassifier(BaseImageClassifier):
    ...     def __init__(self, filters=4):
    ...         super().__init__(epochs=1, optimizer="sgd", random_state=0)
    ...         self.filters = filters
    ...
    ...     def _network_function(self):
    ...         return partial(build_convnet, filters=self.filters)
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> narrow = NarrowClassifier(filters=2).fit(cells.images, cells.target)
    >>> narrow.get_params()
    {'filters': 2}
    >>> narrow.model_.count_params() < NarrowClassifier().fit(
    ...     cells.images, cells.target
    ... ).model_.count_params()
    True
    """

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = TRAINING_RULES
    # Name of the layer with the logits of each branch, if the network has one.
    _branch_logits: ClassVar[str | None] = None

    epochs: int
    head_epochs: int
    batch_size: int
    optimizer: str | keras.optimizers.Optimizer
    learning_rate: float | None
    momentum: float
    weight_decay: float | None
    schedule: str
    warmup_epochs: float
    loss: str | keras.losses.Loss
    label_smoothing: float
    augmentation: Any
    early_stopping: bool
    monitor: str
    validation_fraction: float
    n_iter_no_change: int
    ema_momentum: float | None
    class_weight: dict[Any, float] | str | None
    initial_weights: keras.Model | str | PathLike[str] | None
    warm_start: bool
    threshold: float
    pos_label: Any
    test_time_views: int
    compute_dtype: str
    engine: str
    memory: str | Path | Memory | None
    checkpoint: str | PathLike[str] | None
    callbacks: Any
    verbose: int | bool
    random_state: int | np.random.RandomState | None

    _network: FrozenNetwork
    _inputs: Inputs
    _image_range: ImageRange

    def __init__(
        self,
        *,
        epochs: int = 10,
        head_epochs: int = 0,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        schedule: str = "cosine",
        warmup_epochs: float = 1,
        loss: str | keras.losses.Loss = "crossentropy",
        label_smoothing: float = 0.0,
        augmentation: Any = ("flip", "quarter_turn", "stain"),
        early_stopping: bool = False,
        monitor: str = "val_loss",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        ema_momentum: float | None = None,
        class_weight: dict[Any, float] | str | None = None,
        initial_weights: keras.Model | str | PathLike[str] | None = None,
        warm_start: bool = False,
        threshold: float = 0.5,
        pos_label: Any = None,
        test_time_views: int = 1,
        compute_dtype: str = "auto",
        engine: str = "auto",
        memory: str | Path | Memory | None = None,
        checkpoint: str | PathLike[str] | None = None,
        callbacks: Any = None,
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self._keep(locals())

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of an ``__init__`` unchanged, under their names."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @abstractmethod
    def _network_function(self) -> NetworkFunction:
        """Return the function that builds the network.

        Returns
        -------
        callable
            Function ``function(input_shape, n_outputs)`` that returns a new
            `keras.Model`. The network takes float images in [0, 1]. It ends in a
            sigmoid if `n_outputs` is 1, and in a softmax over `n_outputs` otherwise.
            With `memory` or `checkpoint`, functions are equal if they have the same
            code and the same values, such as the arguments of a `functools.partial`.
        """

    def _make_inputs(self) -> Inputs:
        """Return the unfitted transformation from images to inputs of the network."""
        return ImageInputs()

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1]. May be memory-mapped.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in the loss. None means equal weights.
        groups : array-like of shape (n_samples,), default=None
            Patient of each sample. With `early_stopping`, whole patients are held out
            for validation. If None, cells are held out, with a warning.
        X_val : array-like of shape (n_val, height, width, channels), default=None
            Validation images of the same shape, preferably of other patients. If None
            and `early_stopping` is True, a part of `X` is held out for validation. If
            None and `early_stopping` is False, there is no validation.
        y_val : array-like of shape (n_val,), default=None
            Labels of `X_val`, from the classes in `y`.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weight of each validation sample.

        Returns
        -------
        self : object
            Fitted classifier.

        Raises
        ------
        ValueError, TypeError
            If `X`, `y`, `sample_weight`, `groups`, the validation data or a parameter
            is invalid.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._check_parameters()
        images, labels = check_samples(self, X, y, groups)
        classes = np.unique(labels)
        if len(classes) < 2:
            raise ValueError(
                f"y has only one class, {classes.tolist()[0]!r}: a classifier needs at "
                "least 2 classes."
            )
        data = TrainingData(
            make_samples(images, labels, classes, sample_weight, self.class_weight),
            # Patients affect the training only through the validation split.
            None
            if groups is None or not self.early_stopping or X_val is not None
            else np.asarray(groups),
            validation_samples(self, X_val, y_val, sample_weight_val, images, classes),
            len(classes),
            check_decision(self, classes, images.shape[1:]),
        )
        if self.early_stopping and groups is None and X_val is None:
            warn(
                "early_stopping=True holds out single cells for validation, because "
                "groups is None. Cells of one patient are correlated, so validation "
                "metrics are too optimistic. Pass the patient of each cell as groups "
                "(with the name of the step in a pipeline, such as "
                "classifier__groups), or pass other patients as X_val and y_val."
            )
        settings, inputs = self._settings(), self._make_inputs()
        if self.warm_start and hasattr(self, "classes_"):
            self._check_continues(images, classes, "warm_start=True")
            settings = replace(settings, initial_weights=self.model_)
            inputs = self._inputs
        build = self._network_function()
        training = train_once(
            self.memory,
            lambda: training_key(build, inputs, data, settings),
            lambda: train(
                build,
                inputs,
                data,
                settings,
                self._watch(),
                branch_logits=self._branch_logits,
            ),
        )
        self.history_ = training.history
        self.__dict__.pop("_partial", None)
        return self._take(training, images, classes, ImageRange.of(images))

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the network for one more epoch on a batch of samples.

        Training continues with the weights and the optimizer state of the previous call
        of `fit` or `partial_fit`. The learning rate is constant. `epochs`,
        `head_epochs`, `schedule`, `warmup_epochs`, `early_stopping`, `memory` and
        `checkpoint` have no effect.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images, uint8 in [0, 255] or floating in [0, 1].
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All classes of `y` over all calls. Required in the first call, optional in
            later calls.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in the loss. None means equal weights.

        Returns
        -------
        self : object
            Fitted classifier.

        Raises
        ------
        ValueError, TypeError
            As in `fit`, and if `classes` is None in the first call or differs from the
            first call.
        FloatingPointError
            If the loss becomes NaN or infinite.
        """
        self._check_parameters()
        images, labels = check_samples(self, X, y)
        begun = hasattr(self, "classes_")
        if classes is None and not begun:
            raise ValueError(
                "classes is None: expected all classes in the first call of "
                "partial_fit, such as classes=[0, 1]."
            )
        every = (
            self.classes_
            if classes is None
            else np.unique(check_labels(classes, "classes"))
        )
        settings = replace(
            self._settings(),
            epochs=1,
            head_epochs=0,
            schedule="constant",
            warmup_epochs=0,
            early_stopping=False,
        )
        inputs = self._make_inputs()
        state: tuple[Any, Any] = (check_random_state(settings.random_state), None)
        history: dict[str, list[float]] = {}
        if begun:
            self._check_continues(images, every, "partial_fit")
            settings = replace(settings, initial_weights=self.model_)
            inputs, history = self._inputs, self.history_
            state = getattr(self, "_partial", state)
        generator, optimizer = state
        training = train(
            self._network_function(),
            inputs,
            TrainingData(
                make_samples(images, labels, every, sample_weight, self.class_weight),
                None,
                None,
                len(every),
                check_decision(self, every, images.shape[1:]),
            ),
            replace(settings, random_state=generator.randint(2**31 - 1)),
            Watch(self._watch().progress),
            branch_logits=self._branch_logits,
            optimizer=optimizer,
            keep_optimizer=True,
        )
        self.history_ = {
            name: history.get(name, []) + values
            for name, values in training.history.items()
        }
        self._partial = generator, training.optimizer
        image_range = ImageRange.of(images)
        if begun:
            image_range = image_range.together_with(self._image_range)
        return self._take(training, images, every, image_range)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Class probabilities, in the order of `classes_`.

        Raises
        ------
        ValueError
            If `X` is invalid.
        FloatingPointError
            If the output of the network is NaN.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        check_is_fitted(self)
        check_views(self.test_time_views, self.image_shape_)
        probabilities = self._outputs(X, self._network)
        if not np.isfinite(probabilities).all():
            # In a comparison with a threshold, NaN would count as uninfected.
            raise FloatingPointError(
                "The output of the network is NaN for these images: its weights "
                "diverged in training. Train again with a lower learning_rate."
            )
        return with_both_classes(probabilities)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Natural logarithms of probabilities, in the order of `classes_`. Minus
            infinity for a probability of 0.

        Raises
        ------
        ValueError
            If `X` is invalid.
        FloatingPointError
            If the output of the network is NaN.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the log-odds of the classes, independently of `threshold`.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), float64
            Log-odds of ``classes_[1]`` for two classes, otherwise log-odds of each
            class. Log-odds are positive if the probability is above 0.5. Probabilities
            of 0 and 1 are replaced by the closest float32 number, so all log-odds are
            finite.

        Raises
        ------
        ValueError
            If `X` is invalid.
        FloatingPointError
            If the output of the network is NaN.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        probabilities = self.predict_proba(X).astype(np.float64)
        if len(self.classes_) == 2:
            probabilities = probabilities[:, 1]
        inside = np.clip(probabilities, _SMALLEST, 1 - _NEXT_TO_ONE)
        return np.log(inside) - np.log1p(-inside)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels)
            Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted labels from `classes_`. For two classes, `pos_label` is predicted
            if its probability is at least `threshold`. For more classes, the most
            probable class is predicted.

        Raises
        ------
        ValueError
            If `X` is not as described, or `threshold` and `pos_label` do not match the
            classes.
        FloatingPointError
            If the output of the network is NaN.

        Warns
        -----
        UserWarning
            If the brightness, the colors, or the darkest or brightest pixels of most
            images differ strongly from those in `fit`.
        """
        check_is_fitted(self)
        # Validated before the computation.
        check_threshold(self.threshold, self.pos_label, self.classes_)
        return self._decide(self.predict_proba(X))

    def _decide(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the predicted classes for probabilities."""
        check_threshold(self.threshold, self.pos_label, self.classes_)
        # Compared in float64, the dtype in which thresholds are chosen. Rounded to
        # float32, a threshold may be on the other side of a probability.
        probabilities = probabilities.astype(np.float64)
        if len(self.classes_) > 2:
            return self.classes_[probabilities.argmax(axis=1)]
        # Without a known positive class, the threshold is 0.5, and either class can be
        # used.
        positive = positive_column(self.pos_label, self.classes_) or 0
        decided = probabilities[:, positive] >= float(self.threshold)
        return self.classes_[np.where(decided, positive, 1 - positive)]

    @property
    def engine_(self) -> str:
        """Engine in use for predictions, "keras" or "openvino"."""
        check_is_fitted(self)
        return engine_attribute(self._network, self.engine)

    @property
    def model_(self) -> keras.Model:
        """Trained `keras.Model` from images in [0, 1] to probabilities."""
        check_is_fitted(self)
        return self._network.model

    def _outputs(self, X: ArrayLike, network: FrozenNetwork) -> NDArray[np.float32]:
        """Return the outputs of a network for images, computed in batches."""
        images = check_images(X)
        check_image_shape(self, images)
        self._image_range.warn_if_far(images)
        engine = network.engine_for(self.engine)

        def outputs_of(seen: NDArray[Any]) -> NDArray[np.float32]:
            inputs = self._inputs(seen)
            return network.compute(
                inputs if isinstance(inputs, tuple) else (inputs,), engine
            )

        return np.concatenate(
            [
                _mean_over_views(outputs_of, images[part], self.test_time_views)
                for part in gen_batches(len(images), PREDICTION_BATCH)
            ]
        )

    def _with_network(self, network: keras.Model) -> Self:
        """Return a copy of the fitted classifier with another network."""
        other = copy(self)
        other._network = FrozenNetwork(network)
        other.engine = "keras"
        return other

    def _take(
        self,
        training: Training,
        images: NDArray[Any],
        classes: NDArray[Any],
        image_range: ImageRange,
    ) -> Self:
        """Store the result of a training."""
        self.classes_ = classes
        remember_image_shape(self, images)
        self.compute_dtype_ = training.compute_dtype
        self.n_iter_ = len(self.history_["loss"])
        self._network, self._inputs = training.network, training.inputs
        self._image_range = image_range
        return self

    def _settings(self) -> TrainingSettings:
        """Return the settings of the training."""
        settings = {
            field.name: getattr(self, field.name) for field in fields(TrainingSettings)
        }
        if isinstance(self.random_state, np.random.RandomState):
            # Drawn from the user's generator, which is advanced for the next fit.
            settings["random_state"] = self.random_state.randint(2**31 - 1)
        return TrainingSettings(**settings)

    def _watch(self) -> Watch:
        title = ", ".join(filter(None, [type(self).__name__, which_training()]))
        return Watch(
            title if self.verbose else None,
            None if self.checkpoint is None else Path(self.checkpoint),
        )

    def _check_parameters(self) -> None:
        """Raise if a parameter is invalid."""
        check_parameters(self)
        as_memory(self.memory)
        check_engine(self.engine)
        epochs = max(self.epochs, self.head_epochs)
        if epochs == 0:
            raise ValueError(
                f"epochs={self.epochs!r}: expected a positive integer, or head_epochs "
                "above 0."
            )
        if self.warmup_epochs > epochs:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs!r}: expected a number from 0 to "
                f"epochs={epochs}."
            )
        if self.label_smoothing and not isinstance(self.loss, str):
            raise ValueError(
                f"label_smoothing={self.label_smoothing!r} has no effect on a loss "
                "object: pass it to the loss object, or use the name of a loss."
            )

    def _check_continues(
        self, images: NDArray[Any], classes: NDArray[Any], what: str
    ) -> None:
        """Raise unless training can continue with these samples."""
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"{what} continues with the classes {self.classes_.tolist()}, but the "
                f"new classes are {classes.tolist()}."
            )
        check_image_shape(self, images)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def with_both_classes(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one column per class. A sigmoid has only the last of two."""
    if probabilities.shape[1] == 1:
        return np.hstack([1 - probabilities, probabilities])
    return probabilities


def _mean_over_views(
    outputs_of: Callable[[NDArray[Any]], NDArray[np.float32]],
    images: NDArray[Any],
    n_views: int,
) -> NDArray[np.float32]:
    """Average the outputs over the views of each image."""
    outputs = []
    for view in range(n_views):
        seen = images.transpose(0, 2, 1, 3) if view >= 4 else images
        seen = seen[:, :: -1 if view & 1 else 1, :: -1 if view & 2 else 1]
        outputs.append(outputs_of(np.ascontiguousarray(seen)))
    return np.mean(outputs, axis=0)
