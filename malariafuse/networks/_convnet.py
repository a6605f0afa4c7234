from collections.abc import Sequence

import keras
from keras import layers

from malariafuse._parameters import Reals, SequencesOf, check_parameter
from malariafuse.networks._layers import WIDTHS, check_network_arguments, probabilities


def build_convnet(
    input_shape: Sequence[int] = (64, 64, 3),
    n_outputs: int = 1,
    *,
    filters: int = 32,
    dense_units: Sequence[int] = (512, 128),
    dropout: float = 0.0,
) -> keras.Model:
    """Build a plain convolutional network.

    The network has two blocks of one 3 x 3 convolution (`filters` filters each), one
    block of two 3 x 3 convolutions (2 * `filters` filters each), and dense layers. Each
    convolution is followed by batch normalization. Each block is followed by 2 x 2 max
    pooling and dropout, and each dense layer by dropout. All hidden activations are
    ReLU.

    Parameters
    ----------
    input_shape : sequence of 3 int, default=(64, 64, 3)
        Height, width and channels of one image, at least 8 x 8 pixels.
    n_outputs : int, default=1
        Number of outputs: 1 for a sigmoid (two classes), or the number of classes for a
        softmax.
    filters : int, default=32
        Number of filters of the first two convolutions. The last two have twice as
        many.
    dense_units : sequence of int, default=(512, 128)
        Widths of the dense layers before the output.
    dropout : float in [0, 1), default=0.0
        Dropout rate after each block. After each dense layer, the rate is twice this
        value, at most 0.9. With dropout, the loss may not decrease in the first
        hundreds of steps.

    Returns
    -------
    keras.Model
        Uncompiled network. It takes float images in [0, 1] of shape (n_samples, height,
        width, channels) and returns float32 probabilities of shape (n_samples,
        n_outputs).

    Raises
    ------
    ValueError
        If an argument is invalid.

    See Also
    --------
    build_resnet18 : Build a deeper, residual network.
    malariafuse.classifiers.ConvNetClassifier : Classifier with this network.

    Examples
    --------
    >>> from malariafuse.networks import build_convnet
    >>> build_convnet((64, 64, 3), 2).count_params()
    2229730
    """
    shape = check_network_arguments(input_shape, n_outputs, filters, smallest=8)
    check_parameter("dropout", dropout, [Reals(0, 1, open_at="high")])
    check_parameter("dense_units", dense_units, [SequencesOf(*WIDTHS)])
    inputs = keras.Input(shape, name="images")
    x = inputs
    for block, widths in enumerate(
        [(filters,), (filters,), (2 * filters, 2 * filters)], start=1
    ):
        for index, width in enumerate(widths, start=1):
            name = f"block{block}_conv{index}"
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(x)
            # Momentum as in the ResNet-18: a fit has a few hundred steps.
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
        x = layers.Dropout(dropout, name=f"block{block}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    for index, units in enumerate(dense_units, start=1):
        x = layers.Dense(units, activation="relu", name=f"dense{index}")(x)
        x = layers.Dropout(min(2 * dropout, 0.9), name=f"dense{index}_dropout")(x)
    return keras.Model(inputs, probabilities(x, n_outputs), name="convnet")
