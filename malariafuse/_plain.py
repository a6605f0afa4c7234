"""Storage of objects of this package as JSON and plain arrays, without code."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malariafuse._digest import StoredWithDigest, with_digests, without_digests

_PACKAGE = __name__.partition(".")[0]
_PLAIN = (bool, int, float, str, type(None))

Arrays = Mapping[str, NDArray[Any]]
Converters = Mapping[type, Callable[[Any], Any]]


def to_plain(
    value: Any, converters: Converters | None = None
) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return JSON for `value`, and the arrays to which the JSON refers.

    Parameters
    ----------
    value : object
        Numbers, strings, None, arrays of them, lists, tuples and dicts of them, and
        objects of classes of this package.
    converters : mapping of type to callable, default=None
        Functions that convert other values, by exact type.

    Returns
    -------
    text : str
        JSON string.
    arrays : dict of str to ndarray
        Arrays by name in the JSON.

    Raises
    ------
    TypeError
        If `value` has a part that cannot be stored.
    """
    arrays: dict[str, NDArray[Any]] = {}

    def encode(value: Any) -> Any:
        convert = (converters or {}).get(type(value))
        if convert is not None:
            value = convert(value)
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in (list, tuple):
            return {kind.__name__: [encode(item) for item in value]}
        if kind is dict:
            return {"dict": [[encode(k), encode(v)] for k, v in value.items()]}
        if isinstance(value, np.dtype):
            return {"dtype": value.str}
        if isinstance(value, np.ndarray | np.generic):
            if value.dtype.hasobject:
                raise TypeError(f"An array of {value.dtype} cannot be stored.")
            name = f"array{len(arrays)}"
            arrays[name] = np.asarray(value)
            return {"array" if kind is np.ndarray else "scalar": name}
        if isinstance(value, FunctionType):
            raise TypeError(
                f"The function {value.__qualname__} cannot be stored. For a network "
                "function, fit with a built keras.Model instead."
            )
        if kind.__module__.partition(".")[0] != _PACKAGE:
            raise TypeError(
                f"{kind.__module__}.{kind.__qualname__} cannot be stored: expected "
                f"numbers, strings, arrays and objects of {_PACKAGE}."
            )
        state = value.__getstate__()
        if isinstance(value, StoredWithDigest):
            # Without digests, because values may be converted here.
            state = without_digests(state, kind.__name__)
        name = f"{kind.__module__}.{kind.__qualname__}"
        return {"object": name, "state": encode(state)}

    return json.dumps(encode(value), indent=1), arrays


def from_plain(text: str, arrays: Arrays, only: str | None = None) -> Any:
    """Return the value that was stored by `to_plain`.

    The only code that is called is ``__setstate__`` of classes of this package.

    Parameters
    ----------
    text : str
        JSON string.
    arrays : mapping of str to ndarray
        Arrays by name in the JSON.
    only : str, default=None
        Key of a dict. Only its item is made, without importing the classes of the
        others. None makes the whole value.

    Raises
    ------
    ValueError
        If the JSON refers to unknown classes or missing arrays.
    """

    def decode(code: Any) -> Any:
        if isinstance(code, _PLAIN):
            return code
        match code:
            case {"list": [*items]}:
                return [decode(item) for item in items]
            case {"tuple": [*items]}:
                return tuple(decode(item) for item in items)
            case {"dict": [*items]}:
                return {decode(key): decode(value) for key, value in items}
            case {"dtype": str(name)}:
                return np.dtype(name)
            case {"array": str(name)} if name in arrays:
                return arrays[name]
            case {"scalar": str(name)} if name in arrays:
                return arrays[name][()]
            case {"object": str(name), "state": state}:
                return _made(_class(name), decode(state))
        raise ValueError(f"The model file has {str(code)[:80]!r}, which is unknown.")

    code = json.loads(text)
    if only is None:
        return decode(code)
    match code:
        case {"dict": [*items]}:
            for key, value in items:
                if key == only:
                    return decode(value)
    raise ValueError(f"The model file has no {only!r}.")


def _class(name: str) -> type:
    module, _, of_class = name.rpartition(".")
    if module.partition(".")[0] == _PACKAGE:
        try:
            found = getattr(import_module(module), of_class, None)
        except ModuleNotFoundError:
            found = None
        if isinstance(found, type) and found.__module__ == module:
            return found
    raise ValueError(
        f"The model file refers to {name!r}: expected a class of this version of "
        f"{_PACKAGE}. Another version may have stored it."
    )


def _made(kind: type, state: Any) -> Any:
    made: Any = object.__new__(kind)
    if isinstance(made, StoredWithDigest):
        state = with_digests(state)
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        # Not `setattr`, which fails for frozen dataclasses.
        vars(made).update(state)
    return made
