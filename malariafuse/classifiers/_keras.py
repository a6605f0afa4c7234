from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from joblib import Memory

from malariafuse._keras._stored import storable_copy
from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._docs import describe_training
from malariafuse.classifiers._inputs import Shape


@describe_training
class KerasImageClassifier(BaseImageClassifier):
    """Any Keras network as a classifier of images.

    Read more in the :ref:`user guide <main_job>`.

    Parameters
    ----------
    network : callable
        ``network(input_shape, n_outputs, **network_params)`` returns a new
        `keras.Model` for float images of `input_shape` (height, width, channels) in
        0..1. It ends in a sigmoid if `n_outputs` is 1 (two classes), else in a softmax
        over `n_outputs`. Layers of your own must be registered with
        `keras.saving.register_keras_serializable`, or the fitted classifier could not
        be loaded.
    network_params : dict, default=None
        Further arguments of `network`; None means none.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : A residual network with good defaults.
    ConvNetClassifier : A plain convolutional network.

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
    """

    def __init__(
        self,
        network: Callable[..., keras.Model],
        *,
        network_params: dict[str, Any] | None = None,
        epochs: int = 10,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        schedule: str = "cosine",
        warmup_epochs: float = 1,
        augmentation: Any = ("flip", "quarter_turn", "stain"),
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        ema_momentum: float | None = None,
        class_weight: dict[Any, float] | str | None = None,
        threshold: float = 0.5,
        pos_label: Any = None,
        test_time_views: int = 1,
        precision: str = "auto",
        engine: str = "auto",
        memory: str | Path | Memory | None = None,
        callbacks: Any = None,
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            warmup_epochs=warmup_epochs,
            augmentation=augmentation,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            ema_momentum=ema_momentum,
            class_weight=class_weight,
            threshold=threshold,
            pos_label=pos_label,
            test_time_views=test_time_views,
            precision=precision,
            engine=engine,
            memory=memory,
            callbacks=callbacks,
            verbose=verbose,
            random_state=random_state,
        )
        self.network = network
        self.network_params = network_params

    def _build_network(
        self, input_shapes: Mapping[str, Shape], n_outputs: int
    ) -> keras.Model:
        if not callable(self.network):
            raise TypeError(
                f"network={self.network!r}: expected a function (input_shape, "
                "n_outputs) -> keras.Model."
            )
        network = self.network(
            input_shapes["images"], n_outputs, **(self.network_params or {})
        )
        if not isinstance(network, keras.Model):
            raise TypeError(
                f"network returned {type(network).__name__}: expected a keras.Model."
            )
        return storable_copy(network)
