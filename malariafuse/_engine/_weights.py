"""Initial weights of a network, from another network or a file."""

from pathlib import Path
from typing import Any

import keras

from malariafuse._engine._layers import set_weights
from malariafuse._engine._process import keras_seed


def load_weights(network: keras.Model, source: keras.Model | str | Path | None) -> None:
    """Set the weights of `network` to those of a network of the same architecture.

    Parameters
    ----------
    network : keras.Model
        The network.
    source : keras.Model, path or None
        Network, file saved by Keras (.keras or .weights.h5), or None to keep the
        weights.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If a file cannot be read, or the weights have another architecture.
    """
    if source is None:
        return
    if isinstance(source, keras.Model):
        weights = source.get_weights()
        named = f"the network {source.name!r}"
    else:
        path = Path(source)
        named = str(path)
        if not path.is_file():
            raise FileNotFoundError(f"initial_weights={named!r}: file does not exist.")
        weights = _read(path, network)
    wanted, found = ([w.shape for w in ws] for ws in (network.get_weights(), weights))
    if wanted != found:
        first = next(
            (
                i
                for i, pair in enumerate(zip(wanted, found, strict=False))
                if pair[0] != pair[1]
            ),
            min(len(wanted), len(found)),
        )
        sides = [
            f"{shapes[first]}" if first < len(shapes) else "nothing"
            for shapes in (found, wanted)
        ]
        raise ValueError(
            f"initial_weights: {named} has {len(found)} arrays of weights, but the "
            f"network has {len(wanted)}. Array {first} has {sides[0]} there and "
            f"{sides[1]} here. Expected weights of the same architecture for the same "
            "images."
        )
    set_weights(network, weights)


def _read(path: Path, network: keras.Model) -> list[Any]:
    try:
        if path.suffix == ".keras":
            # The seeds drawn during loading are for weights that are replaced.
            with keras_seed(0):
                return keras.saving.load_model(path, compile=False).get_weights()
        network.load_weights(path)
        return network.get_weights()
    except Exception as error:
        raise ValueError(
            f"initial_weights={str(path)!r} cannot be read: {error} Expected a file "
            "saved by Keras: .keras, or .weights.h5 of the same architecture."
        ) from error
