from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from joblib import Memory

from malariafuse._engine._training import NetworkFunction
from malariafuse._parameters import Integers, Reals, Rule, SequencesOf
from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._shared import describe_training
from malariafuse.networks import build_convnet


@describe_training
class ConvNetClassifier(BaseImageClassifier):
    """Classifier with a plain convolutional network.

    The network has four 3 x 3 convolutions and three dense layers. It trains fast and
    is a baseline for deeper networks.

    Read more in the :ref:`User Guide <main_job>`.

    Parameters
    ----------
    filters : int, default=32
        Number of filters of the first two convolutions. The last two have twice as
        many.
    dense_units : sequence of int, default=(512, 128)
        Widths of the dense layers before the output.
    dropout : float in [0, 1), default=0.0
        Dropout rate after each block. After each dense layer, the rate is twice this
        value, at most 0.9. With dropout, the loss may not decrease in the first
        hundreds of steps.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : Classifier with a deeper network and fewer weights.
    KerasImageClassifier : Classifier with a custom network.
    malariafuse.networks.build_convnet : Build the network.

    Examples
    --------
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=4, epochs=1, random_state=0)
    >>> classifier.fit(cells.images, cells.target).predict_proba(cells.images).shape
    (40, 2)
    """

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = {
        **BaseImageClassifier._parameter_rules,
        "filters": [Integers(1)],
        "dense_units": [SequencesOf(Integers(1))],
        "dropout": [Reals(0, 1, open_at="high")],
    }

    filters: int
    dense_units: Sequence[int]
    dropout: float

    def __init__(
        self,
        *,
        filters: int = 32,
        dense_units: Sequence[int] = (512, 128),
        dropout: float = 0.0,
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

    def _network_function(self) -> NetworkFunction:
        return partial(
            build_convnet,
            filters=self.filters,
            dense_units=self.dense_units,
            dropout=self.dropout,
        )
