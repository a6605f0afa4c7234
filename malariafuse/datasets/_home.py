"""Folders of downloads and caches."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from malariafuse._shown import short_repr


def data_home(path: Any = None, *, name: str = "data_home") -> Path:
    """Return `path` or, by default, ``$MALARIAFUSE_DATA`` or the user's cache folder.

    `name` is the name of the argument in error messages.
    """
    if path is None:
        path = os.environ.get("MALARIAFUSE_DATA") or user_cache_path("malariafuse")
    shown = f"{name}={short_repr(path)}"
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"{shown}: expected the path of a folder.")
    if not os.fspath(path):
        raise ValueError(
            f"{shown} is not a folder. Pass '.' for the working directory."
        )
    try:
        folder = Path(path).expanduser().absolute()
        if b"\0" in os.fsencode(folder):
            raise ValueError("it contains the character NUL")
    # RuntimeError: the home of an unknown user.
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{shown} is not a valid path of a folder: {error}") from error
    return folder


def cache_folder(cache: Any) -> Path | None:
    """Return the folder of the argument `cache`, or None if it is False."""
    if isinstance(cache, bool | np.bool_):
        return data_home() if cache else None
    if cache is None:
        raise TypeError("cache=None: expected True, False or the path of a folder.")
    return data_home(cache, name="cache")
