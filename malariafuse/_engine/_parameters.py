"""Storage of Keras objects among the parameters of an estimator."""

from collections.abc import Callable
from typing import Any

import keras

from malariafuse._digest import StoredWithDigest
from malariafuse._engine._stored import restore, store

_KERAS = (keras.layers.Layer, keras.losses.Loss, keras.optimizers.Optimizer)


class StoresKeras:
    """Store Keras objects among the parameters as configurations and weights.

    Keras pickles its objects as archives, which only pickle reads. Objects that cannot
    be rebuilt from their configuration, such as layers of unregistered classes, are
    left to the pickler.
    """

    def __getstate__(self) -> dict[str, Any]:
        return self._changed(super().__getstate__(), _stored)  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(self._changed(state, _restored))  # type: ignore[misc]

    def _changed(
        self, state: dict[str, Any], change: Callable[[Any], Any]
    ) -> dict[str, Any]:
        names = self._get_param_names()  # type: ignore[attr-defined]
        return {
            name: _everywhere(value, change) if name in names else value
            for name, value in state.items()
        }


class KerasObject(StoredWithDigest):
    """Model, layer, loss or optimizer as a configuration and weights."""

    def __init__(self, value: Any) -> None:
        self.state = store(value)

    def value(self) -> Any:
        """Return a new object."""
        return restore(self.state)


def _everywhere(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return `value` with each item of its lists, tuples and dicts changed."""
    if type(value) in (list, tuple):
        return type(value)(_everywhere(item, change) for item in value)
    if type(value) is dict:
        return {key: _everywhere(item, change) for key, item in value.items()}
    return change(value)


def _stored(value: Any) -> Any:
    if not isinstance(value, _KERAS):
        return value
    try:
        stored = KerasObject(value)
        stored.value()
    except Exception:
        return value
    return stored


def _restored(value: Any) -> Any:
    return value.value() if isinstance(value, KerasObject) else value
