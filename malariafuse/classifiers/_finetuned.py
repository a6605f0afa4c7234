from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from joblib import Memory
from keras import layers

from malariafuse._engine._backbones import (
    Backbone,
    Shape,
    Weights,
    build_backbone,
    preprocessing_of,
)
from malariafuse._engine._layers import all_layers
from malariafuse._engine._training import NetworkFunction
from malariafuse._parameters import (
    Functions,
    ImageSizes,
    Instances,
    Integers,
    Nothing,
    Reals,
    Rule,
    SequencesOf,
)
from malariafuse.classifiers._base import BaseImageClassifier
from malariafuse.classifiers._shared import describe_training


@describe_training
class FineTunedClassifier(BaseImageClassifier):
    """Classifier that fine-tunes a pretrained network.

    The network is a pretrained backbone, followed by a head: pooling, dense layers and
    the output. For `head_epochs`, the head is trained on the features of the frozen
    backbone. Then all layers are trained for `epochs` at a tenth of the learning rate.
    With ``epochs=0``, the backbone stays frozen.

    If the backbone always stays frozen, use a pipeline of
    :class:`~malariafuse.features.PretrainedFeatureExtractor` and any scikit-learn
    classifier instead. Its features are computed once, not in each epoch.

    Parameters
    ----------
    backbone : str or callable, default="MobileNetV2"
        Name of a network in `keras.applications`, or a function
        ``(input_shape) -> keras.Model`` with one input. Networks of
        `keras.applications` get images preprocessed as by their `preprocess_input`. A
        network from a function gets floating values in [0, 1].
    weights : "imagenet", path-like or None, default="imagenet"
        Initial weights of the backbone. "imagenet" uses ImageNet weights, which Keras
        downloads once into its cache. A path is a file with weights of the network
        without its top. None uses random weights with a fixed seed or, if `backbone` is
        a function, the weights of the returned network.
    image_size : tuple of (int, int), default=None
        Height and width to which images are resized inside the network, by bilinear
        interpolation. None does not resize.
    dense_units : sequence of int, default=(128,)
        Widths of the dense layers before the output.
    dropout : float in [0, 1), default=0.5
        Dropout rate before each dense layer and before the output.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    malariafuse.features.PretrainedFeatureExtractor : Extract features with a frozen
        network.
    ResNet18Classifier : Classifier with a smaller network, trained from random weights.

    Notes
    -----
    The batch normalization layers of the backbone keep their statistics, scales and
    offsets in all epochs [1]_. Updates from batches of cells would destroy the
    pretrained features within a few steps.

    References
    ----------
    .. [1] F. Chollet, "Transfer learning and fine-tuning", Keras guides,
       https://keras.io/guides/transfer_learning/

    Examples
    --------
    A small custom backbone, to avoid a download. The backbone does not change while
    only the head is trained:

    >>> import keras
    >>> import numpy as np
    >>> from malariafuse import FineTunedClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> def backbone(input_shape):
    ...     return keras.Sequential(
    ...         [keras.Input(input_shape), keras.layers.Conv2D(8, 3, strides=2)]
    ...     )
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> def kernel(head_epochs, epochs):
    ...     classifier = FineTunedClassifier(
    ...         backbone,
    ...         weights=None,
    ...         head_epochs=head_epochs,
    ...         epochs=epochs,
    ...         random_state=0,
    ...     )
    ...     classifier.fit(cells.images, cells.target)
    ...     return classifier.model_.get_layer("backbone").get_weights()[0]
    >>> frozen, more_frozen, tuned = kernel(1, 0), kernel(2, 0), kernel(1, 1)
    >>> np.array_equal(frozen, more_frozen), np.array_equal(frozen, tuned)
    (True, False)
    """

    _parameter_rules: ClassVar[Mapping[str, Sequence[Rule]]] = {
        **BaseImageClassifier._parameter_rules,
        "backbone": [Instances(str, "the name of a network"), Functions()],
        "weights": [
            Nothing(),
            Instances(str | PathLike, "'imagenet' or the path of a weights file"),
        ],
        "image_size": [Nothing(), ImageSizes()],
        "dense_units": [SequencesOf(Integers(1))],
        "dropout": [Reals(0, 1, open_at="high")],
    }

    backbone: Backbone
    weights: Weights
    image_size: tuple[int, int] | None
    dense_units: Sequence[int]
    dropout: float

    def __init__(
        self,
        backbone: str | Callable[[Shape], keras.Model] = "MobileNetV2",
        *,
        weights: str | PathLike[str] | None = "imagenet",
        image_size: tuple[int, int] | None = None,
        dense_units: Sequence[int] = (128,),
        dropout: float = 0.5,
        epochs: int = 10,
        head_epochs: int = 5,
        batch_size: int = 64,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = None,
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
            _build,
            backbone=self.backbone,
            weights=self.weights,
            image_size=self.image_size,
            dense_units=self.dense_units,
            dropout=self.dropout,
        )


def _build(
    input_shape: Shape,
    n_outputs: int,
    *,
    backbone: Backbone,
    weights: Weights,
    image_size: tuple[int, int] | None,
    dense_units: Sequence[int],
    dropout: float,
) -> keras.Model:
    inputs = keras.Input(input_shape, name="images")
    x = inputs
    if image_size is not None:
        x = layers.Resizing(*image_size, name="resized")(x)
        input_shape = (*image_size, input_shape[2])
    if isinstance(backbone, str):
        x = _prepared(backbone, x)
    network = build_backbone(backbone, input_shape, weights)
    for layer in all_layers(network):
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    # The backbone is a nested network with a fixed name. All other layers are the head.
    network = keras.Model(network.inputs[0], network.outputs[0], name="backbone")
    x = network(x)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    for number, units in enumerate(dense_units, start=1):
        x = layers.Dropout(dropout, name=f"dense{number}_dropout")(x)
        x = layers.Dense(units, activation="relu", name=f"dense{number}")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(
        n_outputs,
        activation="sigmoid" if n_outputs == 1 else "softmax",
        dtype="float32",
        name="probabilities",
    )(x)
    return keras.Model(inputs, x, name="fine_tuned")


def _prepared(backbone: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Apply the preprocessing of the backbone to images in [0, 1], as layers.

    All `preprocess_input` functions of Keras are linear maps of the colors of a pixel,
    so a 1 x 1 convolution can compute them.
    """
    prepare = preprocessing_of(backbone)
    black = np.zeros((1, 1, 1, 3), np.float32)
    offset = np.ravel(prepare(black.copy()))
    # Black and the three primary colors, one pixel each.
    pure = 255 * np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
    kernel = np.reshape(prepare(pure.copy()), (3, 3)) - offset
    layer = layers.Conv2D(3, 1, name="prepared", trainable=False)
    prepared = layer(images)
    layer.set_weights([kernel[None, None], offset])
    return prepared
