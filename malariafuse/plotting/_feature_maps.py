"""Contributions of positions in feature maps to the logit of a class."""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from malariafuse._engine._process import keras_seed
from malariafuse._engine._stored import storable_copy

# Layers that only pass on or downsample the output of previous layers.
_HANDS_ON = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.InputLayer,
    keras.layers.MaxPooling2D,
    keras.layers.SpatialDropout2D,
)


class FeatureMaps:
    """Computation of the contributions of feature maps to the logit of a class.

    Parameters
    ----------
    network : keras.Model
        Network that ends in a sigmoid or softmax. It may have several inputs and
        contain other networks. A copy of it is used.
    inputs : callable
        Function from images to the inputs of the network: an array, or a sequence of
        arrays, which may be images or vectors.
    images : ndarray of shape (n_samples, height, width, channels)
        Images, passed to `inputs` in batches.
    layer : str or None
        Name of the layer with the feature map, or ``"inner/name"`` for a layer of the
        nested network `inner`. None uses the last feature map of each branch.
    """

    def __init__(
        self,
        network: keras.Model,
        inputs: Callable[[NDArray[Any]], Any],
        images: NDArray[Any],
        layer: str | None = None,
    ) -> None:
        with keras_seed(0):
            self._network = storable_copy(network)
        self._inputs, self._images = inputs, images
        _end_in_logits(self._network)
        # Outputs of layers in the order of calls. Outputs that are not watched are
        # None.
        self._outputs: list[Any] = []
        self._called: list[str] = []
        self._watched: set[int] | None = None
        layers = dict(_named_layers(self._network))
        for name, inner in layers.items():
            self._record(name, inner)
        self._watched = self._find_maps(layers, layer)

    def contributions(self, column: int | None, batch_size: int) -> NDArray[np.float32]:
        """Return the contribution of each pixel to the logit of a class.

        Negative values are evidence against the class. `column` is the index of the
        class, or None for the most probable class of each sample.
        """
        size = self._images.shape[1:3]
        total = np.zeros(self._images.shape[:3], dtype=np.float32)
        for part in gen_batches(len(total), batch_size):
            tape, logits = self._run(part)
            with tape:
                columns = (
                    keras.ops.argmax(logits, axis=1)
                    if column is None
                    else np.full(len(logits), column)
                )
                chosen = logits * keras.ops.one_hot(columns, logits.shape[1])
            maps = [self._outputs[call] for call in sorted(self._watched or ())]
            for values, slopes in zip(maps, tape.gradient(chosen, maps), strict=True):
                added = np.asarray(
                    keras.ops.sum(keras.ops.cast(values * slopes, "float32"), axis=-1)
                )
                # Scaled so that the sum over positions does not change with the number
                # of pixels.
                added = added * np.float32(added[0].size / np.prod(size))
                for row, places in zip(total[part], added, strict=True):
                    row += cv2.resize(
                        places, size[::-1], interpolation=cv2.INTER_LINEAR
                    )
        return total

    def _run(self, part: slice, *, persistent: bool = False) -> tuple[Any, Any]:
        """Return the gradient tape of a forward pass and the centered logits.

        Logits of a softmax are determined only up to a constant, so they are centered
        over the classes.
        """
        inputs = self._inputs(self._images[part])
        self._outputs, self._called = [], []
        self._tape = tf.GradientTape(
            persistent=persistent, watch_accessed_variables=False
        )
        with self._tape:
            logits = keras.ops.cast(self._network(inputs, training=False), "float32")
            if logits.shape[1] == 1:
                logits = keras.ops.concatenate([-logits, logits], axis=1) / 2
            else:
                logits -= keras.ops.mean(logits, axis=1, keepdims=True)
        return self._tape, logits

    def _record(self, name: str, layer: keras.layers.Layer) -> None:
        """Make `layer`, of the private copy, record its output at every call."""
        call = layer.call

        def recording(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            place = len(self._outputs)
            watched = self._watched is None or place in self._watched
            if watched and tf.is_tensor(output) and output.dtype.is_floating:
                self._tape.watch(output)
            self._outputs.append(output if watched else None)
            self._called.append(name)
            return output

        layer.call = recording

    def _find_maps(
        self, layers: dict[str, keras.layers.Layer], layer: str | None
    ) -> set[int]:
        """Return the calls whose maps are not followed by another map."""
        tape, logits = self._run(slice(0, 1), persistent=True)
        is_map = [tf.is_tensor(output) and output.ndim == 4 for output in self._outputs]
        if layer is None:
            wanted = [
                found
                and not isinstance(layers[name], _HANDS_ON)
                and output.shape[1] * output.shape[2] > 1
                for found, name, output in zip(
                    is_map, self._called, self._outputs, strict=True
                )
            ]
        else:
            path = _only_path(layer, list(layers))
            wanted = [
                found and name == path
                for found, name in zip(is_map, self._called, strict=True)
            ]
        calls = self._connected(tape, logits, np.flatnonzero(wanted).tolist())
        if not calls:
            maps = dict.fromkeys(
                name for name, found in zip(self._called, is_map, strict=True) if found
            )
            raise ValueError(
                f"layer={layer!r}: expected the name of a layer whose output is a "
                "feature map of shape (n_samples, height, width, channels) on which "
                f"the decision depends. Such layers are: {', '.join(maps) or 'none'}."
            )
        last = set()
        while calls:
            call = (
                calls.pop()
            )  # The last of the remaining maps is not followed by another one.
            last.add(call)
            before = self._connected(tape, self._outputs[call], calls)
            calls = [other for other in calls if other not in before]
        return last

    def _connected(self, tape: Any, result: Any, calls: list[int]) -> list[int]:
        """Return the calls on whose output `result` depends."""
        slopes = tape.gradient(result, [self._outputs[call] for call in calls])
        return [
            call for call, slope in zip(calls, slopes, strict=True) if slope is not None
        ]


def _named_layers(
    network: keras.Model, prefix: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _named_layers(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def _only_path(name: str, paths: list[str]) -> str:
    found = [path for path in paths if path == name or path.endswith(f"/{name}")]
    if name in found:
        return name
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"layer={name!r} is the name of several layers: expected one of "
            f"{', '.join(found)}."
        )
    raise ValueError(
        f"layer={name!r} is not a layer of the network. Its layers are: "
        f"{', '.join(paths)}."
    )


def _end_in_logits(network: keras.Model) -> None:
    """Remove the final sigmoid or softmax, whose gradient vanishes at 0 and 1."""
    last = network.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        last.call = lambda inputs, mask=None: inputs
    else:
        last.activation = keras.activations.linear
