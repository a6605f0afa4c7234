"""Inference of a trained network with the fastest engine."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from malariafuse._engine._layers import all_layers, one_or_list
from malariafuse._engine._process import keras_seed, without_retracing_advice
from malariafuse._engine._stored import StoredNetwork, storable_copy
from malariafuse._extras import not_installed
from malariafuse._files._scratch import scratch_folder
from malariafuse._quiet import quiet_tensorflow
from malariafuse._warn import warn

Compute = Callable[[Sequence[NDArray[np.float32]]], Any]

ENGINES = ("auto", "keras", "openvino")

# Networks compiled by OpenVINO, by digest of the loaded network.
_RECENT: dict[tuple[str, str], Compute] = {}
_N_RECENT = 8
_RECENT_LOCK = Lock()
_REPORTS, _TELEMETRY = "openvino_telemetry", Lock()
# Above black, of an 8-bit channel.
_LEVELS = 255


class _RefusedError(Exception):
    """Error for a network that OpenVINO does not support."""


class FrozenNetwork(StoredNetwork):
    """Trained network with fast inference, which pickles like `StoredNetwork`.

    Parameters
    ----------
    model : keras.Model
        Built network. Its weights must not change.
    """

    # Both are created on first use in each process, and not pickled.
    _compiled: dict[str, Compute] | None = None
    _fastest: str | None = None

    def compute(
        self, inputs: Sequence[NDArray[np.float32]], engine: str
    ) -> NDArray[np.float32]:
        """Return the outputs for a batch, in inference mode.

        Parameters
        ----------
        inputs : sequence of ndarray
            One array for each input of the network.
        engine : {"keras", "openvino"}
            Engine returned by `engine_for`.
        """
        with without_retracing_advice():
            return np.asarray(self._by(engine)(inputs), dtype=np.float32)

    def engine_for(self, engine: str) -> str:
        """Return the engine in use for this network, "keras" or "openvino".

        "auto" uses OpenVINO if it is installed and works, and Keras otherwise.

        Raises
        ------
        ValueError
            If OpenVINO is requested but does not support this network, and as in
            `check_engine`.
        ImportError
            As in `check_engine`.
        """
        check_engine(engine)
        if engine == "auto":
            with self._lock:
                if self._fastest is None:
                    self._fastest = self._find_fastest()
                return self._fastest
        if engine == "openvino":
            try:
                self._by("openvino")
            except _RefusedError as error:
                raise ValueError(
                    f"engine='openvino': {error} Set engine='keras'."
                ) from error
        return engine

    def _find_fastest(self) -> str:
        if not _openvino_suits():
            return "keras"
        try:
            self._by("openvino")
        except _RefusedError as error:
            warn(
                f"{error} Keras is used instead. Set engine='keras' to silence this "
                "warning."
            )
            return "keras"
        return "openvino"

    def _by(self, engine: str) -> Compute:
        with self._lock:
            if self._compiled is None:
                self._compiled = {}
            if engine not in self._compiled:
                self._compiled[engine] = (
                    self._by_openvino()
                    if engine == "openvino"
                    else _by_keras(self.model)
                )
            return self._compiled[engine]

    def _by_openvino(self) -> Compute:
        if self._stored is None:
            return _by_openvino(self.model)
        # A search over thresholds loads the same training many times.
        digests = self._stored["sha256"]
        key = digests["config"], digests["weights"]
        # With a lock, so that threads with copies of a network compile it once.
        with _RECENT_LOCK:
            if key not in _RECENT:
                compiled = _by_openvino(self.model)
                while len(_RECENT) >= _N_RECENT:
                    _RECENT.pop(next(iter(_RECENT)))
                _RECENT[key] = compiled
            return _RECENT[key]


def check_engine(engine: str) -> None:
    """Raise unless `engine` is available.

    Raises
    ------
    ValueError
        If the engine is unknown, or the backend of Keras does not support it.
    ImportError
        If the engine is OpenVINO, which is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r}: expected one of {', '.join(ENGINES)}.")
    if engine != "openvino":
        return
    if not _openvino_is_installed():
        advice = not_installed("Predictions with engine='openvino'", "openvino")
        raise ImportError(f"{advice}, or set engine='auto'.")
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "engine='openvino' requires Keras on TensorFlow, but the backend is "
            f"{keras.backend.backend()}. Set engine='auto'."
        )


def engine_attribute(network: FrozenNetwork, engine: str) -> str:
    """Return the engine of `network`, for an attribute of an estimator.

    Raises
    ------
    AttributeError
        If `engine` is not available. scikit-learn reads all attributes to display an
        estimator, and handles only this error.
    """
    try:
        return network.engine_for(engine)
    except (ImportError, ValueError) as error:
        raise AttributeError(str(error)) from error


def _openvino_is_installed() -> bool:
    found = importlib.util.find_spec("openvino")
    # A folder of that name, for example with models, has no origin.
    return found is not None and found.origin is not None


def _openvino_suits() -> bool:
    """Return whether OpenVINO is installed, and TensorFlow has no GPU."""
    if not _openvino_is_installed() or keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def _by_keras(network: keras.Model) -> Compute:
    """Return a function that runs `network` with Keras."""
    if keras.backend.backend() == "tensorflow" and any(
        isinstance(layer, keras.layers.BatchNormalization)
        for layer in all_layers(network)
    ):
        graph = with_constant_weights(network)
        return lambda inputs: graph(*inputs)
    # Created here, because several threads would each create one in the first
    # prediction.
    network.make_predict_function()
    return lambda inputs: network.predict_on_batch(one_or_list(inputs))


def with_constant_weights(network: keras.Model) -> Any:
    """Compile `network` with constant weights.

    TensorFlow then fuses each batch normalization with the previous convolution.
    MobileNetV2 takes half of the time of `keras.Model.predict`, and ResNet50V2 two
    thirds. The time of the first batch increases with the number of weights, so only
    networks with batch normalization are compiled. VGG-16 would gain almost nothing.
    """
    import tensorflow as tf

    def compute(*inputs: Any) -> Any:
        # Read as numbers, outside of the traced graph.
        with tf.init_scope():
            numbers = [
                [np.asarray(variable) for variable in variables]
                for variables in (
                    network.trainable_variables,
                    network.non_trainable_variables,
                )
            ]
        constants = [[tf.constant(array) for array in arrays] for arrays in numbers]
        outputs, _ = network.stateless_call(
            *constants, one_or_list(inputs), training=False
        )
        return outputs

    return tf.function(
        compute,
        input_signature=[
            tf.TensorSpec((None, *tensor.shape[1:]), tf.float32)
            for tensor in network.inputs
        ],
        autograph=False,
        jit_compile=False,
    )


def _by_openvino(network: keras.Model) -> Compute:
    """Return a function that runs `network` with OpenVINO on the CPU."""
    try:
        factors, compiled = _compiled_by_openvino(network)
    except Exception as error:
        raise _RefusedError(
            f"OpenVINO does not support this network: {error}"
        ) from error
    request, lock = compiled.create_infer_request(), Lock()

    def compute(inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        # A request and its results can be used by one thread at a time.
        with lock:
            for (name, factor), values in zip(factors.items(), inputs, strict=True):
                tensor = request.get_tensor(name)
                tensor.shape = values.shape
                # Copied into the memory of OpenVINO, which would copy them anyway.
                np.multiply(values, np.float32(factor), out=tensor.data)
            return np.array(request.infer()[0])

    return compute


def _compiled_by_openvino(network: keras.Model) -> tuple[dict[str, int], Any]:
    """Return the factors of the inputs, by name, and the compiled network."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    with _without_telemetry():
        import openvino

    settings = {
        "ENABLE_MMAP": "NO",
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    # The same limits as for TensorFlow and workers of joblib.
    for limit in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(limit, "").isdecimal() and int(os.environ[limit]) > 0:
            settings["INFERENCE_NUM_THREADS"] = os.environ[limit]
            break
    with keras_seed(0):
        plain = storable_copy(network)
    # All in float32: OpenVINO decides which layers compute in bfloat16, and excludes
    # the layers after the last weights.
    for layer in all_layers(plain):
        if layer.dtype_policy.name == "mixed_bfloat16":
            layer.dtype_policy = "float32"
            settings["INFERENCE_PRECISION_HINT"] = "bf16"
    factors = [1] * len(plain.inputs)
    if settings["INFERENCE_PRECISION_HINT"] == "bf16":
        factors = [_LEVELS if len(tensor.shape) == 4 else 1 for tensor in plain.inputs]
        plain = _taking_levels(plain, factors)
    # State of layers other than weights also becomes constant.
    with quiet_tensorflow():
        graph = convert_variables_to_constants_v2(
            with_constant_weights(plain).get_concrete_function()
        ).graph
    with scratch_folder(Path(gettempdir())) as folder:
        file = folder / "network.pb"
        file.write_bytes(graph.as_graph_def().SerializeToString())
        compiled = openvino.Core().compile_model(file, "CPU", settings)
    names = [tensor.name for tensor in graph.inputs]
    return dict(zip(names, factors, strict=True)), compiled


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Import OpenVINO without its telemetry.

    On import, OpenVINO reports its use to its makers, unless the telemetry module is
    missing. A program that processes images of patients must not report. The telemetry
    module stays available to the rest of the process.
    """
    with _TELEMETRY:
        if _REPORTS in sys.modules:
            yield
            return
        sys.modules[_REPORTS] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            del sys.modules[_REPORTS]


def _taking_levels(network: keras.Model, factors: Sequence[int]) -> keras.Model:
    """Return `network` for inputs that are multiplied by `factors`.

    The 256 levels of an 8-bit image are exact in bfloat16, but the levels divided by
    255 are not. OpenVINO moves the division into the weights of the next convolution.
    """
    inputs = [
        keras.Input(tensor.shape[1:], dtype="float32") for tensor in network.inputs
    ]
    divided = [
        values
        if factor == 1
        else keras.layers.Rescaling(1 / factor, dtype="float32")(values)
        for values, factor in zip(inputs, factors, strict=True)
    ]
    return keras.Model(one_or_list(inputs), network(one_or_list(divided)))
