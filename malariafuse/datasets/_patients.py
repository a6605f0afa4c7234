"""Patients from names of NIH cell images."""

import os
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from malariafuse._shown import short_repr
from malariafuse.datasets._listing import name_some

_PATIENT = re.compile(r"(?:.*[/\\])?C([0-9]{1,18})(?![0-9])[^/\\]*", re.DOTALL)


def patient_ids(filenames: Iterable[str | os.PathLike[str]]) -> NDArray[np.int64]:
    r"""Extract patients from the file names of NIH cell images.

    The names of the NIH cell images begin with the patient, ``C`` and an integer, such
    as ``C39P4thinF_original_IMG_20150622_110115_cell_26.png``. The pattern is
    ``^C(\d+)`` on the last part of the path. The number after ``P`` is the slide. It is
    absent in one of eight names and ignored.

    Parameters
    ----------
    filenames : iterable of str or path-like
        Names or paths of images. Folders, separated by ``/`` or ``\``, are ignored.

    Returns
    -------
    ndarray of shape (n_samples,), dtype int64
        Number after the leading ``C``, for use as `groups`.

    Raises
    ------
    ValueError
        If a name does not begin with ``C`` and a number of at most 18 digits. The
        message lists the files.
    TypeError
        If `filenames` is a single name, or an item is not a name.

    See Also
    --------
    load_cell_images : Load images and use this function for `groups`.

    Notes
    -----
    The 27,558 official names have 200 patients, 150 infected and 50 healthy. Cells of
    one patient are correlated, so a split with the same patient in both parts makes
    metrics too optimistic [1]_.

    References
    ----------
    .. [1] S. Rajaraman et al., "Pre-trained convolutional neural networks as feature
       extractors toward improved malaria parasite detection in thin blood smear
       images", PeerJ 6:e4568, 2018.

    Examples
    --------
    >>> from malariafuse.datasets import patient_ids
    >>> patient_ids(["Parasitized/C39P4thinF_cell_26.png", "C241NThinF_cell_9.png"])
    array([ 39, 241])
    """
    if isinstance(filenames, str | bytes | os.PathLike):
        raise TypeError(
            f"filenames is a single name, {short_repr(filenames)}: expected a list of "
            "names. Pass [filenames]."
        )
    if not isinstance(filenames, Iterable) or getattr(filenames, "ndim", 1) == 0:
        raise TypeError(
            f"filenames is of type {type(filenames).__name__}: expected a list of file "
            "names."
        )
    names = [_as_name(name, i) for i, name in enumerate(filenames)]
    matches = [_PATIENT.fullmatch(name) for name in names]
    ids = [int(match[1]) for match in matches if match]
    if len(ids) < len(names):
        wrong = [name for name, match in zip(names, matches, strict=True) if not match]
        raise ValueError(
            f"filenames: {len(wrong)} of {len(names)} do not begin with 'C' and the "
            "number of a patient, such as 'C39P4thinF_cell_26.png': "
            f"{name_some(wrong)}."
        )
    return np.array(ids, dtype=np.int64)


def _as_name(name: object, position: int) -> str:
    path = os.fspath(name) if isinstance(name, str | os.PathLike) else None
    if not isinstance(path, str):
        raise TypeError(
            f"filenames[{position}] is of type {type(name).__name__}: expected a file "
            "name, str or path-like."
        )
    return path
