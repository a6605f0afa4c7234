"""The parameters that every classifier shares, described once."""

import inspect
from typing import Any, TypeVar

T = TypeVar("T", bound=type[Any])

_PARAMETERS = """epochs : int, default=%(epochs)r
    Passes over the training images.
batch_size : int, default=64
    Images per step of the optimizer.
optimizer : {"sgd", "adam", "adamw"} or keras.optimizers.Optimizer, \
default=%(optimizer)r
    "sgd" has Nesterov momentum. An optimizer object is copied for each fit; its
    learning rate becomes the peak of the schedule.
learning_rate : float, default=%(learning_rate)r
    Peak learning rate. None takes 0.05 for "sgd", 0.001 for "adam" and "adamw", and
    that of an optimizer object.
momentum : float, default=0.9
    Momentum of "sgd"; the other optimizers do not use it.
weight_decay : float, default=%(weight_decay)r
    Decoupled decay of kernels per step, relative to the learning rate; biases and
    normalizations are left out. None keeps that of the optimizer.
schedule : {"cosine", "constant"}, default="cosine"
    Learning rate after the warm-up: to zero along half a cosine (SGDR of
    Loshchilov and Hutter, ICLR 2017, without restarts), or constant.
warmup_epochs : float, default=1
    Epochs in which the learning rate rises linearly from a tenth of its peak.
augmentation : sequence of str or keras.layers.Layer, or None, \
default=%(augmentation)r
    Random changes of each image in training, in this order: "flip" mirrors,
    "rotation" turns by any angle and makes black what comes in at the corners,
    "quarter_turn" turns by multiples of 90 degrees, "stain" changes
    brightness and contrast of each color channel and leaves a black background black
    (:class:`~malariafuse.networks.RandomStainJitter`). Layers are copied for each
    fit and see float images in 0..1.
early_stopping : bool, default=False
    Set `validation_fraction` of the samples aside, stop when their loss has not
    improved for `n_iter_no_change` epochs, and keep the weights of the best epoch.
    If `groups` reach `fit`, whole patients are set aside.
validation_fraction : float in (0, 1), default=0.1
    Fraction set aside; used with `early_stopping` only.
n_iter_no_change : int, default=5
    Epochs without improvement to wait; used with `early_stopping` only.
ema_momentum : float in (0, 1), default=None
    Momentum of an exponential moving average of the weights over steps, which is
    validated and kept instead of the weights themselves; None averages nothing. The
    statistics of batch normalization are averages of their own.
class_weight : dict or "balanced", default=None
    Weights of classes in the loss, as in scikit-learn; they multiply
    `sample_weight`.
threshold : float in [0, 1], default=0.5
    Of two classes, the positive one is predicted from this probability on.
pos_label : object, default=None
    The positive class of two; None takes the last of `classes_`. String labels
    need it as soon as `threshold` is not 0.5, for "Uninfected" sorts last.
test_time_views : {1, 4, 8}, default=1
    Average predictions over the image as it is (1), its flips (4), or its flips and
    quarter turns (8, square images only).
precision : {"auto", "float32", "bfloat16"}, default="auto"
    In which type layers compute; weights and probabilities are float32 always.
    "auto" takes bfloat16 on a CPU with instructions for it (AMX or AVX-512, known on
    Linux), else float32.
engine : {"auto", "keras", "openvino"}, default="auto"
    What computes predictions. "auto" takes OpenVINO where the extra
    ``malariafuse[openvino]`` is installed and TensorFlow has no GPU, else Keras;
    `engine_` says which. Their probabilities differ by rounding.
memory : str, pathlib.Path or joblib.Memory, default=None
    Where trainings are cached. A training is taken from there if everything but
    `threshold`, `test_time_views`, `engine` and `verbose` is the same, so a search over
    thresholds trains once per other setting. Functions are compared by their code,
    defaults, enclosed values and constants of their module, but not by what they call:
    clear the cache after a change there. With `random_state=None`
    a cached training counts as one of the possible ones; callbacks are not called
    when nothing is trained.
callbacks : sequence of keras.callbacks.Callback, default=None
    Called in training; each fit works on copies.
verbose : int or bool, default=0
    Whether to show a progress bar.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, order, augmentation, dropout and validation split. With
    an integer two fits on the CPU of one machine give identical weights; give a seed
    to augmentation layers of your own, too. No global seed is read or set but for
    None, which draws from NumPy's."""

_ATTRIBUTES = """classes_ : ndarray of shape (n_classes,)
    Sorted labels.
engine_ : {"keras", "openvino"}
    What computes predictions on this machine.
history_ : dict of str to list of float
    Figures of each epoch: "loss", "accuracy", of two classes "recall" at 0.5
    (missing for string labels without `pos_label`), and each with ``"val_"`` before it
    if `early_stopping`.
image_shape_ : tuple of int
    Height, width and channels of the images seen in `fit`.
model_ : keras.Model
    The trained network: float images in 0..1 to probabilities. Change weights in a
    copy: predictions may be computed by what was compiled from these.
n_iter_ : int
    Epochs trained.
precision_ : {"float32", "bfloat16"}
    In which type the layers compute."""


def describe_training(cls: T) -> T:
    """Put the shared sections into the docstring of `cls`, with its own defaults."""
    parameters = inspect.signature(cls).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    cls.__doc__ = inspect.cleandoc(cls.__doc__ or "") % {
        "training_parameters": _PARAMETERS % defaults,
        "training_attributes": _ATTRIBUTES,
    }
    return cls
