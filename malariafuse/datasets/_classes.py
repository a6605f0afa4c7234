"""Class names: known names, and names defined by the user."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from malariafuse._shown import short_repr

TARGET_NAMES = ("uninfected", "parasitized")
_KNOWN = {
    "parasitized": 1,
    "parasitised": 1,
    "infected": 1,
    "positive": 1,
    "p": 1,
    "true": 1,
    "1": 1,
    "uninfected": 0,
    "non-infected": 0,
    "noninfected": 0,
    "healthy": 0,
    "negative": 0,
    "normal": 0,
    "n": 0,
    "u": 0,
    "false": 0,
    "0": 0,
}
_EXPECTED = (
    "a mapping from the names of folders or labels to 1 (parasitized) and 0 "
    "(uninfected), or to names of classes, or a list of names of classes in the order "
    "of `target`"
)


def class_key(value: Any) -> str:
    """Return the key by which class names are compared: 1.0, "1" and 1 are equal."""
    text = str(value).strip().casefold()
    whole = re.fullmatch(r"(-?\d+)\.0+", text) if text[-1:] == "0" else None
    return whole[1] if whole else text


def is_number(key: str) -> bool:
    """Return whether a key is an integer, which is ambiguous for a folder."""
    return key.removeprefix("-").isdigit()


@dataclass(frozen=True)
class Classes:
    """Mapping from names of folders and labels to classes.

    Attributes
    ----------
    names : tuple of str
        Class name of each target.
    targets : dict of str to int
        Target of each key of `class_key`.
    left_out : frozenset of str
        Keys of names that are not loaded.
    """

    names: tuple[str, ...]
    targets: Mapping[str, int]
    left_out: frozenset[str] = frozenset()

    @property
    def is_binary(self) -> bool:
        """Whether the classes are parasitized and uninfected cells."""
        return all(self.targets.get(name) == i for i, name in enumerate(TARGET_NAMES))

    def knows(self, value: Any) -> bool:
        """Return whether `value` is a name of a class or a name that is left out."""
        key = class_key(value)
        return key in self.targets or key in self.left_out

    def words(self) -> dict[str, int]:
        """Return the non-numeric keys with their targets."""
        return {key: i for key, i in self.targets.items() if not is_number(key)}

    def advice(self, found: Iterable[Any]) -> str:
        """Return advice on unknown names."""
        if self.is_binary:
            example = ", ".join(f"{short_repr(name)}: ..." for name in list(found)[:2])
            return (
                f"Define the names by a mapping such as classes={{{example}}}, with 1 "
                "for parasitized, 0 for uninfected and None for names to be left out."
            )
        return f"`classes` names {', '.join(map(short_repr, self.targets))} only."


def check_classes(classes: Any) -> Classes:
    """Return the validated parameter `classes`.

    Raises
    ------
    TypeError
        If `classes` is not None, a mapping or a sequence of names.
    ValueError
        If `classes` has fewer than two classes, repeats a name, or reverses the two
        classes.
    """
    if classes is None:
        return Classes(TARGET_NAMES, _KNOWN)
    if isinstance(classes, Mapping):
        return _from_mapping(classes)
    if isinstance(classes, Sequence) and not isinstance(classes, str | bytes):
        return _from_names(classes)
    raise TypeError(f"classes={short_repr(classes)}: expected {_EXPECTED}.")


def _from_names(names: Sequence[Any]) -> Classes:
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes={short_repr(names)}: expected {_EXPECTED}.")
    keys = [class_key(name) for name in names]
    if len(keys) < 2 or len(set(keys)) < len(keys):
        raise ValueError(
            f"classes={short_repr(names)}: expected at least two names of classes, "
            "without repetition."
        )
    targets = {key: target for target, key in enumerate(keys)}
    if not any(map(is_number, keys)):
        targets |= {str(target): target for target in range(len(keys))}
    known = [_KNOWN.get(key) for key in keys]
    if known == [1, 0]:
        raise ValueError(
            f"classes={short_repr(names)}: 1 is parasitized and 0 is uninfected "
            "everywhere in malariafuse. Pass "
            f"classes={short_repr(list(reversed(names)))}."
        )
    if known == [0, 1]:
        targets = {**_KNOWN, **targets}
    return Classes(tuple(names), targets)


def _from_mapping(classes: Mapping[Any, Any]) -> Classes:
    meaning: dict[str, Any] = {}
    for name, value in classes.items():
        # True is ambiguous: parasitized, or a class that is loaded.
        if isinstance(value, bool) or not isinstance(value, str | Integral | None):
            raise TypeError(
                f"classes[{short_repr(name)}] is {short_repr(value)}: expected "
                f"{_EXPECTED}."
            )
        key = class_key(name)
        if meaning.setdefault(key, value) != value:
            raise ValueError(
                f"classes has several values for {short_repr(key)}, because case and "
                "surrounding blanks are ignored."
            )
    left_out = frozenset(key for key, value in meaning.items() if value is None)
    meaning = {key: value for key, value in meaning.items() if value is not None}
    values = list(dict.fromkeys(meaning.values()))
    binary = {value: _as_binary(value) for value in values}
    if None not in binary.values():
        targets = {key: int(binary[value] or 0) for key, value in meaning.items()}
        _check_not_reversed(targets)
        known = {key: i for key, i in _KNOWN.items() if key not in left_out}
        return Classes(TARGET_NAMES, {**known, **targets}, left_out)
    if all(isinstance(value, str) for value in values):
        names = [value.strip() for value in values]
        if len({class_key(name) for name in names}) < max(2, len(names)):
            raise ValueError(
                f"classes has the names {short_repr(names)}: expected at least two "
                "classes, each with one spelling."
            )
        own = {class_key(name): target for target, name in enumerate(names)}
        targets = {key: values.index(value) for key, value in meaning.items()}
        return Classes(tuple(names), {**own, **targets}, left_out)
    if sorted(values, key=str) != sorted(range(len(values)), key=str):
        raise ValueError(
            f"classes has the values {short_repr(values)}: expected either names of "
            "classes or consecutive integers from 0."
        )
    # The first name of a class is its display name.
    first = {
        int(value): str(name)
        for name, value in reversed(list(classes.items()))
        if value is not None
    }
    targets = {key: int(value) for key, value in meaning.items()}
    return Classes(tuple(first[i] for i in range(len(values))), targets, left_out)


def _as_binary(value: Any) -> int | None:
    if isinstance(value, str):
        return _KNOWN.get(class_key(value))
    return int(value) if value in (0, 1) else None


def _check_not_reversed(targets: Mapping[str, int]) -> None:
    for key, target in targets.items():
        if not is_number(key) and _KNOWN.get(key, target) != target:
            raise ValueError(
                f"classes maps {short_repr(key)} to {target}: 1 is parasitized and 0 "
                "is uninfected everywhere in malariafuse. To correct reversed "
                "labels, pass classes={0: 1, 1: 0}."
            )
