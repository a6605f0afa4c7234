"""How the NIH cell images lie in a folder or an archive."""

import re
from collections import defaultdict
from collections.abc import Iterable

CLASS_FOLDERS = {"parasitized": 1, "uninfected": 0}
PREFIX_FOLDER = "cell_images"
_CELL = re.compile(
    rf"((?:{PREFIX_FOLDER}/)*)({'|'.join(CLASS_FOLDERS)})/(.+)", re.IGNORECASE
)
_LITTER = re.compile(r"thumbs\.db|desktop\.ini|\..*", re.IGNORECASE)


def select_cells(names: Iterable[str], where: str) -> tuple[list[str], list[int]]:
    """Return the sorted names of the cells among `names`, and their targets.

    Parameters
    ----------
    names : iterable of str
        All files, relative, with ``/`` between folders.
    where : str
        What error messages call the folder or archive.
    """
    copies: dict[int, dict[str, tuple[str, int]]] = defaultdict(dict)
    for name in names:
        match = _CELL.fullmatch(name)
        if match is None:
            continue
        prefix, folder, file = match.groups()
        if _LITTER.fullmatch(file):
            continue
        if "/" in file:
            raise ValueError(
                f"{where}: {name!r} lies in a folder inside a class folder. Images "
                "must lie directly in Parasitized/ and Uninfected/."
            )
        label = CLASS_FOLDERS[folder.lower()]
        copies[prefix.count("/")][f"{folder}/{file}"] = name, label
    if not copies:
        raise ValueError(
            f"{where}: found no image. Expected files in Parasitized/ and Uninfected/, "
            f"at the top or in {PREFIX_FOLDER}/."
        )
    cells = copies.pop(min(copies))
    # The widespread copy of the archive that repeats all images one level deeper.
    for copy in copies.values():
        extra = sorted(copy.keys() - cells.keys())
        if extra:
            raise ValueError(
                f"{where}: a nested {PREFIX_FOLDER}/ holds {len(extra)} file(s) that "
                "the outer class folders lack, for example "
                f"{copy[extra[0]][0]!r}. Pass the one of the two that is meant."
            )
    selected = [cells[key] for key in sorted(cells)]
    return [name for name, _ in selected], [label for _, label in selected]
