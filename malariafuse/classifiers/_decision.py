"""Which class is the positive one, and what may be asked of a decision."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def positive_column(pos_label: Any, classes: NDArray[Any]) -> int | None:
    """Return the index in two `classes` of the positive one, or None if nobody knows.

    Numbers and booleans have a natural positive class, the last one. Strings have none:
    sorted, "Uninfected" comes last.
    """
    if pos_label is not None:
        if pos_label not in classes.tolist():
            raise ValueError(
                f"pos_label={pos_label!r} is not one of the classes {classes.tolist()}."
            )
        return int(np.flatnonzero(classes == pos_label)[0])
    return None if classes.dtype.kind in "OSTU" else 1


def check_threshold(threshold: float, pos_label: Any, classes: NDArray[Any]) -> None:
    """Raise ValueError unless `threshold` can decide between the classes."""
    if not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold!r}: expected a probability in 0..1.")
    if len(classes) > 2:
        if threshold != 0.5 or pos_label is not None:
            raise ValueError(
                f"threshold={threshold!r} and pos_label={pos_label!r} with "
                f"{len(classes)} classes: they decide between two. Leave them at 0.5 "
                "and None; the most probable class is predicted."
            )
    elif positive_column(pos_label, classes) is None and threshold != 0.5:
        raise ValueError(
            f"threshold={threshold!r} needs to know which class is the positive one: "
            f"set pos_label to one of {classes.tolist()}."
        )


def check_views(test_time_views: int, image_shape: tuple[int, ...]) -> None:
    """Raise ValueError unless images of this shape have so many views."""
    if test_time_views not in (1, 4, 8):
        raise ValueError(
            f"test_time_views={test_time_views!r}: expected 1 (as it is), 4 (flips) or "
            "8 (flips and quarter turns)."
        )
    if test_time_views == 8 and image_shape[0] != image_shape[1]:
        raise ValueError(
            f"test_time_views=8 turns images, which must be square; these have "
            f"{image_shape[0]} x {image_shape[1]} pixels. Use 4."
        )
