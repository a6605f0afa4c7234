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
    """A network that was trained on other images, fine-tuned as a classifier of cells.

    A pooling, dense layers and the output follow a backbone. For `head_epochs` they are
    trained on the features of the frozen backbone, and then everything is trained for
    `epochs` at a tenth of the learning rate. ``epochs=0`` leaves the backbone frozen,
    so that both ways can be compared.

    Use :class:`~malariafuse.features.PretrainedFeatureExtractor` in front of any
    classifier of scikit-learn if the backbone stays frozen for good: its features are
    then computed once, not in each epoch.

    Parameters
    ----------
    backbone : str or callable, default="MobileNetV2"
        Name of a network in `keras.applications`, or a function ``(input_shape) ->
        keras.Model`` of one input. Networks of `keras.applications` get images prepared
        as by the `preprocess_input` that belongs to them. A network from a function
        gets floating values in 0..1.
    weights : "imagenet", path-like or None, default="imagenet"
        First weights of the backbone. "imagenet" takes them from Keras' cache, into
        which Keras downloads them the first time. A path names a file with weights of
        the network without its top. None draws random weights, always the same; with a
        function as `backbone`, it keeps the weights of the network that the function
        returns.
    image_size : tuple of (int, int), default=None
        Height and width to which images are resized inside of the network, by bilinear
        interpolation. None takes them as they are.
    dense_units : sequence of int, default=(128,)
        Widths of the dense layers before the output.
    dropout : float in [0, 1), default=0.5
        Fraction that is dropped before each dense layer and before the output.
    %(training_parameters)s

    Attributes
    ----------
    %(training_attributes)s

    See Also
    --------
    malariafuse.features.PretrainedFeatureExtractor : Features of a frozen network.
    ResNet18Classifier : A smaller network that starts from random weights.

    Notes
    -----
    The batch normalizations of the backbone keep their statistics, and their scales and
    offsets, in all epochs [1]_: those of a batch of cells would undo in a few steps
    what the backbone has learned.

    References
    ----------
    .. [1] F. Chollet, "Transfer learning and fine-tuning", Keras guides,
       https://keras.io/guides/transfer_learning/

    Examples
    --------
    A small backbone of one's own, so that nothing is downloaded here. While the head is
    trained alone, the backbone stays as it is:

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
    # A name that is the same for all, and a network of its own: the rest is the head.
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
    """Prepare images in 0..1 as the backbone was trained on them, inside of a network.

    All of Keras' ways to prepare an image map the colors of a pixel linearly, which is
    what a convolution by one pixel does.
    """
    prepare = preprocessing_of(backbone)
    black = np.zeros((1, 1, 1, 3), np.float32)
    offset = np.ravel(prepare(black.copy()))
    # One pixel of each pure color.
    pure = 255 * np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3)
    kernel = np.reshape(prepare(pure.copy()), (3, 3)) - offset
    layer = layers.Conv2D(3, 1, name="prepared", trainable=False)
    prepared = layer(images)
    layer.set_weights([kernel[None, None], offset])
    return prepared
