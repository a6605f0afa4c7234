import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
from joblib import Memory

from malariafuse._engine._stored import storable_copy
from malariafuse._engine._training import NetworkFunction
from malariafuse._parameters import Functions, Instances, Nothing, Rule
from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._shared import describe_training

_OWN = "network_params__"
# First arguments of functions in the style of scikeras.
_OLD_STYLE = {"compile_kwargs", "learning_rate", "loss", "meta", "metrics", "optimizer"}


@describe_training
class KerasImageClassifier(BaseImageClassifier):
    """Classifier with any Keras network.

    Read more in the :ref:`User Guide <own_network>`.

    Parameters
    ----------
    network : callable or keras.Model
        Function ``network(input_shape, n_outputs, **network_params)`` that returns a
        new `keras.Model` for float images in [0, 1] of `input_shape` (height, width,
        channels). The network ends in a sigmoid if `n_outputs` is 1 (two classes), and
        in a softmax over `n_outputs` otherwise. A `keras.Model` object provides the
        architecture and the initial weights, and is not changed. The network need not
        be compiled. Custom layers must be registered with
        `keras.saving.register_keras_serializable`, so that the fitted classifier can be
        loaded.
    network_params : dict, default=None
        Keyword arguments of `network`. Each is also a parameter for `set_params` and
        searches: ``network_params__filters`` sets "filters". None means no arguments.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : Classifier with a residual network.
    ConvNetClassifier : Classifier with a plain convolutional network.

    Examples
    --------
    >>> import keras
    >>> from malariafuse import KerasImageClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> def tiny(input_shape, n_outputs, filters=4):
    ...     return keras.Sequential(
    ...         [
    ...             keras.Input(input_shape),
    ...             keras.layers.Conv2D(filters, 3, activation="relu"),
    ...             keras.layers.GlobalMaxPooling2D(),
    ...             keras.layers.Dense(n_outputs, activation="sigmoid"),
    ...         ]
    ...     )
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = KerasImageClassifier(tiny, network_params={"filters": 2}, epochs=1)
    >>> classifier.fit(cells.images, cells.target).predict_proba(cells.images).shape
    (40, 2)
    >>> classifier.set_params(network_params__filters=8).network_params
    {'filters': 8}
    """

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = {
        **BaseImageClassifier._parameter_rules,
        "network": [Functions(), Instances(keras.Model, "a keras.Model")],
        "network_params": [
            Nothing(),
            Instances(Mapping, "a dict of arguments of the function"),
        ],
    }

    network: Callable[..., keras.Model] | keras.Model
    network_params: dict[str, Any] | None

    def __init__(
        self,
        network: Callable[..., keras.Model] | keras.Model,
        *,
        network_params: dict[str, Any] | None = None,
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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the classifier and of its network function.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the items of `network_params`, as
            ``network_params__<name>``.

        Returns
        -------
        dict
            Values by names.
        """
        params = super().get_params(deep=deep)
        if deep and isinstance(self.network_params, Mapping):
            for name, value in self.network_params.items():
                params[f"{_OWN}{name}"] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the classifier or of its network function.

        Parameters
        ----------
        **params : dict
            Parameters. An argument of the network function is set as
            ``network_params__<name>``.

        Returns
        -------
        self : KerasImageClassifier
            This classifier.
        """
        own = {name: value for name, value in params.items() if name.startswith(_OWN)}
        super().set_params(
            **{name: value for name, value in params.items() if name not in own}
        )
        if own:
            # A new dict, because clones share the old one.
            self.network_params = {
                **(self.network_params or {}),
                **{name.removeprefix(_OWN): value for name, value in own.items()},
            }
        return self

    def _network_function(self) -> NetworkFunction:
        network, params = self.network, self.network_params or {}
        if isinstance(network, keras.Model):
            if params:
                raise ValueError(
                    f"network_params={params!r} but network is a keras.Model. Pass "
                    "network_params=None, or a function that returns a network."
                )
            return partial(_copy, network)
        _check_signature(network, params)
        return partial(_build, network, params)


def _build(
    function: Callable[..., keras.Model],
    params: Mapping[str, Any],
    input_shape: Any,
    n_outputs: int,
) -> keras.Model:
    network = function(input_shape, n_outputs, **params)
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"network returned {type(network).__name__}: expected a keras.Model."
        )
    # Cloned, because a function may return a network that is used elsewhere.
    return storable_copy(network)


def _copy(network: keras.Model, input_shape: Any, n_outputs: int) -> keras.Model:
    return storable_copy(network)


def _check_signature(
    function: Callable[..., keras.Model], params: Mapping[str, Any]
) -> None:
    """Raise TypeError unless `function` takes the input shape and `n_outputs` first."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # The signature of compiled functions is unknown.
        return
    wanted = (
        "expected a function (input_shape, n_outputs, **network_params) that returns "
        "a keras.Model. Optimizer, loss and learning rate are parameters of the "
        "classifier."
    )
    try:
        signature.bind((1, 1, 3), 1, **params)
    except TypeError as error:
        raise TypeError(
            f"network has the signature {signature} and network_params are "
            f"{sorted(params)}: {error}; {wanted}"
        ) from error
    first = list(signature.parameters.values())[:2]
    for parameter in first:
        named_for_it = parameter.name in ("input_shape", "n_outputs")
        has_default = parameter.default is not inspect.Parameter.empty
        if parameter.name in _OLD_STYLE or (has_default and not named_for_it):
            raise TypeError(
                f"network has the signature {signature}, so {parameter.name!r} would "
                f"get the input shape or the number of outputs: {wanted}"
            )
