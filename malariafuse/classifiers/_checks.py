"""Validation of samples and decision parameters before training."""

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from malariafuse._arrays import as_labels, check_length, one_dimension
from malariafuse._cells import check_sample_weight
from malariafuse._engine._data import Samples
from malariafuse._images import check_images, image_digest
from malariafuse._labels import positive_column
from malariafuse._parameters import check_parameter
from malariafuse._warn import warn
from malariafuse.classifiers._shared import TRAINING_RULES


def check_samples(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike | None,
    groups: ArrayLike | None = None,
    suffix: str = "",
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return validated images and labels. `suffix` is for names in error messages."""
    images = check_images(X, name=f"X{suffix}")
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target "
            f"y{suffix} is None."
        )
    labels = check_labels(y, f"y{suffix}")
    check_length(labels, len(images), name=f"y{suffix}")
    if groups is not None:
        check_length(one_dimension(groups, "groups"), len(images), name="groups")
    return images, labels


def check_labels(y: ArrayLike, name: str) -> NDArray[Any]:
    """Return validated class labels."""
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    labels = as_labels(y, name)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"{name} contains infinity: expected a label for each cell.")
    if type_of_target(labels, input_name=name) not in ("binary", "multiclass"):
        raise ValueError(
            f"{name} has labels such as {labels[0]}. Unknown label type: expected "
            "classes, as integers or strings."
        )
    return labels


def make_samples(
    images: NDArray[Any],
    labels: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: ArrayLike | None,
    class_weight: Any,
    suffix: str = "",
) -> Samples:
    """Return samples with class codes, which are indices into sorted `classes`."""
    known = np.isin(labels, classes)
    if not known.all():
        unknown = labels[~known].tolist()[0]
        raise ValueError(
            f"y{suffix} has the label {unknown!r}: expected one of {classes.tolist()}."
        )
    weights = _loss_weights(labels, sample_weight, class_weight, suffix)
    return Samples(images, np.searchsorted(classes, labels), weights)


def validation_samples(
    estimator: Any,
    X_val: ArrayLike | None,
    y_val: ArrayLike | None,
    sample_weight_val: ArrayLike | None,
    training_images: NDArray[Any],
    classes: NDArray[Any],
) -> Samples | None:
    """Return the validation samples, or None if there are none."""
    if X_val is None:
        for name, value in (
            ("y_val", y_val),
            ("sample_weight_val", sample_weight_val),
        ):
            if value is not None:
                raise ValueError(f"{name} without X_val: pass both or neither.")
        return None
    images, labels = check_samples(estimator, X_val, y_val, suffix="_val")
    image_shape = training_images.shape[1:]
    if images.shape[1:] != image_shape:
        raise ValueError(
            f"X_val has images of shape {images.shape[1:]}, but X has images of shape "
            f"{image_shape}: expected the same shape."
        )
    trained = {image_digest(image) for image in training_images}
    n_equal = sum(image_digest(image) in trained for image in images)
    if n_equal:
        warn(
            f"X_val has {n_equal} images that are pixel-identical to images of X: "
            "validation metrics are too optimistic."
        )
    return make_samples(
        images, labels, classes, sample_weight_val, estimator.class_weight, "_val"
    )


def _loss_weights(
    labels: NDArray[Any],
    sample_weight: ArrayLike | None,
    class_weight: Any,
    suffix: str,
) -> NDArray[np.float32]:
    name = f"sample_weight{suffix}"
    weights = check_sample_weight(sample_weight, len(labels), name=name)
    if class_weight is not None:
        weights = weights * compute_sample_weight(class_weight, labels)
    with np.errstate(over="ignore"):
        single = weights.astype(np.float32)
    if not np.isfinite(single).all() or single.min() < 0 or not single.any():
        raise ValueError(
            f"{name} or class_weight has negative values, NaN or infinity, or only "
            "zeros: expected non-negative weights with at least one above 0."
        )
    return single


def check_decision(
    estimator: Any, classes: NDArray[Any], image_shape: tuple[int, ...]
) -> int | None:
    """Return the code of the positive class, if it is known.

    Raises
    ------
    ValueError
        If `threshold`, `pos_label`, `test_time_views` or `monitor` do not match the
        classes or the images.
    """
    threshold, pos_label = estimator.threshold, estimator.pos_label
    check_threshold(threshold, pos_label, classes)
    if threshold != 0.5 and pos_label is None and _labels_may_be_recoded():
        raise ValueError(
            f"threshold={threshold!r} in a member of a VotingClassifier or "
            "StackingClassifier requires pos_label: labels are encoded there as 0, 1, "
            "... in sorted order, so the positive class is unknown. Set pos_label=0 "
            "for 'Parasitized' and 'Uninfected', or pos_label=1 for 0 and 1."
        )
    check_views(estimator.test_time_views, image_shape)
    positive = positive_column(pos_label, classes) if len(classes) == 2 else None
    if estimator.monitor == "val_recall" and positive is None:
        raise ValueError(
            "monitor='val_recall' requires two classes, and pos_label if they are "
            f"strings: the classes are {classes.tolist()}."
        )
    if estimator.monitor == "val_auc" and len(classes) > 2:
        raise ValueError(
            f"monitor='val_auc' requires two classes, but there are {len(classes)}: "
            "expected monitor='val_loss' or 'val_accuracy'."
        )
    return positive


def check_threshold(threshold: float, pos_label: Any, classes: NDArray[Any]) -> None:
    """Raise ValueError if `threshold` does not match the classes."""
    check_parameter("threshold", threshold, TRAINING_RULES["threshold"])
    if len(classes) > 2:
        if threshold != 0.5 or pos_label is not None:
            raise ValueError(
                f"threshold={threshold!r} and pos_label={pos_label!r} with "
                f"{len(classes)} classes: expected two classes. Leave the parameters "
                "at 0.5 and None to predict the most probable class."
            )
    elif positive_column(pos_label, classes) is None and threshold != 0.5:
        raise ValueError(
            f"threshold={threshold!r} requires the positive class: set pos_label to "
            f"one of {classes.tolist()}."
        )


def check_views(test_time_views: int, image_shape: tuple[int, ...]) -> None:
    """Raise ValueError if images of this shape do not have this number of views."""
    rules = TRAINING_RULES["test_time_views"]
    check_parameter("test_time_views", test_time_views, rules)
    if test_time_views == 8 and image_shape[0] != image_shape[1]:
        raise ValueError(
            "test_time_views=8 requires square images, but these have "
            f"{image_shape[0]} x {image_shape[1]} pixels. Use 4."
        )


def _labels_may_be_recoded() -> bool:
    """Return whether a meta-estimator of scikit-learn may have encoded the labels.

    The labels do not show that "Parasitized" and "Uninfected" became 0 and 1, so that 1
    is the healthy class. The function that fits the members of voting and stacking
    classifiers is recognized by its name on the stack, also in worker processes.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_fit_single_estimator":
            return str(frame.f_globals.get("__name__")).startswith("sklearn.")
        frame = frame.f_back
    return False
