"""Storage of a trained network."""

import json
from threading import RLock
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._digest import StoredWithDigest, with_digests, without_digests
from malariafuse._engine._layers import set_weights
from malariafuse._engine._process import keras_seed
from malariafuse._version import __version__

# Increased if older versions cannot read the files of this version.
FORMAT = 2


class StoredNetwork(StoredWithDigest):
    """Network that pickles only its configuration and weights.

    The state of the optimizer, compiled functions and code are not stored. Loading
    rejects Python code in a configuration (Keras' safe mode).

    Parameters
    ----------
    model : keras.Model
        Built network.

    Attributes
    ----------
    model : keras.Model
        Network. After unpickling, it is built on first use.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model: keras.Model | None = _without_xla(model)
        self._stored: Any = None
        # Lock for objects that are created on first use, possibly by several threads.
        self._lock = RLock()

    @property
    def model(self) -> keras.Model:
        """Network, built on first use."""
        with self._lock:
            if self._model is None:
                self._model, self._stored = _without_xla(restore(self._stored)), None
            return self._model

    def _content(self) -> tuple[Any, ...]:
        """Return the content of the network, independent of the version of Keras."""
        # Content of the network as built here.
        state = store(self.model)
        return state["config"], state["shapes"], state["weights"]

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return store(self._model) if self._stored is None else self._stored

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("format") != FORMAT:
            raise ValueError(
                f"This network was stored by malariafuse {state.get('malariafuse')} in "
                f"format {state.get('format')}, but malariafuse {__version__} reads "
                f"format {FORMAT}. Load it with the version that stored it, or train "
                "again."
            )
        without_digests(state, "network")
        self._model, self._stored, self._lock = None, state, RLock()


def _without_xla(model: keras.Model) -> keras.Model:
    # By default, Keras on TensorFlow compiles predictions with XLA, which takes seconds
    # for each batch size and makes predictions slower on a CPU.
    if keras.backend.backend() == "tensorflow":
        model.jit_compile = False
    return model


def storable_copy(model: keras.Model) -> keras.Model:
    """Return a copy of `model` after storing and loading.

    Raises ValueError if it cannot be stored and loaded. Training the copy does not
    change `model`, which may be used elsewhere.
    """
    try:
        return _rebuild(keras.saving.serialize_keras_object(model), model.get_weights())
    except Exception as error:
        raise ValueError(
            f"The network cannot be stored and loaded: {error} Do not use Lambda "
            "layers with Python code, and register custom layers with "
            "keras.saving.register_keras_serializable."
        ) from error


def _rebuild(config: dict[str, Any], weights: list[NDArray[Any]]) -> Any:
    # Safe mode: Python code in a configuration is not executed.
    made = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if weights:
        set_weights(made, weights)
    return made


def store(value: Any) -> dict[str, Any]:
    """Return the configuration and the weights of a Keras object, with digests."""
    weights = value.get_weights() if isinstance(value, keras.layers.Layer) else []
    # NumPy has no bfloat16. As float32, the weights are the same numbers.
    weights = [
        weight.astype(np.float32) if weight.dtype.kind == "V" else weight
        for weight in weights
    ]
    state = {
        "format": FORMAT,
        "malariafuse": __version__,
        "keras": keras.__version__,
        "config": json.dumps(keras.saving.serialize_keras_object(value)),
        "shapes": [(w.shape, w.dtype.str) for w in weights],
        # One flat array of bytes, which every pickler, including skops, writes
        # unchanged.
        "weights": np.frombuffer(b"".join(w.tobytes() for w in weights), np.uint8),
    }
    return with_digests(state)


def restore(stored: dict[str, Any]) -> Any:
    """Return the object that was stored by `store`.

    Raises
    ------
    ValueError
        If this version of Keras cannot build it.
    """
    try:
        # The seeds drawn here are for initial weights that are replaced immediately.
        with keras_seed(0):
            return _rebuild(
                json.loads(stored["config"]),
                _unpack(stored["weights"], stored["shapes"]),
            )
    except Exception as error:
        raise ValueError(
            f"This network was stored with Keras {stored['keras']} and cannot be "
            f"rebuilt by Keras {keras.__version__}: {error} If it has custom layers, "
            "import their module first and register them with "
            "keras.saving.register_keras_serializable."
        ) from error


def _unpack(
    packed: NDArray[np.uint8], shapes: list[tuple[tuple[int, ...], str]]
) -> list[NDArray[Any]]:
    arrays, start = [], 0
    for shape, dtype in shapes:
        stop = start + int(np.prod(shape)) * np.dtype(dtype).itemsize
        arrays.append(packed[start:stop].view(dtype).reshape(shape))
        start = stop
    return arrays
