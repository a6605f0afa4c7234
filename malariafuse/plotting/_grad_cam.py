"""Class activation maps."""

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
    """Compute class activation maps (HiResCAM).

    Each value of the last feature map is multiplied by the gradient of the logit of the
    class with respect to it. The products are summed over the channels.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier of malariafuse. For a pipeline, pass its last step, and pass
        the output of the previous steps as `X`.
    X : array-like of shape (n_samples, height, width, channels)
        Images of the shape seen in `fit`, uint8 in [0, 255] or floating in [0, 1]. May
        be memory-mapped.
    class_of_interest : label, default=None
        Class to explain, from `classes_`. None uses the positive class of two classes,
        and the most probable class of each image otherwise.
    layer : str, default=None
        Name of the layer with the feature map of shape (n_samples, height, width,
        channels), or ``"inner/name"`` for a layer of a nested network. None uses the
        last feature map before pooling or, for a network with several branches, the sum
        of the maps of all branches.
    batch_size : int, default=32
        Number of images per batch. Larger batches need more memory.

    Returns
    -------
    ndarray of shape (n_samples, height, width), float32
        Maps in [0, 1]. 1 is the position with the largest contribution to the class,
        and 0 a position without a contribution or with a negative one. If an image has
        no positive contribution, its map is 0 everywhere. Each map is scaled
        separately, so maps of different images are not comparable in magnitude.

    Raises
    ------
    ValueError, TypeError
        If an argument is invalid, or the network has no feature map.
    NotImplementedError
        If the backend of Keras is not TensorFlow, because Keras has no
        backend-independent gradients.

    See Also
    --------
    GradCAMDisplay : Draw the maps over the images.

    Notes
    -----
    Grad-CAM [1]_ averages the gradients over the map before the multiplication.
    HiResCAM [2]_, which is used here, does not average. Both are equal if the network
    averages the map, as :class:`~malariafuse.classifiers.ResNet18Classifier` does by
    default. For other networks, such as the dense layers of
    :class:`~malariafuse.classifiers.ConvNetClassifier`, Grad-CAM can mark positions
    that the network did not use.

    The logit is the input of the sigmoid, or the input of the softmax minus the mean
    over the classes. The map has the resolution of the layer, a few pixels per side,
    and is upsampled bilinearly. An earlier `layer` has a higher resolution but less
    semantic information.

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
    # Keras is imported on first use, not with the displays.
    with needed_for("Class activation maps"):
        import keras

    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "grad_cam requires Keras on TensorFlow, but the backend is "
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
    """Return the index of the class to explain, or None for the most probable class."""
    classes = estimator.classes_
    check_parameter("class_of_interest", class_of_interest, POS_LABEL)
    if class_of_interest is None:
        if len(classes) > 2:
            return None
        column = positive_column(estimator.pos_label, classes)
        if column is None:
            raise ValueError(
                "class_of_interest=None uses the positive class, which is unknown: "
                f"pass one of {classes.tolist()}, or set pos_label of the classifier."
            )
        return column
    if class_of_interest not in classes.tolist():
        raise ValueError(
            f"class_of_interest={class_of_interest!r} is not one of the classes "
            f"{classes.tolist()}."
        )
    return classes.tolist().index(class_of_interest)
