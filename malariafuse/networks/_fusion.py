from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from malariafuse._parameters import (
    Instances,
    OneOf,
    Reals,
    SequencesOf,
    check_parameter,
)
from malariafuse.networks._convnet import build_convnet
from malariafuse.networks._layers import WIDTHS, probabilities
from malariafuse.networks._resnet18 import build_resnet18

_BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "convnet": build_convnet,
    "resnet18": partial(build_resnet18, pool_size=None),
}
FUSIONS = ("average", "concatenate", "gated")
# Layer with the logits of each branch, of shape (n_samples, n_branches, n_outputs).
BRANCH_LOGITS = "branch_logits"

Backbone = str | Callable[..., keras.Model]


def build_fusion(
    input_shapes: Mapping[str, Sequence[int]],
    n_outputs: int = 1,
    *,
    backbone: Backbone | Mapping[str, Backbone] = "resnet18",
    filters: int | Mapping[str, int] = 16,
    embedding_size: int = 128,
    fusion: str = "average",
    branch_weights: Mapping[str, float] | None = None,
    dropout: float = 0.4,
    logits: Sequence[str] = (),
) -> keras.Model:
    """Build a network that fuses several inputs of one cell.

    Each branch is mapped to an embedding: images by a convolutional backbone and a
    dense layer, vectors by a dense layer, both with batch normalization. The embeddings
    are fused and classified by a dense layer and the output layer.

    Parameters
    ----------
    input_shapes : mapping of str to sequence of int
        Name and shape of one sample of each branch: (height, width, channels) for
        images, (n_features,) for vectors.
    n_outputs : int, default=1
        Number of outputs: 1 for a sigmoid (two classes), or the number of classes for a
        softmax.
    backbone : {"resnet18", "convnet"}, callable or mapping, default="resnet18"
        Backbone of image branches: a named network without its last layer, or a
        function ``backbone(input_shape, filters=filters)`` that returns a `keras.Model`
        with vector output. A mapping gives a backbone for each branch name. Missing
        branches use "resnet18".
    filters : int or mapping, default=16
        Width of the backbone, or a mapping of widths by branch name. Missing branches
        use 16.
    embedding_size : int, default=128
        Number of units of each embedding and of the dense layer after the fusion.
    fusion : {"average", "concatenate", "gated"}, default="average"
        Fusion of the branches. "average" uses a separate dense layer and logits for
        each branch, and averages the logits, weighted by `branch_weights`. The logits
        are the output of the layer ``"branch_logits"``. "concatenate" concatenates the
        embeddings. "gated" averages the embeddings with weights that a softmax computes
        from all embeddings of the cell [1]_. The weights are the output of the layer
        ``"gate_weights"``.
    branch_weights : mapping of str to float, default=None
        Relative weight of each branch in the mean logit (``fusion="average"``), by
        branch name. Missing branches have a weight of 1. None uses a weight of 1 for
        images and 2 for vectors.
    dropout : float in [0, 1), default=0.4
        Dropout rate of the fused embedding or, with ``fusion="average"``, of the
        embedding of each branch.
    logits : sequence of str, default=()
        Names of branches whose vectors are log-odds from a classifier, of shape
        (n_outputs,). With ``fusion="average"``, they are used as the logits of the
        branch, without trained layers. Otherwise they are used like other vectors.

    Returns
    -------
    keras.Model
        Uncompiled network. It takes one array for each branch, in the order of
        `input_shapes`: float images in [0, 1], or standardized vectors. A single array
        is not in a list. It returns float32 probabilities of shape (n_samples,
        n_outputs).

    Raises
    ------
    ValueError
        If an argument is invalid.

    See Also
    --------
    build_resnet18 : Build the default backbone.
    malariafuse.classifiers.FeatureFusionClassifier : Classifier with this network.

    References
    ----------
    .. [1] J. Arevalo et al., "Gated Multimodal Units for Information Fusion", ICLR
       workshop 2017, https://arxiv.org/abs/1702.01992

    Examples
    --------
    >>> from malariafuse.networks import build_fusion
    >>> network = build_fusion({"rgb": (48, 48, 3), "spots": (259,)}, fusion="gated")
    >>> [tensor.shape for tensor in network.inputs]
    [(None, 48, 48, 3), (None, 259)]
    >>> network.get_layer("gate_weights").output.shape
    (None, 2)
    """
    if not isinstance(input_shapes, Mapping):
        raise TypeError(
            f"input_shapes={input_shapes!r}: expected a mapping from the name of each "
            "branch to its shape."
        )
    if not input_shapes:
        raise ValueError("input_shapes is empty: expected at least one branch.")
    check_parameter("n_outputs", n_outputs, WIDTHS)
    check_parameter("fusion", fusion, [OneOf(*FUSIONS)])
    check_parameter("embedding_size", embedding_size, WIDTHS)
    check_parameter("dropout", dropout, [Reals(0, 1, open_at="high")])
    check_parameter("logits", logits, [SequencesOf(Instances(str, "a name"))])
    for argument, value in (
        ("backbone", backbone),
        ("filters", filters),
        ("branch_weights", branch_weights),
        ("logits", dict.fromkeys(logits)),
    ):
        unknown = set(value) - set(input_shapes) if isinstance(value, Mapping) else ()
        if unknown:
            raise ValueError(
                f"{argument} has unknown branch names {sorted(unknown)}: expected "
                f"names from {list(input_shapes)}."
            )
    shares = _shares(branch_weights, input_shapes)
    if fusion != "average":
        logits = ()
    elif set(logits) == set(input_shapes):
        raise ValueError(
            f"logits={logits!r} has all branches: expected at least one branch with "
            "trained layers."
        )
    inputs, embeddings = [], {}
    for name, shape in input_shapes.items():
        if len(shape) not in (1, 3):
            raise ValueError(
                f"The branch {name!r} has samples of shape {tuple(shape)}: expected "
                "(height, width, channels) or (n_features,)."
            )
        entrance = keras.Input(tuple(shape), name=f"{name}_input")
        x = entrance
        if len(shape) == 3:
            x = _build_backbone(
                backbone.get(name, "resnet18")
                if isinstance(backbone, Mapping)
                else backbone,
                shape,
                filters.get(name, 16) if isinstance(filters, Mapping) else filters,
                name,
            )(x)
        inputs.append(entrance)
        if name not in logits:
            embeddings[name] = _dense(x, embedding_size, f"{name}_embedding")
        elif tuple(shape) != (n_outputs,):
            raise ValueError(
                f"logits has {name!r}, a branch with samples of shape {tuple(shape)}: "
                f"expected ({n_outputs},), one value for each of n_outputs."
            )
    if len(inputs) == 1:
        (x,) = embeddings.values()
    elif fusion == "average":
        of_branches = [
            layers.Reshape((1, n_outputs))(
                entrance
                if name in logits
                else layers.Dense(n_outputs, name=f"{name}_logits")(
                    _head(embeddings[name], embedding_size, dropout, name)
                )
            )
            for name, entrance in zip(input_shapes, inputs, strict=True)
        ]
        if not shares.any():
            raise ValueError(
                f"branch_weights={branch_weights!r}: expected at least one weight "
                "above 0."
            )
        averaged = _averaged(of_branches, shares, n_outputs)
        return keras.Model(inputs, averaged, name="fusion")
    elif fusion == "concatenate":
        x = layers.Concatenate(name="fused")(list(embeddings.values()))
    else:
        x = _gated(list(embeddings.values()))
    x = layers.Dropout(dropout, name="dropout")(x)
    x = _dense(x, embedding_size, "head")
    return keras.Model(
        # Keras distinguishes one input from a list of one input.
        inputs if len(inputs) > 1 else inputs[0],
        probabilities(x, n_outputs),
        name="fusion",
    )


def _shares(
    branch_weights: Mapping[str, float] | None,
    input_shapes: Mapping[str, Sequence[int]],
) -> NDArray[np.float64]:
    """Return the normalized weight of each branch."""
    if branch_weights is None:
        # A backbone overfits the training patients more than a dense layer on frozen
        # vectors does, and is overconfident on other patients.
        return np.array([1.0 if len(s) == 3 else 2.0 for s in input_shapes.values()])
    if not isinstance(branch_weights, Mapping) or not all(
        isinstance(weight, Real) and 0 <= weight < np.inf
        for weight in branch_weights.values()
    ):
        raise ValueError(
            f"branch_weights={branch_weights!r}: expected None or a mapping from "
            "branch names to non-negative numbers."
        )
    return np.array([float(branch_weights.get(name, 1)) for name in input_shapes])


def _build_backbone(
    backbone: Any, shape: Sequence[int], filters: int, name: str
) -> keras.Model:
    if callable(backbone):
        network = backbone(tuple(shape), filters=filters)
        if not isinstance(network, keras.Model) or len(network.output_shape) != 2:
            raise ValueError(
                f"backbone returned {getattr(network, 'output_shape', network)!r} for "
                f"the branch {name!r}: expected a keras.Model with output (None, n)."
            )
        return keras.Model(
            network.inputs[0], network.outputs[0], name=f"{name}_backbone"
        )
    if not isinstance(backbone, str) or backbone not in _BACKBONES:
        raise ValueError(
            f"backbone={backbone!r}: expected a callable or one of "
            f"{', '.join(_BACKBONES)}."
        )
    network = _BACKBONES[backbone](shape, filters=filters)
    return keras.Model(
        network.inputs[0], network.layers[-2].output, name=f"{name}_backbone"
    )


def _dense(x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
    x = layers.Dense(
        int(units), use_bias=False, kernel_initializer="he_normal", name=f"{name}_dense"
    )(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=name)(x)


def _gated(embeddings: list[keras.KerasTensor]) -> keras.KerasTensor:
    together = layers.Concatenate(name="all_embeddings")(embeddings)
    weights = layers.Dense(len(embeddings), activation="softmax", name="gate_weights")(
        together
    )
    return layers.Dot(axes=(1, 1), name="fused")([weights, _stacked(embeddings)])


def _stacked(embeddings: list[keras.KerasTensor]) -> keras.KerasTensor:
    return layers.Concatenate(axis=1, name="stacked_embeddings")(
        [layers.Reshape((1, -1))(embedding) for embedding in embeddings]
    )


def _head(
    embedding: keras.KerasTensor, units: int, dropout: float, name: str
) -> keras.KerasTensor:
    return _dense(layers.Dropout(dropout)(embedding), units, f"{name}_head")


def _averaged(
    of_branches: list[keras.KerasTensor], shares: NDArray[np.float64], n_outputs: int
) -> keras.KerasTensor:
    logits = layers.Concatenate(axis=1, name=BRANCH_LOGITS)(of_branches)
    if (shares != shares[0]).any():
        scales = (shares / shares.mean())[:, None].tolist()
        logits = layers.Rescaling(scales, name="weighted_logits")(logits)
    mean = layers.GlobalAveragePooling1D(name="mean_logits")(logits)
    activation = "sigmoid" if n_outputs == 1 else "softmax"
    return layers.Activation(activation, name="probabilities")(mean)
