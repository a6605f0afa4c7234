"""Trainings that are done once and then taken from a cache on disk."""

import json
from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import joblib
import keras
from filelock import FileLock
from joblib import Memory
from sklearn.base import BaseEstimator

import malariafuse
from malariafuse._keras._precision import resolve_precision

if TYPE_CHECKING:
    from malariafuse.classifiers._base import BaseImageClassifier
    from malariafuse.classifiers._batches import TrainingData
    from malariafuse.classifiers._training import Training


_PLAIN = (bool, int, float, str, tuple)


def train_once(
    memory: str | Path | Memory | None,
    train: Callable[..., "Training"],
    recipe: "BaseImageClassifier",
    data: "TrainingData",
    verbose: int | bool,
) -> "Training":
    """Return ``train(key, recipe, data, verbose)``, cached in `memory`."""
    if memory is None or isinstance(memory, str | Path):
        memory = Memory(memory, verbose=0)
    if not isinstance(memory, Memory):
        raise TypeError(f"memory={memory!r}: expected None, a path or a joblib.Memory.")
    if memory.location is None:
        return train(None, recipe, data, verbose)
    key = joblib.hash(
        (
            type(recipe),
            _fingerprint(recipe.get_params(deep=False)),
            resolve_precision(recipe.precision),
            vars(data),
            keras.config.dtype_policy().name,
            (keras.__version__, keras.backend.backend(), malariafuse.__version__),
        )
    )
    # The workers of one search want the same training at the same time: the first one
    # trains, the others wait for it.
    locks = Path(memory.location) / "malariafuse-locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{key}.lock"):
        cached = memory.cache(train, ignore=["classifier", "data", "verbose"])
        return cached(key, recipe, data, verbose)


def _fingerprint(value: Any, outer: frozenset[int] = frozenset()) -> Any:
    """Return what tells two values of a parameter apart, in a form to be hashed.

    Keras objects pickle with the time of day, functions by their name alone, and the
    path of a file says nothing of what is in it.
    """
    if id(value) in outer:
        return "itself"
    inside = outer | {id(value)}

    def parts(values: Any) -> list[Any]:
        return [_fingerprint(part, inside) for part in values]

    if isinstance(value, dict):
        return parts(value.keys()), parts(value.values())
    if isinstance(value, list | tuple):
        return parts(value)
    if isinstance(value, keras.layers.Layer | keras.optimizers.Optimizer):
        config = keras.saving.serialize_keras_object(value)
        weights = value.get_weights() if isinstance(value, keras.layers.Layer) else []
        return json.dumps(config, sort_keys=True), [w.tobytes() for w in weights]
    if isinstance(value, keras.callbacks.Callback):
        return type(value), parts([vars(value)])
    if isinstance(value, BaseEstimator):
        # All attributes: of a frozen estimator the fitted ones count.
        stamp = _stamp(getattr(value, "weights", None))
        return type(value), stamp, _fingerprint(vars(value), inside)
    if isinstance(value, partial):
        return parts([value.func, value.args, value.keywords])
    if isinstance(value, MethodType):
        owner = value.__self__
        if isinstance(owner, type) or not hasattr(owner, "__dict__"):
            return parts([value.__func__, owner])
        return parts([value.__func__, type(owner), vars(owner)])
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, parts(value.co_consts)
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        defaults = [value.__defaults__, value.__kwdefaults__, cells]
        name = (value.__module__, value.__qualname__)
        # Constants of its module; what it calls there is not followed.
        named = [value.__globals__.get(name) for name in value.__code__.co_names]
        constants = [part for part in named if isinstance(part, _PLAIN)]
        return name, parts([value.__code__, *defaults, *constants])
    return value


def _stamp(weights: Any) -> tuple[int, int] | None:
    """Return what changes with a file of weights, if that is one."""
    if not isinstance(weights, str | PathLike) or not Path(weights).is_file():
        return None
    file = Path(weights).stat()
    return file.st_size, file.st_mtime_ns
