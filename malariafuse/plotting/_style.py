"""The colors and words that all displays share."""

from typing import Any

# From the palette of Okabe and Ito, which the color-blind can tell apart.
BLUE, VERMILION = "#0072B2", "#D55E00"
GREEN, ORANGE, PURPLE, SKY, YELLOW = (
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
)
GRAY = "#666666"

# The classes in their usual order: the negative one first. Everything about
# parasitized cells, recall among it, is vermilion, and about uninfected ones, blue.
CLASS_COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, YELLOW)
RECALL, SPECIFICITY = VERMILION, BLUE

_CLASS_NAMES = {0: "uninfected", 1: "parasitized"}


def class_name(label: Any) -> str:
    """Return what a class is called: 1 is parasitized, 0 uninfected."""
    return _CLASS_NAMES.get(label, str(label))


def counted(number: int, thing: str) -> str:
    """Return "1 cell" or "1,234 cells"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
