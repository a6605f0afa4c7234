"""The parameters that every classifier shares: which values they take, what they do."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import keras
from joblib import Memory

from malariafuse._engine._callbacks import MONITORS
from malariafuse._engine._losses import LOSSES
from malariafuse._engine._optimizer import OPTIMIZERS, SCHEDULES
from malariafuse._parameters import (
    COMPUTE_DTYPE,
    ENGINE,
    RANDOM_STATE,
    VERBOSE,
    Anything,
    Booleans,
    Instances,
    Integers,
    Nothing,
    OneOf,
    Paths,
    Reals,
    Rule,
)

T = TypeVar("T", bound=type[Any])

_PATHS = Paths()

TRAINING_RULES: Mapping[str, Sequence[Rule]] = {
    "epochs": [Integers(0)],
    "head_epochs": [Integers(0)],
    "batch_size": [Integers(1)],
    "optimizer": [
        OneOf(*OPTIMIZERS),
        Instances(keras.optimizers.Optimizer, "a keras.optimizers.Optimizer"),
    ],
    "learning_rate": [Nothing(), Reals(0, open_at="low")],
    "momentum": [Reals(0, 1, open_at="high")],
    "weight_decay": [Nothing(), Reals(0)],
    "schedule": [OneOf(*SCHEDULES)],
    "warmup_epochs": [Reals(0)],
    "loss": [OneOf(*LOSSES), Instances(keras.losses.Loss, "a keras.losses.Loss")],
    "label_smoothing": [Reals(0, 1, open_at="high")],
    # Looked at item by item, where layers are made of them.
    "augmentation": [
        Nothing(),
        Instances(list | tuple, "a sequence of names and layers, such as ('flip',)"),
    ],
    "early_stopping": [Booleans()],
    "monitor": [OneOf(*MONITORS)],
    "validation_fraction": [Reals(0, 1, open_at="both")],
    "n_iter_no_change": [Integers(1)],
    "ema_momentum": [Nothing(), Reals(0, 1, open_at="both")],
    "class_weight": [
        Nothing(),
        OneOf("balanced"),
        Instances(Mapping, "a dict from classes to weights"),
    ],
    "initial_weights": [
        Nothing(),
        Instances(keras.Model, "a keras.Model"),
        _PATHS,
    ],
    "warm_start": [Booleans()],
    "threshold": [Reals(0, 1)],
    # Validated against the classes in fit.
    "pos_label": [Anything()],
    "test_time_views": [OneOf(1, 4, 8)],
    "compute_dtype": COMPUTE_DTYPE,
    "engine": ENGINE,
    "memory": [Nothing(), _PATHS, Instances(Memory, "a joblib.Memory")],
    "checkpoint": [Nothing(), _PATHS],
    # Items are validated at the start of training.
    "callbacks": [
        Nothing(),
        Instances(
            list | tuple,
            "a list of keras.callbacks.Callback and functions that return one",
        ),
    ],
    "verbose": VERBOSE,
    "random_state": RANDOM_STATE,
}

_PARAMETERS = """epochs : int, default=%(epochs)r
    Number of passes over the training images.
head_epochs : int, default=0
    Number of epochs, before `epochs`, in which only the head of the network is trained.
    The head is all layers outside the backbones, or the last layer if there is no
    backbone. Then all layers are trained for `epochs` at a tenth of `learning_rate`.
    With ``epochs=0``, the other layers keep their initial weights.
batch_size : int, default=64
    Number of images per step of the optimizer.
optimizer : {"sgd", "adam", "adamw"} or keras.optimizers.Optimizer, \
default=%(optimizer)r
    Optimizer. "sgd" uses Nesterov momentum. An optimizer object is copied for each fit,
    and its learning rate is the peak of the schedule.
learning_rate : float, default=%(learning_rate)r
    Peak learning rate. None uses 0.05 for "sgd", 0.001 for "adam" and "adamw", and the
    learning rate of an optimizer object.
momentum : float, default=0.9
    Momentum of "sgd". Ignored by the other optimizers.
weight_decay : float, default=%(weight_decay)r
    Decoupled weight decay of kernels per step, relative to the learning rate. Biases
    and normalization layers are excluded. None keeps the weight decay of the optimizer.
schedule : {"cosine", "constant"}, default="cosine"
    Learning-rate schedule after the warm-up. "cosine" is cosine annealing to zero (SGDR
    of Loshchilov and Hutter, ICLR 2017, without restarts). Callbacks can set the
    learning rate only with "constant".
warmup_epochs : float, default=1
    Number of epochs of linear warm-up from a tenth of the peak learning rate. The
    warm-up takes at most half of the epochs.
loss : {"crossentropy", "focal"} or keras.losses.Loss, default="crossentropy"
    Loss function. "focal" reduces the weight of well-classified cells (Lin et al., ICCV
    2017, with a focusing parameter of 2). A loss object gets probabilities and targets.
    The targets are 0 and 1 for two classes, and one-hot vectors otherwise.
label_smoothing : float in [0, 1), default=0.0
    Fraction of each target that is distributed evenly over the classes. It reduces the
    influence of wrong labels.
augmentation : sequence of str or keras.layers.Layer, or None, \
default=%(augmentation)r
    Random transformations of training images, applied in this order. Each is a Keras
    layer or one of these names:

    - "flip" mirrors the image. "rotation" rotates it by any angle and fills the corners
      with black. "quarter_turn" rotates it by a multiple of 90 degrees.
    - "stain" changes brightness, white balance and contrast, like different stains and
      lamps (:class:`~malariafuse.networks.RandomStainJitter`).
    - "mask", "crop" and "background" simulate different segmentations. "mask" moves the
      outline (:class:`~malariafuse.networks.RandomMaskJitter`). "crop" scales and moves
      the cell (:class:`~malariafuse.networks.RandomCropJitter`). "background" adds
      plasma around some cells (:class:`~malariafuse.networks.RandomBackground`).
    - "blur" and "jpeg" remove details, like defocus and compression
      (:class:`~malariafuse.networks.RandomBlur`,
      :class:`~malariafuse.networks.RandomJPEG`).

    Layers are copied for each fit and get float images in [0, 1]. They are tested on a
    few images before training.
early_stopping : bool, default=False
    Whether to stop training when `monitor` has not improved for `n_iter_no_change`
    epochs, and to keep the weights of the best epoch. The validation set is `X_val` and
    `y_val` or, without them, a part of the training set: whole patients if `groups` is
    passed to `fit`.
monitor : {"val_loss", "val_accuracy", "val_recall", "val_auc"}, default="val_loss"
    Metric for early stopping. "val_recall" is the recall of the positive class at a
    threshold of 0.5, which is 1 if every cell is called positive. "val_auc" is the ROC
    AUC.
validation_fraction : float in (0, 1), default=0.1
    Fraction of the samples in the validation set. Used only with `early_stopping` and
    without `X_val`.
n_iter_no_change : int, default=5
    Number of epochs without improvement before training stops. Used only with
    `early_stopping`.
ema_momentum : float in (0, 1), default=None
    Momentum of an exponential moving average (EMA) of the weights over steps. The
    averaged weights are used for validation and prediction. None disables averaging.
    The statistics of batch normalization are not averaged again.
class_weight : dict or "balanced", default=None
    Class weights in the loss, as in scikit-learn. They are multiplied by
    `sample_weight`.
initial_weights : keras.Model or path-like, default=None
    Initial weights: a network of the same architecture, such as `model_` of a fitted
    classifier, or a file saved by Keras (.keras or .weights.h5). None uses random
    initial weights.
warm_start : bool, default=False
    Whether `fit` starts from the weights of the previous call of `fit`. The classes and
    the shape of the images must be the same.
threshold : float in [0, 1], default=0.5
    Decision threshold for two classes. The positive class is predicted if its
    probability is at least the threshold.
pos_label : object, default=None
    Positive class of two classes. None uses the last of `classes_`. It is required for
    string labels if `threshold` is not 0.5, because "Uninfected" sorts last. In a
    :class:`~sklearn.ensemble.VotingClassifier` or
    :class:`~sklearn.ensemble.StackingClassifier`, labels are encoded as 0, 1, ... in
    sorted order, so `pos_label` is the code of the class and is also required.
test_time_views : {1, 4, 8}, default=1
    Number of views of each image over which predictions are averaged (test-time
    augmentation): the image itself (1), its flips (4), or its flips and quarter turns
    (8, for square images only).
compute_dtype : {"auto", "float32", "bfloat16"}, default="auto"
    Floating dtype of the computation in layers. Weights and probabilities are always
    float32. "auto" uses bfloat16 on a CPU that supports it (AMX or AVX-512, detected on
    Linux), and float32 otherwise.
engine : {"auto", "keras", "openvino"}, default="auto"
    Engine that computes predictions. "auto" uses OpenVINO if the package ``openvino``
    is installed and TensorFlow has no GPU, and Keras otherwise. The attribute `engine_`
    is the engine in use. Probabilities of the two engines differ by rounding.
memory : str, pathlib.Path or joblib.Memory, default=None
    Cache of trained networks. A network is loaded from the cache if it was trained with
    the same data and parameters. `threshold`, `pos_label`, `test_time_views`, `engine`
    and `verbose` may differ, so a search over thresholds trains only once for the other
    parameters. Custom functions and classes are compared by their code and its
    dependencies, and those of installed packages by their names. Files read by a
    function are not compared. With ``random_state=None``, any cached network may be
    used. Callbacks are not called if the network is loaded from the cache.
checkpoint : path-like, default=None
    Folder in which the state of the training is saved after each epoch. If training is
    interrupted, even by a kill, fitting the same classifier to the same data again
    resumes it. On the same CPU, the final weights are identical to those of
    uninterrupted training. The file is deleted at the end.
callbacks : sequence of keras.callbacks.Callback or callable, default=None
    Callbacks of the training, or functions without arguments that return a callback for
    each fit. A callback object is used directly, so its results are accessible after
    `fit`. However, scikit-learn's `clone` copies it, for example in a search or
    cross-validation. Pass a function in these cases.
verbose : int or bool, default=0
    Whether to show a progress bar, whose title has the candidate and the fold in a
    search of scikit-learn and in
    :func:`~malariafuse.evaluation.cross_validate_patients`.
random_state : int, RandomState instance or None, default=None
    Random seed or generator of initial weights, order of samples, augmentation, dropout
    and validation split. With an int, two fits on the CPU of one machine give identical
    weights. Custom augmentation layers need a separate seed. Global random state is not
    used, except that None draws a seed from NumPy's global generator."""

_ATTRIBUTES = """classes_ : ndarray of shape (n_classes,)
    Sorted class labels.
engine_ : {"keras", "openvino"}
    Engine in use for predictions.
history_ : dict of str to list of float
    Metrics of each epoch: "loss", "accuracy", "recall" at a threshold of 0.5 (only for
    two classes, and not for string labels without `pos_label`), and "auc" if it is
    monitored. Metrics of the validation set have the prefix ``"val_"``.
image_shape_ : tuple of int
    Height, width and channels of the images seen in `fit`.
model_ : keras.Model
    Trained network from float images in [0, 1] to probabilities. Do not change its
    weights: predictions may use a version that is already compiled. Change a copy
    instead.
n_iter_ : int
    Number of trained epochs.
compute_dtype_ : {"float32", "bfloat16"}
    Floating dtype of the computation in layers."""


def describe_training(cls: T) -> T:
    """Insert the shared sections into the docstring of `cls`, with its defaults."""
    parameters = inspect.signature(cls).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    shared = {
        "training_parameters": _PARAMETERS % defaults,
        "training_attributes": _ATTRIBUTES,
    }
    cls.__doc__ = inspect.cleandoc(cls.__doc__ or "") % shared + "\n"
    return cls
