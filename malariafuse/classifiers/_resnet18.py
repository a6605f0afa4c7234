from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from joblib import Memory

from malariafuse._engine._training import NetworkFunction
from malariafuse._parameters import Integers, Nothing, Reals, Rule
from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._shared import describe_training
from malariafuse.networks import build_resnet18


@describe_training
class ResNet18Classifier(BaseImageClassifier):
    """Classifier with an 18-layer residual network.

    The defaults are a small network and strong augmentation. With 16 filters instead of
    the usual 64, it trains on two CPU cores in minutes. Stain jitter makes it robust to
    the color of a slide. The architecture is that of [1]_.

    Read more in the :ref:`User Guide <main_job>`.

    Parameters
    ----------
    filters : int, default=16
        Number of channels of the first stage. The last stage has eight times as many.
    l2 : float, default=0.0
        L2 penalty on the kernels of the convolutions, in addition to `weight_decay`.
    pool_size : int or None, default=None
        Side of the average pooling over the last feature map. None averages the whole
        map.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    ConvNetClassifier : Classifier with a plain convolutional network.
    KerasImageClassifier : Classifier with a custom network.
    malariafuse.networks.build_resnet18 : Build the network.

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

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = {
        **BaseImageClassifier._parameter_rules,
        "filters": [Integers(1)],
        "l2": [Reals(0)],
        "pool_size": [Nothing(), Integers(1)],
    }

    filters: int
    l2: float
    pool_size: int | None

    def __init__(
        self,
        *,
        filters: int = 16,
        l2: float = 0.0,
        pool_size: int | None = None,
        epochs: int = 20,
        head_epochs: int = 0,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = 2e-3,
        schedule: str = "cosine",
        warmup_epochs: float = 1,
        loss: str | keras.losses.Loss = "crossentropy",
        label_smoothing: float = 0.0,
        augmentation: Any = ("flip", "rotation", "stain"),
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
            build_resnet18,
            filters=self.filters,
            l2=self.l2,
            pool_size=self.pool_size,
        )
