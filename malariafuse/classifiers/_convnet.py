from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from joblib import Memory

from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._docs import describe_training
from malariafuse.classifiers._inputs import Shape
from malariafuse.networks import build_convnet


@describe_training
class ConvNetClassifier(BaseImageClassifier):
    """A plain convolutional network with wide dense layers as a classifier of images.

    Four 3 x 3 convolutions and three dense layers: fast to train, and the baseline that
    a deeper network has to beat.

    Read more in the :ref:`user guide <main_job>`.

    Parameters
    ----------
    filters : int, default=32
        Filters of the first two convolutions; the last two have twice as many.
    dense_units : sequence of int, default=(512, 128)
        Widths of the dense layers before the output.
    dropout : float in [0, 1), default=0.25
        Fraction dropped after each block; after each dense layer it is twice this, at
        most 0.9.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ResNet18Classifier : A deeper network with fewer weights.
    KerasImageClassifier : Any network of your own.
    malariafuse.networks.build_convnet : The network alone.

    Examples
    --------
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=4, epochs=1, random_state=0)
    >>> classifier.fit(cells.images, cells.target).predict_proba(cells.images).shape
    (40, 2)
    """

    def __init__(
        self,
        *,
        filters: int = 32,
        dense_units: Sequence[int] = (512, 128),
        dropout: float = 0.25,
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
        self.filters = filters
        self.dense_units = dense_units
        self.dropout = dropout

    def _build_network(
        self, input_shapes: Mapping[str, Shape], n_outputs: int
    ) -> keras.Model:
        return build_convnet(
            input_shapes["images"],
            n_outputs,
            filters=self.filters,
            dense_units=self.dense_units,
            dropout=self.dropout,
        )
