from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from joblib import Memory

from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._docs import describe_training
from malariafuse.classifiers._inputs import Shape
from malariafuse.networks import build_resnet18


@describe_training
class ResNet18Classifier(BaseImageClassifier):
    """An 18-layer residual network as a classifier of images.

    Small and well augmented by default: 16 filters instead of the usual 64 train on two
    CPU cores in minutes, and stain jitter makes it indifferent to the color of a slide.

    Read more in the :ref:`user guide <main_job>`.

    Parameters
    ----------
    filters : int, default=16
        Channels of the first stage; the last one has eight times as many.
    l2 : float, default=0.0
        L2 penalty on the kernels of the convolutions, beside `weight_decay`.
    pool_size : int or None, default=None
        Side of the average pooling over the last feature map; None averages all of it.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ConvNetClassifier : A plain convolutional network.
    KerasImageClassifier : Any network of your own.
    malariafuse.networks.build_resnet18 : The network alone.

    References
    ----------
    .. [1] He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition",
       CVPR 2016, https://doi.org/10.1109/CVPR.2016.90

    Examples
    --------
    >>> from malariafuse import ResNet18Classifier
    >>> from malariafuse.datasets import make_cell_images
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ResNet18Classifier(filters=2, epochs=1, random_state=0)
    >>> classifier.fit(cells.images, cells.target).predict_proba(cells.images).shape
    (40, 2)
    """

    def __init__(
        self,
        *,
        filters: int = 16,
        l2: float = 0.0,
        pool_size: int | None = None,
        epochs: int = 20,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = 2e-3,
        schedule: str = "cosine",
        warmup_epochs: float = 1,
        augmentation: Any = ("flip", "rotation", "stain"),
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
        self.l2 = l2
        self.pool_size = pool_size

    def _build_network(
        self, input_shapes: Mapping[str, Shape], n_outputs: int
    ) -> keras.Model:
        return build_resnet18(
            input_shapes["images"],
            n_outputs,
            filters=self.filters,
            l2=self.l2,
            pool_size=self.pool_size,
        )
