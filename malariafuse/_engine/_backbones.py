"""Construction of backbones of `keras.applications` and of users, with weights."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from os import PathLike
from pathlib import Path
from traceback import walk_tb
from typing import Any

import keras
from numpy.typing import NDArray

from malariafuse._engine._process import keras_seed
from malariafuse._engine._stored import storable_copy

Shape = tuple[int, int, int]
Backbone = str | Callable[[Shape], keras.Model]
Weights = str | PathLike[str] | None


@cache
def _builders() -> dict[str, Callable[..., keras.Model]]:
    return {
        name: member
        for name, member in inspect.getmembers(keras.applications, inspect.isfunction)
        if "include_top" in inspect.signature(member).parameters
    }


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a sentence with the names that are close to `name`, or an empty string."""
    by_lower = {known.lower(): known for known in names}
    near = get_close_matches(name.lower(), by_lower, n=5)
    found = ", ".join(repr(by_lower[match]) for match in near)
    return f" Did you mean {found}?" if near else ""


def check_backbone(backbone: Any) -> None:
    """Raise unless `backbone` is the name of a network or a function that builds one.

    Raises
    ------
    ValueError
        If it is an unknown name.
    TypeError
        If it is neither a name nor a function of the user.
    """
    builders = _builders()
    if isinstance(backbone, str):
        if backbone not in builders:
            raise ValueError(
                f"backbone={backbone!r}: keras.applications has no network of this "
                f"name.{did_you_mean(backbone, builders)} Or pass a function "
                "(input_shape) -> keras.Model."
            )
        return
    if backbone in builders.values():
        raise TypeError(
            "backbone is a function of keras.applications: pass its name, "
            f"{backbone.__name__!r}, so that images are preprocessed for it."
        )
    if isinstance(backbone, keras.Model) or not callable(backbone):
        raise TypeError(
            f"backbone={backbone!r}: expected the name of a network in "
            "keras.applications, or a function (input_shape) -> keras.Model."
        )


def preprocessing_of(name: str) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the `preprocess_input` of a network of `keras.applications`.

    It takes float values in [0, 255] and may change them in place.
    """
    # The public modules do not contain every network, for example MobileNetV3. The
    # module of the code determines the matching function.
    check_backbone(name)
    home = _builders()[name].__module__
    return next(
        module.preprocess_input
        for _, module in inspect.getmembers(keras.applications, inspect.ismodule)
        if module.preprocess_input.__module__ == home
    )


def build_backbone(
    backbone: Backbone, input_shape: Shape, weights: Weights
) -> keras.Model:
    """Build a network without its top.

    Parameters
    ----------
    backbone : str or callable
        A name in `keras.applications`, or a function ``(input_shape) -> keras.Model``.
    input_shape : tuple of (int, int, int)
        Height, width and channels of the input images.
    weights : "imagenet", path or None
        Weights, as in `PretrainedFeatureExtractor`.

    Returns
    -------
    keras.Model
        New network. Random weights have a fixed seed.

    Raises
    ------
    ValueError, TypeError, OSError
        Weights, as in `PretrainedFeatureExtractor`.
    """
    check_backbone(backbone)
    path = None if weights in (None, "imagenet") else _weights_file(weights)
    with keras_seed(0):
        if not isinstance(backbone, str):
            if weights == "imagenet":
                raise ValueError(
                    "weights='imagenet' is only for networks of keras.applications, "
                    "but backbone is a function: pass weights=None to use the weights "
                    "of the returned network, or the path of a weights file."
                )
            network = _own_network(backbone, input_shape)
        else:
            network = _application(
                backbone, input_shape, None if path is not None else weights
            )
    if path is not None:
        _load_weights(network, path)
    return network


def _weights_file(weights: Any) -> Path:
    if not isinstance(weights, str | PathLike):
        raise TypeError(
            f"weights={weights!r}: expected 'imagenet', None or the path of a weights "
            "file."
        )
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={str(weights)!r}: file does not exist. Expected 'imagenet', None "
            "or the path of a weights file."
        )
    return path


def _own_network(
    build: Callable[[Shape], keras.Model], input_shape: Shape
) -> keras.Model:
    network = build(input_shape)
    inputs = getattr(network, "inputs", None) or []
    if not isinstance(network, keras.Model) or len(inputs) != 1:
        raise TypeError(
            f"backbone returned a {type(network).__name__} with {len(inputs)} inputs: "
            "expected a keras.Sequential that begins with keras.Input, or a "
            "keras.Model made from one input and its outputs."
        )
    taken = inputs[0].shape[1:]
    if len(taken) != 3 or any(
        size not in (None, given)
        for size, given in zip(taken, input_shape, strict=True)
    ):
        raise ValueError(
            f"backbone returned a network for images of shape {taken}: expected "
            f"{input_shape}, the input_shape passed to it."
        )
    return storable_copy(network)


def _application(name: str, input_shape: Shape, weights: Any) -> keras.Model:
    try:
        return _builders()[name](
            include_top=False, weights=weights, input_shape=input_shape
        )
    except Exception as error:
        # Keras' errors do not contain the file, so it is read from the frames.
        for frame, _ in walk_tb(error.__traceback__):
            if frame.f_code.co_name == "get_file":
                wanted = frame.f_locals
                raise OSError(
                    f"The ImageNet weights of {name} could not be downloaded: {error} "
                    f"Download {wanted.get('origin')} on a machine with a connection "
                    f"and copy it into the folder {wanted.get('datadir')} with the "
                    f"name {wanted.get('fname')}, or pass the path of another weights "
                    "file as `weights`."
                ) from error
            if "weights_path" in frame.f_locals:
                raise ValueError(
                    f"The ImageNet weights of {name} in "
                    f"{frame.f_locals['weights_path']} cannot be read: {error} Delete "
                    "this file, so that Keras downloads it again."
                ) from error
        if isinstance(error, ValueError):
            height, width, _ = input_shape
            raise ValueError(
                f"{name} cannot take images of {height} x {width} pixels: {error} Pass "
                "a larger image_size=(height, width), such as (128, 128), to resize "
                "images."
            ) from error
        raise


def _load_weights(network: keras.Model, path: Path) -> None:
    try:
        network.load_weights(path)
    except Exception as error:
        raise ValueError(
            f"weights={str(path)!r} cannot be loaded into {network.name}: {error} "
            "Expected a complete file with a name that ends in .weights.h5 (or .h5, in "
            "Keras' older format), with the weights of the same network without its "
            "top (include_top=False). Otherwise the file is damaged: download or write "
            "it again."
        ) from error
