from collections.abc import Sequence

import keras
from keras import layers, regularizers

from malariafuse._parameters import Integers, Nothing, Reals, check_parameter
from malariafuse.networks._layers import check_network_arguments, probabilities


def build_resnet18(
    input_shape: Sequence[int] = (110, 110, 3),
    n_outputs: int = 1,
    *,
    filters: int = 64,
    l2: float = 0.0,
    pool_size: int | None = 4,
) -> keras.Model:
    """Build an 18-layer residual network for small images.

    The network is that of [1]_ with four stages of two basic blocks, which have
    `filters` times 1, 2, 4 and 8 channels. For small images, the stem is a single 3 x 3
    convolution of stride 1 without max pooling. A shortcut between different shapes is
    a 1 x 1 convolution with batch normalization. Convolutions have no bias.

    Parameters
    ----------
    input_shape : sequence of 3 int, default=(110, 110, 3)
        Height, width and channels of one image. The last feature map is an eighth of
        this size, rounded up, and must be at least `pool_size`. The default `pool_size`
        requires at least 25 x 25 pixels.
    n_outputs : int, default=1
        Number of outputs: 1 for a sigmoid (two classes), or the number of classes for a
        softmax.
    filters : int, default=64
        Number of channels of the first stage. 16 channels need a sixteenth of the
        computation of 64.
    l2 : float, default=0.0
        L2 penalty on the kernels of the convolutions.
    pool_size : int or None, default=4
        Side of the average pooling over the last feature map. None averages the whole
        map.

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
    build_convnet : Build a plain network without shortcuts.
    malariafuse.classifiers.ResNet18Classifier : Classifier with this network.

    References
    ----------
    .. [1] He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition",
       CVPR 2016, https://doi.org/10.1109/CVPR.2016.90

    Examples
    --------
    >>> from malariafuse.networks import build_resnet18
    >>> build_resnet18((110, 110, 3)).count_params()
    11183041
    """
    check_parameter("pool_size", pool_size, [Nothing(), Integers(1, 2**16)])
    check_parameter("l2", l2, [Reals(0)])
    # The side of the last feature map is ceil(size / 8).
    shape = check_network_arguments(
        input_shape, n_outputs, filters, smallest=8 * ((pool_size or 1) - 1) + 1
    )

    def convolution(
        x: keras.KerasTensor, width: int, kernel_size: int, strides: int, name: str
    ) -> keras.KerasTensor:
        x = layers.Conv2D(
            width,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=regularizers.L2(l2) if l2 else None,
            name=f"{name}_conv",
        )(x)
        # With a few hundred steps per fit, moving statistics with Keras' default of
        # 0.99 would lag behind the weights.
        return layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)

    inputs = keras.Input(shape, name="images")
    x = layers.ReLU(name="stem_relu")(convolution(inputs, filters, 3, 1, "stem"))
    for stage, width in enumerate([filters * 2**i for i in range(4)], start=1):
        for block in (1, 2):
            name = f"stage{stage}_block{block}"
            strides = 2 if stage > 1 and block == 1 else 1
            shortcut = x
            x = convolution(x, width, 3, strides, f"{name}_1")
            x = layers.ReLU(name=f"{name}_1_relu")(x)
            x = convolution(x, width, 3, 1, f"{name}_2")
            if strides > 1:
                # A 1 x 1 convolution with strides uses only every other pixel. Pooling
                # over single pixels first avoids the strides: with strides, TensorFlow
                # writes beyond its memory and crashes on CPUs with AVX-512 if the
                # number of channels is not a multiple of 16.
                shortcut = layers.AveragePooling2D(
                    1, strides, padding="same", name=f"{name}_shortcut_pool"
                )(shortcut)
                shortcut = convolution(shortcut, width, 1, 1, f"{name}_shortcut")
            x = layers.Add(name=f"{name}_add")([x, shortcut])
            x = layers.ReLU(name=f"{name}_relu")(x)
    if pool_size is None:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = layers.AveragePooling2D(pool_size, name="pool")(x)
        x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, probabilities(x, n_outputs), name="resnet18")
