"""Colors and words shared by all displays."""

from typing import Any

# From the palette of Okabe and Ito, which is safe for color vision deficiency.
BLUE, VERMILION = "#0072B2", "#D55E00"
GREEN, ORANGE, PURPLE, SKY, YELLOW = (
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
)
GRAY = "#666666"

# Colors of the classes, negative class first. Parasitized cells and recall are
# vermilion, uninfected cells and specificity are blue.
CLASS_COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, YELLOW)
RECALL, SPECIFICITY = VERMILION, BLUE

_CLASS_NAMES = {0: "uninfected", 1: "parasitized"}


def class_name(label: Any) -> str:
    """Return the name of a class: parasitized for 1, uninfected for 0."""
    return _CLASS_NAMES.get(label, str(label))


def counted(number: int, thing: str) -> str:
    """Return "1 cell" or "1,234 cells"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
