"""What several displays ask of their arguments."""

from numbers import Integral


def check_count(value: int, name: str) -> None:
    """Raise ValueError unless `value` is a positive integer."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: expected a positive integer.")
