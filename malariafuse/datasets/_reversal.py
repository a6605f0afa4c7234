"""Labels against the class folders that images lie in."""

import os
from collections.abc import Sequence

from malariafuse.datasets._classes import TARGET_NAMES, Classes, class_key
from malariafuse.datasets._layout import common_depth, path_parts
from malariafuse.datasets._listing import name_some

_NEARLY_ALL = 0.9


def check_folders_against_labels(
    names: Sequence[str], target: Sequence[int], classes: Classes
) -> list[str]:
    """Return what to warn of, where class folders say other classes than labels.

    Raises
    ------
    ValueError
        If nearly all images of all classes lie in the folder of another.
    """
    # One letter, as the name of a user or a disk, says nothing.
    words = {word: i for word, i in classes.words().items() if len(word) > 1}
    # A folder that all images lie in says nothing: both classes are in it.
    parts = [path_parts(os.path.abspath(name)) for name in names]
    common = common_depth(parts)
    said = [_folder_target(part[common:-1], words) for part in parts]
    against = [
        f"{name} ({classes.names[label]})"
        for name, folder, label in zip(names, said, target, strict=True)
        if folder is not None and folder != label
    ]
    if not against:
        return []
    # Folders of one class alone prove nothing: those of infected patients may hold
    # uninfected cells.
    shares = [
        sum(label != folder for label in labels) / len(labels)
        for folder in range(len(classes.names))
        if (labels := [t for t, s in zip(target, said, strict=True) if s == folder])
    ]
    if len(shares) > 1 and min(shares) >= _NEARLY_ALL:
        count = f"{len(against)} of {len(names)} images lie in a folder"
        if classes.is_binary:
            raise ValueError(
                f"The labels seem to be reversed: {count} that says the opposite, for "
                f"example {against[0]}. 1 is {TARGET_NAMES[1]} and 0 is "
                f"{TARGET_NAMES[0]} here; Keras and TensorFlow Datasets number the "
                "folders by the alphabet, which makes Parasitized 0. Pass "
                "classes={0: 1, 1: 0} to turn them round."
            )
        raise ValueError(
            f"The labels seem to be in another order: {count} of another class, for "
            f"example {against[0]}. Name the classes in the order of the labels, here "
            f"{list(classes.names)}."
        )
    return [
        f"{len(against)} of {len(names)} images lie in a class folder that contradicts "
        f"their label, which is believed: {name_some(against)}."
    ]


def _folder_target(folders: Sequence[str], words: dict[str, int]) -> int | None:
    """Return the class that the innermost class folder names."""
    for folder in reversed(folders):
        target = words.get(class_key(folder))
        if target is not None:
            return target
    return None
