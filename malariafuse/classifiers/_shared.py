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
    # Held against the classes.
    "pos_label": [Anything()],
    "test_time_views": [OneOf(1, 4, 8)],
    "compute_dtype": COMPUTE_DTYPE,
    "engine": ENGINE,
    "memory": [Nothing(), _PATHS, Instances(Memory, "a joblib.Memory")],
    "checkpoint": [Nothing(), _PATHS],
    # Looked at item by item, where the training begins.
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
    Number of epochs, before `epochs`, in which only the head of the network is
    trained: the layers outside of its backbones, or its last layer. All layers follow
    at a tenth of `learning_rate`. With ``epochs=0`` the other layers keep their first
    weights.
batch_size : int, default=64
    Number of images per step of the optimizer.
optimizer : {"sgd", "adam", "adamw"} or keras.optimizers.Optimizer, \
default=%(optimizer)r
    Optimizer. "sgd" has Nesterov momentum. An optimizer object is copied for each fit,
    and its learning rate becomes the peak of the schedule.
learning_rate : float, default=%(learning_rate)r
    Peak learning rate. None takes 0.05 for "sgd", 0.001 for "adam" and "adamw", and
    that of an optimizer object.
momentum : float, default=0.9
    Momentum of "sgd". The other optimizers do not use it.
weight_decay : float, default=%(weight_decay)r
    Decoupled decay of kernels per step, relative to the learning rate. Biases and
    normalizations are left out. None keeps that of the optimizer.
schedule : {"cosine", "constant"}, default="cosine"
    Learning-rate schedule after the warm-up. "cosine" falls to zero along half a cosine
    (SGDR of Loshchilov and Hutter, ICLR 2017, without restarts). Callbacks may set the
    learning rate with "constant" only.
warmup_epochs : float, default=1
    Number of epochs in which the learning rate rises linearly from a tenth of its peak.
    At most half of the epochs are used for it.
loss : {"crossentropy", "focal"} or keras.losses.Loss, default="crossentropy"
    Loss. "focal" weighs cells less that are classified well (Lin et al., ICCV 2017,
    with a focusing parameter of 2). A loss object is given probabilities and targets: 0
    and 1 for two classes, else one-hot targets.
label_smoothing : float in [0, 1), default=0.0
    Share of each target that is spread evenly over the classes. It tempers the trust in
    labels of which some are wrong.
augmentation : sequence of str or keras.layers.Layer, or None, \
default=%(augmentation)r
    Random changes of each image in training, in this order: Keras layers, and the names
    of some.

    - "flip" mirrors, "rotation" turns by any angle and makes black what comes in at the
      corners, "quarter_turn" turns by multiples of 90 degrees.
    - "stain" changes brightness, white balance and contrast, as other stains and lamps
      do (:class:`~malariafuse.networks.RandomStainJitter`).
    - "mask" moves the outline (:class:`~malariafuse.networks.RandomMaskJitter`), "crop"
      scales and moves the cell (:class:`~malariafuse.networks.RandomCropJitter`), and
      "background" puts plasma around some cells
      (:class:`~malariafuse.networks.RandomBackground`), as other segmentations do.
    - "blur" and "jpeg" take away details, as cameras do
      (:class:`~malariafuse.networks.RandomBlur`,
      :class:`~malariafuse.networks.RandomJPEG`).

    Layers are copied for each fit and see float images in 0..1. They are tried on a few
    images before the training.
early_stopping : bool, default=False
    Whether to stop when `monitor` has not improved for `n_iter_no_change` epochs, and
    to keep the weights of the best epoch. It is measured on `X_val` and `y_val`, or on
    samples that are set aside: whole patients if `groups` reach `fit`.
monitor : {"val_loss", "val_accuracy", "val_recall", "val_auc"}, default="val_loss"
    Measure for early stopping. Recall is that of the positive class at a probability of
    0.5, and is perfect when every cell is called positive. "val_auc" is the ROC AUC.
validation_fraction : float in (0, 1), default=0.1
    Fraction of the samples to set aside. It is used with `early_stopping` only, and
    without `X_val`.
n_iter_no_change : int, default=5
    Number of epochs without improvement to wait. It is used with `early_stopping` only.
ema_momentum : float in (0, 1), default=None
    Momentum of an exponential moving average of the weights over steps, which is
    validated and kept instead of the weights themselves. None averages nothing. The
    statistics of batch normalization are averages of their own.
class_weight : dict or "balanced", default=None
    Weights of classes in the loss, as in scikit-learn. They multiply
    `sample_weight`.
initial_weights : keras.Model or path-like, default=None
    First weights: a network of the same architecture, such as `model_` of a fitted
    classifier, or a file that Keras wrote (.keras, or .weights.h5). None draws them.
warm_start : bool, default=False
    Whether `fit` begins with the weights of the fit before it, if there is one. The
    classes and the shape of the images must be the same.
threshold : float in [0, 1], default=0.5
    Decision threshold. Of two classes, the positive one is predicted from this
    probability on.
pos_label : object, default=None
    Positive class of two. None takes the last of `classes_`. String labels need it as
    soon as `threshold` is not 0.5, for "Uninfected" sorts last. So does a member of
    :class:`~sklearn.ensemble.VotingClassifier` or
    :class:`~sklearn.ensemble.StackingClassifier`, which code labels as 0, 1, ... in
    sorted order: there it is the code of the class.
test_time_views : {1, 4, 8}, default=1
    Number of views of each image over which predictions are averaged: the image as it
    is (1), its flips (4), or its flips and quarter turns (8, square images only).
compute_dtype : {"auto", "float32", "bfloat16"}, default="auto"
    Floating type in which layers compute. Weights and probabilities are float32 always.
    "auto" takes bfloat16 on a CPU with instructions for it (AMX or AVX-512, known on
    Linux), else float32.
engine : {"auto", "keras", "openvino"}, default="auto"
    Engine that computes predictions. "auto" takes OpenVINO where the extra
    ``openvino`` is installed and TensorFlow has no GPU, else Keras; `engine_` says
    which. Their probabilities differ by rounding.
memory : str, pathlib.Path or joblib.Memory, default=None
    Cache of trainings. A training is taken from there if everything that it depends on
    is the same, whatever `threshold`, `pos_label`, `test_time_views`, `engine` and
    `verbose` are, so a search over thresholds trains once per other setting. Functions
    and classes of yours are compared by their code and all that it uses; those of
    installed packages, by their names. Files that a function reads are not looked at.
    With `random_state=None` a cached training counts as one of the possible ones.
    Callbacks are not called when nothing is trained.
checkpoint : path-like, default=None
    Folder in which the state of the training is kept after each epoch. A training that
    was interrupted, even killed, goes on from there when the same classifier is fitted
    to the same data again, and ends with the weights that it would have had on this
    CPU. Its file is deleted at the end.
callbacks : sequence of keras.callbacks.Callback or callable, default=None
    Callbacks of the training, or functions without arguments that return one for each
    fit. A callback itself is used as it is, so that what it reports arrives, but
    scikit-learn's `clone` copies it, as a search or a cross-validation does: pass a
    function there.
verbose : int or bool, default=0
    Whether to show a progress bar, whose title has the candidate and the fold in a
    search of scikit-learn and in
    :func:`~malariafuse.evaluation.cross_validate_patients`.
random_state : int, RandomState instance or None, default=None
    Random seed of initial weights, order, augmentation, dropout and validation split.
    With an integer two fits on the CPU of one machine give identical weights; give a
    seed to augmentation layers of your own, too. No global seed is read or set but for
    None, which draws from NumPy's."""

_ATTRIBUTES = """classes_ : ndarray of shape (n_classes,)
    Sorted labels.
engine_ : {"keras", "openvino"}
    Engine that computes predictions on this machine.
history_ : dict of str to list of float
    Measures of each epoch: "loss", "accuracy", of two classes "recall" at 0.5
    (missing for string labels without `pos_label`), "auc" if it is monitored, and each
    with ``"val_"`` before it if there is a validation.
image_shape_ : tuple of int
    Height, width and channels of the images seen in `fit`.
model_ : keras.Model
    The trained network: float images in 0..1 to probabilities. Change weights in a
    copy: predictions may be computed by what was compiled from these.
n_iter_ : int
    Number of epochs trained.
compute_dtype_ : {"float32", "bfloat16"}
    Floating type in which the layers compute."""


def describe_training(cls: T) -> T:
    """Put the shared sections into the docstring of `cls`, with its own defaults."""
    parameters = inspect.signature(cls).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    cls.__doc__ = inspect.cleandoc(cls.__doc__ or "") % {
        "training_parameters": _PARAMETERS % defaults,
        "training_attributes": _ATTRIBUTES,
    }
    return cls
