"""Cache of trained networks on disk."""

import hashlib
import io
import json
import os
import pickletools
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from os import PathLike
from pathlib import Path, PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle
import joblib
import keras
import numpy as np
from joblib import Memory

from malariafuse._engine._compute_dtype import resolve_compute_dtype
from malariafuse._engine._data import TrainingData
from malariafuse._engine._settings import TrainingSettings
from malariafuse._files._kept import KeptResults, as_memory
from malariafuse._version import __version__

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
# cloudpickle registers modules to pickle by value for the whole process.
_REGISTRY = threading.Lock()


def training_key(
    build: Any, inputs: Any, data: TrainingData, settings: TrainingSettings
) -> str:
    """Return a key that two trainings share only if they are the same.

    Parameters
    ----------
    build : callable
        Function that builds the network.
    inputs : Inputs
        Unfitted transformation to the inputs of the network.
    data : TrainingData
        Samples.
    settings : TrainingSettings
        Settings of the training.

    Raises
    ------
    TypeError
        If an object on which the training depends cannot be compared.
    """
    digest = hashlib.sha256()
    for samples in (data.samples, data.validation):
        arrays = None if samples is None else vars(samples)
        # Equal arrays in memory and on disk have the same digest.
        digest.update(joblib.hash(arrays, coerce_mmap=True).encode())
    about = {
        "data": (data.groups, data.n_classes, data.positive),
        "settings": vars(settings),
        "compute_dtype": resolve_compute_dtype(settings.compute_dtype),
        "weights": _stamp(settings.initial_weights),
        "policy": keras.config.dtype_policy().name,
        "versions": (keras.__version__, keras.backend.backend(), __version__),
    }
    digest.update(_by_value((build, inputs, about)))
    return digest.hexdigest()


def train_once(
    memory: str | Path | Memory | None, key: Callable[[], str], train: Callable[[], Any]
) -> Any:
    """Return ``train()``, or its cached result for the same key in `memory`.

    Raises
    ------
    TypeError
        If `memory` is none of these.
    """
    kept = KeptResults(as_memory(memory), "trainings")
    # The workers of one search want the same training at the same time: the first one
    # trains, the others wait for it.
    return kept.find_or_make_once(key(), train) if kept.keeps else train()


def _by_value(value: Any) -> bytes:
    """Return a digest of `value`, including functions and classes of the user.

    Functions and classes that are not installed are compared by their code, closures
    and used globals. Installed functions and classes are compared by name.
    """
    stream = io.BytesIO()
    try:
        with _users_modules_by_value():
            _Pickler(stream, protocol=5).dump(value)
    except Exception as error:
        raise TypeError(
            "memory and checkpoint compare everything on which a training depends, but "
            f"an object cannot be compared: {error} Set both to None, or do not use "
            "this object in the function that builds the network, in transformers and "
            "in callbacks."
        ) from error
    return _digest_of_pickle(stream.getvalue())


@contextmanager
def _users_modules_by_value() -> Iterator[None]:
    with _REGISTRY:
        known = cloudpickle.list_registry_pickle_by_value()
        users = [
            module
            for name, module in list(sys.modules.items())
            if name not in known
            and isinstance(module, ModuleType)
            and module.__name__ == name
            and _is_users(module)
        ]
        for module in users:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in users:
                cloudpickle.unregister_pickle_by_value(module)


def _is_users(module: ModuleType) -> bool:
    """Return whether the code of `module` belongs to the user and may change."""
    if module.__name__.partition(".")[0] == __name__.partition(".")[0]:
        return False
    file = getattr(module, "__file__", None)
    return file is not None and not _is_installed(str(file))


@cache
def _is_installed(file: str) -> bool:
    return os.path.realpath(file).startswith(_INSTALLED)


_INSTALLED = tuple(
    {
        os.path.realpath(path)
        for name, path in sysconfig.get_paths().items()
        if name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)


class _Pickler(cloudpickle.Pickler):
    """Pickler that identifies objects, and does not restore them."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _LOCKS):
            return _kept, ("lock",)
        if isinstance(obj, PurePath):
            return _kept, ("path", str(obj))
        if isinstance(obj, CodeType):
            return _kept, ("code", _code(obj), _nested(obj))
        if isinstance(obj, ModuleType) and _is_users(obj):
            return _kept, ("module", obj.__name__, _source(obj), _constants(obj))
        if isinstance(obj, keras.KerasTensor | keras.Variable):
            return _kept, ("tensor", str(obj.shape), str(obj.dtype))
        if _is_keras_object(obj):
            # Keras' pickles contain the time.
            config = keras.saving.serialize_keras_object(obj)
            weights = obj.get_weights() if isinstance(obj, keras.layers.Layer) else []
            return _kept, ("keras", json.dumps(config, sort_keys=True), weights)
        if isinstance(obj, keras.callbacks.Callback):
            # Without the state that Keras leaves in it after training.
            own = {
                name: value
                for name, value in vars(obj).items()
                if name not in ("_model", "params", "validation_data")
            }
            return _kept, ("callback", type(obj), own)
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple):
            # Without the number with which cloudpickle tracks a class in a process.
            function, arguments, *rest = reduced
            return function, arguments[:4], *rest
        if isinstance(obj, FunctionType) and isinstance(reduced, tuple):
            function, arguments, (attributes, slots), *rest = reduced
            # Independent of which modules are loaded.
            slots = {
                name: slot
                for name, slot in slots.items()
                if name != "_cloudpickle_submodules"
            }
            return function, arguments, (attributes, slots), *rest
        if reduced is NotImplemented and not isinstance(obj, type):
            # For transformers and functions with a weights file, the contents of the
            # file are compared.
            held = (
                obj.keywords
                if isinstance(obj, partial)
                else getattr(obj, "__dict__", {})
            )
            stamp = _stamp(held.get("weights"))
            if stamp is not None:
                return _kept, ("weights", stamp, obj.__reduce_ex__(4))
        return reduced


def _kept(*parts: Any) -> None:
    """Stand for the constructor of an object in a pickle. It is never called."""


def _is_keras_object(obj: Any) -> bool:
    return isinstance(
        obj,
        keras.layers.Layer
        | keras.optimizers.Optimizer
        | keras.optimizers.schedules.LearningRateSchedule
        | keras.losses.Loss
        | keras.metrics.Metric
        | keras.initializers.Initializer
        | keras.regularizers.Regularizer,
    )


def _code(code: CodeType) -> str:
    """Return a description of `code` that is independent of line numbers."""
    constants = [
        sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
        for constant in code.co_consts
        if not isinstance(constant, CodeType)
    ]
    return repr(
        (
            code.co_code,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags,
            constants,
        )
    )


def _nested(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _source(module: ModuleType) -> str:
    file = Path(str(module.__file__))
    content = file.read_bytes() if file.is_file() else b""
    return hashlib.sha256(content).hexdigest()


def _constants(module: ModuleType) -> dict[str, Any]:
    """Return the constants of a module, and the modules of the user that it imports."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("__")
        and (_is_plain(value) or (isinstance(value, ModuleType) and _is_users(value)))
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, (*_PLAIN, np.generic, np.ndarray))


def _stamp(weights: Any) -> tuple[int, int] | None:
    """Return a stamp of a weights file, if the value is one."""
    if not isinstance(weights, str | PathLike) or not Path(weights).is_file():
        return None
    file = Path(weights).stat()
    return file.st_size, file.st_mtime_ns


def _digest_of_pickle(pickled: bytes) -> bytes:
    """Return a digest that does not depend on the identity of equal strings.

    A pickle refers to repeated strings by identity. Whether two equal strings are the
    same object differs between processes.
    """
    digest = hashlib.sha256()
    written: list[Any] = []
    latest: Any = None
    n_others = 0
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("FRAME", "PROTO"):
            continue
        if opcode.name == "MEMOIZE":
            # A string by value, any other object by its position.
            n_others += not isinstance(latest, str)
            written.append(latest if isinstance(latest, str) else n_others)
            continue
        if opcode.name in ("BINGET", "LONG_BINGET", "GET"):
            argument = written[int(str(argument))]
        elif opcode.name.endswith("UNICODE") or opcode.name == "BINUNICODE8":
            argument = str(argument)
        latest = argument
        if isinstance(argument, str):
            digest.update(b"text" + argument.encode(errors="surrogatepass") + b"\0")
        elif isinstance(argument, bytes | bytearray):
            digest.update(b"bytes" + argument)
        else:
            digest.update(f"{opcode.name} {argument!r}\n".encode())
    return digest.digest()
