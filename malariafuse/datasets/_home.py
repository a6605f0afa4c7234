"""Where downloads and caches are kept."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def data_home(path: str | os.PathLike[str] | None = None) -> Path:
    """Return `path`, else ``$MALARIAFUSE_DATA``, else the user's cache folder."""
    if path is None:
        path = os.environ.get("MALARIAFUSE_DATA") or user_cache_path("malariafuse")
    return Path(path).expanduser().absolute()
