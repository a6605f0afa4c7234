"""Comparison of labels with class folders."""

import os
from collections.abc import Sequence

from malariafuse.datasets._classes import TARGET_NAMES, Classes, class_key
from malariafuse.datasets._layout import common_depth, path_parts
from malariafuse.datasets._listing import name_some

_NEARLY_ALL = 0.9


def check_folders_against_labels(
    names: Sequence[str], target: Sequence[int], classes: Classes
) -> list[str]:
    """Return warnings about labels that contradict class folders.

    Raises
    ------
    ValueError
        If nearly all images of all classes are in the folder of another class.
    """
    # A single letter is ignored, because it may be the name of a user or a disk.
    words = {word: i for word, i in classes.words().items() if len(word) > 1}
    # A folder with all images is ignored, because both classes are in it.
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
    # Folders of one class only are ignored: folders of infected patients may have
    # uninfected cells.
    shares = [
        sum(label != folder for label in labels) / len(labels)
        for folder in range(len(classes.names))
        if (labels := [t for t, s in zip(target, said, strict=True) if s == folder])
    ]
    if len(shares) > 1 and min(shares) >= _NEARLY_ALL:
        count = f"{len(against)} of {len(names)} images are in a folder"
        if classes.is_binary:
            raise ValueError(
                f"The labels seem to be reversed: {count} of the opposite class, for "
                f"example {against[0]}. Expected 1 for {TARGET_NAMES[1]} and 0 for "
                f"{TARGET_NAMES[0]}. Keras and TensorFlow Datasets number the folders "
                "alphabetically, with 0 for Parasitized. Pass classes={0: 1, 1: 0} to "
                "reverse the labels."
            )
        raise ValueError(
            f"The labels seem to be in another order: {count} of another class, for "
            f"example {against[0]}. Pass the classes in the order of the labels "
            f"instead of {list(classes.names)}."
        )
    return [
        f"{len(against)} of {len(names)} images are in a class folder that contradicts "
        f"their label. The label is used: {name_some(against)}."
    ]


def _folder_target(folders: Sequence[str], words: dict[str, int]) -> int | None:
    """Return the class of the innermost class folder."""
    for folder in reversed(folders):
        target = words.get(class_key(folder))
        if target is not None:
            return target
    return None
