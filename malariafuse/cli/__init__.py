"""The command line ``malariafuse``."""

from malariafuse.cli._main import main

__all__ = ["main"]
