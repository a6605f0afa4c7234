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
# Of the layer with what each branch says, (n_samples, n_branches, n_outputs).
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
    """Build a network that fuses several views of one cell.

    Each branch becomes an embedding: images by a convolutional backbone and a dense
    layer, vectors by a dense layer, both batch-normalized. The embeddings are fused,
    and a dense layer and the output classify them.

    Parameters
    ----------
    input_shapes : mapping of str to sequence of int
        Name and shape of one sample of each branch: (height, width, channels) for
        images, (n_features,) for vectors.
    n_outputs : int, default=1
        Number of outputs: 1 for a sigmoid (two classes), otherwise a softmax over this
        many classes.
    backbone : {"resnet18", "convnet"}, callable or mapping, default="resnet18"
        Network that follows images: that of the name without its last layer, or
        that of ``backbone(input_shape, filters=filters)``, a `keras.Model` that ends in
        vectors. A mapping from names of branches gives each its own; branches that it
        lacks have "resnet18".
    filters : int or mapping, default=16
        Width of the backbone, or of each by the name of its branch; branches that a
        mapping lacks have 16.
    embedding_size : int, default=128
        Units of each embedding and of the dense layer behind the fusion.
    fusion : {"average", "concatenate", "gated"}, default="average"
        Way in which branches are joined. "average" gives each branch a dense layer and
        logits of its own, the output of the layer ``"branch_logits"``, and takes their
        mean, weighted by `branch_weights`.
        "concatenate" puts the embeddings side by side; "gated" takes their mean by
        weights that a softmax computes from all of them, for each cell anew [1]_: the
        output of the layer ``"gate_weights"``.
    branch_weights : mapping of str to float, default=None
        Relative weights of the branches in the mean of "average", by name; branches
        that a mapping lacks count 1. None lets images count 1 and vectors 2.
    dropout : float in [0, 1), default=0.4
        Fraction of the fused embedding that is left out in training; of the embedding
        of each branch with "average".
    logits : sequence of str, default=()
        Names of branches whose vectors are the log-odds that a classifier gave, of
        shape (n_outputs,). With "average" they are the logits of their branch, and
        nothing of it is trained; otherwise they are vectors as others.

    Returns
    -------
    keras.Model
        The network, not compiled. It takes one array a branch, in the order of
        `input_shapes`, and not in a list if it is the only one: float images in 0..1,
        or standardized vectors. It returns float32 probabilities of shape (n_samples,
        n_outputs).

    Raises
    ------
    ValueError
        If a shape, a name or a number does not fit.

    See Also
    --------
    build_resnet18 : The default backbone.
    malariafuse.classifiers.FeatureFusionClassifier : This network as a classifier.

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
                f"{argument} names {sorted(unknown)}, which are no branches: expected "
                f"some of {list(input_shapes)}."
            )
    shares = _shares(branch_weights, input_shapes)
    if fusion != "average":
        logits = ()
    elif set(logits) == set(input_shapes):
        raise ValueError(
            f"logits={logits!r} names all branches: expected one branch at least that "
            "the network is to learn."
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
                f"logits names {name!r}, which has samples of shape {tuple(shape)}: "
                f"expected ({n_outputs},), one number for each of n_outputs."
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
                f"branch_weights={branch_weights!r}: expected one above 0."
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
        # Keras tells one input from a list of one.
        inputs if len(inputs) > 1 else inputs[0],
        probabilities(x, n_outputs),
        name="fusion",
    )


def _shares(
    branch_weights: Mapping[str, float] | None,
    input_shapes: Mapping[str, Sequence[int]],
) -> NDArray[np.float64]:
    """Return what each branch counts."""
    if branch_weights is None:
        # A backbone fits the patients of the training more closely than a dense layer
        # on frozen vectors can, and is too sure of others.
        return np.array([1.0 if len(s) == 3 else 2.0 for s in input_shapes.values()])
    if not isinstance(branch_weights, Mapping) or not all(
        isinstance(weight, Real) and 0 <= weight < np.inf
        for weight in branch_weights.values()
    ):
        raise ValueError(
            f"branch_weights={branch_weights!r}: expected None or a mapping from names "
            "of branches to numbers of at least 0."
        )
    return np.array([float(branch_weights.get(name, 1)) for name in input_shapes])


def _build_backbone(
    backbone: Any, shape: Sequence[int], filters: int, name: str
) -> keras.Model:
    if callable(backbone):
        network = backbone(tuple(shape), filters=filters)
        if not isinstance(network, keras.Model) or len(network.output_shape) != 2:
            raise ValueError(
                f"backbone gave {getattr(network, 'output_shape', network)!r} for the "
                f"branch {name!r}: expected a keras.Model with output (None, n)."
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
