"""The version, for modules that must not import the package around them."""

__version__ = "0.1.0"
