"""Where in an image a classifier finds what speaks for a class."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malariafuse._extras import needed_for
from malariafuse._images import check_image_shape, check_images
from malariafuse._labels import positive_column
from malariafuse._parameters import POS_LABEL, Instances, Nothing, check_parameter
from malariafuse.plotting._checks import check_count, check_own

if TYPE_CHECKING:
    from malariafuse.classifiers import BaseImageClassifier


def grad_cam(
    estimator: "BaseImageClassifier",
    X: ArrayLike,
    *,
    class_of_interest: Any = None,
    layer: str | None = None,
    batch_size: int = 32,
) -> NDArray[np.float32]:
    """Map where in each image a network finds what speaks for a class.

    Gradient-weighted class activation: each value of the last feature map is multiplied
    by the slope of the class's logit with respect to it, and summed over the channels.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of malariafuse. Of a pipeline, pass the last step, and as
        `X` what the steps before it return.
    X : array-like of shape (n_samples, height, width, channels)
        Images of the shape seen in `fit`, uint8 in 0..255 or floating in 0..1; may be
        memory-mapped.
    class_of_interest : label, default=None
        The class, out of `classes_`. None takes the positive class of two, and of more
        the most probable class of each image.
    layer : str, default=None
        Name of the layer whose output is looked at, with dimensions (n_samples, height,
        width, channels), and ``"inner/name"`` for a layer of a network inside the
        network. None takes the last feature map before pooling; of a network with
        several branches the last map of each, added up.
    batch_size : int, default=32
        Images in one pass; more need more memory.

    Returns
    -------
    ndarray of shape (n_samples, height, width), float32
        Maps of 0 to 1: 1 is the place in the image that adds most to the class, 0 one
        that adds nothing or speaks against it. The map of an image in which nothing
        speaks for the class is 0 everywhere. As each map is scaled by itself, maps tell
        where, and not how much.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or the network has no feature map.
    NotImplementedError
        If Keras runs on another backend than TensorFlow: Keras itself has no gradients.

    See Also
    --------
    GradCAMDisplay : Draw the maps on the images.

    Notes
    -----
    Grad-CAM [1]_ averages the slopes over the map before they are multiplied. Where the
    network itself averages the map, as
    :class:`~malariafuse.classifiers.ResNet18Classifier` does by default, this changes
    nothing. Elsewhere, as with the dense layers of
    :class:`~malariafuse.classifiers.ConvNetClassifier`, it marks places that the
    network did not use; so here each place keeps its own slope [2]_.

    The logit is the one before the sigmoid, or before the softmax and less the mean
    over the classes. The map has the resolution of the layer, some pixels to a side,
    and is enlarged bilinearly; an earlier `layer` resolves more and knows less.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
       Gradient-based Localization", ICCV 2017, https://doi.org/10.1109/ICCV.2017.74
    .. [2] R. L. Draelos and L. Carin, "Use HiResCAM instead of Grad-CAM for faithful
       explanations of convolutional neural networks", 2020,
       https://arxiv.org/abs/2011.08891

    Examples
    --------
    >>> from malariafuse import ConvNetClassifier
    >>> from malariafuse.datasets import make_cell_images
    >>> from malariafuse.plotting import grad_cam
    >>> cells = make_cell_images(40, 4, image_size=(16, 16), random_state=0)
    >>> classifier = ConvNetClassifier(filters=4, epochs=1, random_state=0)
    >>> grad_cam(classifier.fit(cells.images, cells.target), cells.images[:3]).shape
    (3, 16, 16)
    """
    check_own(
        estimator,
        "model_",
        "pipeline[-1] and the images that pipeline[:-1].transform returns",
    )
    check_parameter("layer", layer, [Nothing(), Instances(str, "the name of a layer")])
    images = check_images(X)
    check_image_shape(estimator, images)
    check_count(batch_size, "batch_size")
    column = target_column(estimator, class_of_interest)
    # Keras is loaded here, on first use, and not with the displays.
    with needed_for("Class activation maps"):
        import keras

    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            f"grad_cam needs Keras on TensorFlow, and it runs on "
            f"{keras.backend.backend()}: set the environment variable "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    from malariafuse.plotting._feature_maps import FeatureMaps

    maps = FeatureMaps(
        estimator.model_, estimator._inputs, images, layer
    ).contributions(column, batch_size)
    np.maximum(maps, 0, out=maps)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=maps, where=largest > 0)


def target_column(
    estimator: "BaseImageClassifier", class_of_interest: Any
) -> int | None:
    """Return the index of the class to explain; None is each image's most probable."""
    classes = estimator.classes_
    check_parameter("class_of_interest", class_of_interest, POS_LABEL)
    if class_of_interest is None:
        if len(classes) > 2:
            return None
        column = positive_column(estimator.pos_label, classes)
        if column is None:
            raise ValueError(
                "class_of_interest=None takes the positive class, which nobody named: "
                f"pass one of {classes.tolist()}, or set pos_label of the classifier."
            )
        return column
    if class_of_interest not in classes.tolist():
        raise ValueError(
            f"class_of_interest={class_of_interest!r} is not one of the classes "
            f"{classes.tolist()}."
        )
    return classes.tolist().index(class_of_interest)
