"""Loader of the cells of photographs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Memory, Parallel, delayed
from numpy.typing import ArrayLike

from malariafuse._bunch import Bunch
from malariafuse._files._kept import KeptResults, as_memory
from malariafuse._files._read import ImageReadError, describe_refused
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import (
    N_JOBS,
    Booleans,
    Instances,
    Nothing,
    OneOf,
    Paths,
    check_parameter,
)
from malariafuse._progress import Progress
from malariafuse._texts import text_column
from malariafuse._warn import warn
from malariafuse._workers import limit_opencv
from malariafuse.smears._cells import CellMasks, PhotoCells
from malariafuse.smears._find import SEGMENTER, Segmenter
from malariafuse.smears._odd import first_places, report_odd_photos, unlike_others
from malariafuse.smears._one import Settings, find_photo_cells
from malariafuse.smears._segmenter import CellSegmenter
from malariafuse.smears._sources import Photos, list_photos

_MEMORY = (Nothing(), Paths(), Instances(Memory, "a joblib.Memory"))
_BOX = ["x", "y", "width", "height"]


def load_smear_photos(
    photos: "str | os.PathLike[str] | pd.DataFrame | Sequence[Any] | Mapping[Any, Any]",
    *,
    patients: ArrayLike | None = None,
    segmenter: "Segmenter | None" = None,
    image_size: tuple[int, int] = (48, 48),
    keep_aspect: bool = False,
    keep_flagged: bool = False,
    upright: bool = False,
    on_error: str = "raise",
    on_problem: str = "warn",
    memory: "str | Path | Memory | None" = None,
    n_jobs: int | None = -1,
    verbose: bool = False,
) -> Bunch:
    """Load photographs of thin smears and segment their cells.

    The cells of each photograph are segmented. Each cell is cropped to its bounding
    box, pixels outside its outline are set to black, and the crop is resized. The
    result resembles the NIH cell images, on which classifiers are trained.

    Parameters
    ----------
    photos : str, path-like, sequence, DataFrame or mapping
        Photographs, one of the following:

        - a folder of BMP, JPEG, PNG and TIFF files, which are read in the order of
          their names, or a pattern such as ``"smears/*/*.jpg"``;
        - a list of paths, file contents as bytes, open binary files or RGB arrays of
          shape (height, width, 3), dtype uint8;
        - a table with a column ``path`` and, optionally, a column ``patient``;
        - a dict from patients to folders, patterns or lists.
    patients : array-like of shape (n_photos,), default=None
        Patient of each photograph, if `photos` does not contain the patients.
    segmenter : CellSegmenter or callable, default=None
        Segmenter of the cells. A function takes a photograph, an RGB array of shape
        (height, width, 3), dtype uint8, and returns a label image of shape (height,
        width), with 0 for the background and a different integer for each cell. It is
        called from several threads unless ``n_jobs=1``. None uses ``CellSegmenter()``.
    image_size : tuple of (height, width), default=(48, 48)
        Size of the returned images in pixels, as in
        :func:`malariafuse.datasets.load_cell_images`.
    keep_aspect : bool, default=False
        Whether to preserve the aspect ratio of a cell and center it on black.
    keep_flagged : bool, default=False
        Whether to return flagged regions together with the cells: white blood cells,
        debris, clumps and cells that are cut by the border.
    upright : bool, default=False
        Whether to rotate photographs by their EXIF orientation, see :func:`read_photo`.
    on_error : {"raise", "skip"}, default="raise"
        Action for photographs that cannot be read. "raise" raises one error that lists
        them. "skip" leaves them out, with a warning that lists them.
    on_problem : {"warn", "keep", "raise"}, default="warn"
        Action for photographs with a quality problem of :func:`photo_quality`. "warn"
        leaves out their cells, with a warning that lists the photographs. "keep"
        segments them anyway, with a warning. "raise" raises an error. The table
        `photos` always includes them.
    memory : str, pathlib.Path or joblib.Memory, default=None
        Cache of the cells. The cells of a photograph are loaded from the cache if its
        file or pixels and all relevant parameters are unchanged. None disables the
        cache. The result of a function or of a subclass of :class:`CellSegmenter` is
        not cached, because its code cannot be compared.
    n_jobs : int or None, default=-1
        Number of threads, as in joblib. -1 means one thread for each core. Each thread
        has one photograph in memory. Processes are used instead of threads if
        `joblib.parallel_config` selects a process backend such as "dask", unless
        `photos` contains open files.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        images : ndarray of shape (n_cells, height, width, 3), dtype uint8
            RGB images in [0, 255], black outside the cell, in the order of the
            photographs.
        boxes : ndarray of shape (n_cells, 4), dtype int64
            x, y, width and height of each cell in pixels of its photograph. The first
            pixel is (0, 0).
        areas : ndarray of shape (n_cells,), dtype int64
            Number of pixels of each cell.
        flags : ndarray of shape (n_cells,), dtype str
            Reason why a region is not counted, see :func:`tabulate_cells`, or "" for a
            red cell. All "" unless ``keep_flagged=True``.
        masks : sequence of ndarray of shape (height, width), dtype bool
            Mask of each cell in its box, unpacked on demand.
        photo : ndarray of shape (n_cells,), dtype int64
            Row of the photograph of each cell in `photos`.
        groups : ndarray of shape (n_cells,) or None
            Patient of each cell, or None if patients are unknown.
        photos : pandas.DataFrame
            One row for each photograph that was read, with the columns ``name``,
            ``patient`` (if known), ``height``, ``width``, ``n_cells`` and ``n_flagged``
            (numbers of red cells and of flagged regions), the measures of
            :func:`photo_quality` and its ``problem`` ("" without a problem).
            ``digest`` is the SHA-256 of the pixels, as hexadecimal digits. ``same_as``
            is the name of the first photograph with the same pixels, or "".
            ``unlike_others`` lists which of "diameter", "stain" and "hue" differ from
            the other photographs of the patient, or "".
        sources : list
            Path, bytes, open file or array of each photograph, in the order of
            `photos`.
        refused : dict of str to str
            Reason by name of each skipped photograph. Empty unless ``on_error="skip"``.
        DESCR : str
            Description of the data set.

    Raises
    ------
    ImageReadError
        If photographs cannot be read and ``on_error="raise"``, or if none can be read.
    FileNotFoundError
        If a folder has no photograph, or no file matches a pattern.
    ValueError
        If `photos` is empty, patients are missing or of the wrong number, the shape of
        a label image differs from its photograph, or photographs have a quality problem
        and ``on_problem="raise"``.
    OSError
        If the folder of `memory` cannot be written to.
    TypeError
        If `photos` or one of its items has an invalid type.

    Warns
    -----
    UserWarning
        If photographs were skipped, have a quality problem, have the same pixels (in
        particular in several patients), or differ from the others of their patient.

    See Also
    --------
    malariafuse.datasets.load_cell_images : Load images of single cells.
    photo_quality : Measure the quality of a photograph.
    read_photo : Read a photograph.
    CellSegmenter : Segment the cells of a photograph.

    Notes
    -----
    Peak memory is that of one photograph for each thread, and of the cells.

    A photograph differs from the others of its patient if the ratio of its diameter to
    their median is above 1.25 or below 1 / 1.25, if the same ratio of the stain is
    above 1.6 or below 1 / 1.6, or if its hue differs by more than 25 degrees. The cause
    may be photographs of two patients or of two magnifications.

    Examples
    --------
    >>> import cv2
    >>> import numpy as np
    >>> from malariafuse.smears import load_smear_photos
    >>> photo = np.full((300, 400, 3), (235, 225, 230), dtype=np.uint8)
    >>> for x, y in [(80, 80), (200, 90), (120, 200), (330, 210)]:
    ...     _ = cv2.circle(photo, (x, y), 30, (200, 120, 150), cv2.FILLED)
    >>> cells = load_smear_photos({"Ada": [photo]})
    >>> cells.images.shape, cells.groups.tolist()
    ((4, 48, 48, 3), ['Ada', 'Ada', 'Ada', 'Ada'])

    A custom segmenter, a function from a photograph to a label image:

    >>> def threshold(photo):
    ...     return cv2.connectedComponents((photo[..., 1] < 180).astype(np.uint8))[1]
    >>> load_smear_photos([photo], segmenter=threshold).boxes[0]
    array([50, 50, 61, 61])
    """
    size = check_image_size(image_size)
    for name, value in (
        ("keep_aspect", keep_aspect),
        ("keep_flagged", keep_flagged),
        ("upright", upright),
        ("verbose", verbose),
    ):
        check_parameter(name, value, (Booleans(),))
    check_parameter("on_error", on_error, (OneOf("raise", "skip"),))
    check_parameter("n_jobs", n_jobs, N_JOBS)
    check_parameter("on_problem", on_problem, (OneOf("warn", "keep", "raise"),))
    check_parameter("segmenter", segmenter, SEGMENTER)
    check_parameter("memory", memory, _MEMORY)
    settings = Settings(
        CellSegmenter() if segmenter is None else segmenter,
        size,
        keep_aspect=bool(keep_aspect),
        keep_flagged=bool(keep_flagged),
        upright=bool(upright),
        despite_problems=on_problem == "keep",
    )
    if isinstance(settings.segmenter, CellSegmenter):
        settings.segmenter.fit()
    kept = KeptResults(as_memory(memory), "cells")
    listed = list_photos(photos, patients)

    found: dict[int, PhotoCells] = {}
    refused: dict[str, str] = {}
    # Open files can be read in this process only.
    here = any(hasattr(item, "read") for item in listed.items)
    kind = {"require": "sharedmem"} if here else {"prefer": "threads"}
    parallel = Parallel(n_jobs=n_jobs, return_as="generator", **kind)
    results = parallel(
        delayed(_find)(item, name, settings, kept)
        for item, name in zip(listed.items, listed.names, strict=True)
    )
    with Progress(
        total=len(listed.items), unit="photo", disable=not verbose
    ) as progress:
        for place, result in enumerate(results):
            if isinstance(result, ImageReadError):
                (reason,) = result.refused.values()
                refused[listed.names[place]] = reason
            else:
                found[place] = result
            progress.update()
    if refused and (on_error == "raise" or not found):
        raise ImageReadError(refused)
    if refused:
        warn(f"Skipped: {describe_refused(refused)}")
    bunch = _make_bunch(listed, found, refused, size)
    digests = [cells.digest for cells in found.values()]
    first = first_places(digests)
    bunch.photos["digest"] = [digest.hex() for digest in digests]
    names = bunch.photos["name"].to_numpy()
    bunch.photos["same_as"] = text_column(
        np.where(np.arange(len(names)) == first, "", names[first])
    )
    bunch.photos["unlike_others"] = unlike_others(bunch.photos)
    report_odd_photos(bunch.photos, first, on_problem)
    return bunch


def _find(
    item: Any, name: str, settings: Settings, kept: KeptResults
) -> PhotoCells | ImageReadError:
    limit_opencv()
    try:
        return find_photo_cells(item, name, settings, kept)
    except ImageReadError as error:
        return error
    except Exception as error:
        error.add_note(f"During the segmentation of {name}.")
        raise


def _make_bunch(
    listed: Photos,
    found: dict[int, PhotoCells],
    refused: dict[str, str],
    size: tuple[int, int],
) -> Bunch:
    results = list(found.values())
    names = [listed.names[place] for place in found]
    table = pd.concat([result.table for result in results], ignore_index=True)
    numbers = [len(result.table) for result in results]
    photo = np.repeat(np.arange(len(results)), numbers)
    groups = None
    photos = pd.DataFrame({"name": text_column(names)})
    if listed.groups is not None:
        photos["patient"] = text_column(listed.groups[list(found)])
        groups = listed.groups[list(found)][photo]
    photos["height"], photos["width"] = zip(*(r.shape for r in results), strict=True)
    photos["n_cells"] = [int((r.table["flag"] == "").sum()) for r in results]
    photos["n_flagged"] = [r.n_flagged for r in results]
    qualities = pd.DataFrame([r.quality for r in results])
    photos = pd.concat([photos, qualities], axis=1)
    images = [result.images for result in results]
    return Bunch(
        images=np.concatenate(images).reshape(-1, *size, 3),
        boxes=table[_BOX].to_numpy(dtype=np.int64),
        areas=table["area"].to_numpy(dtype=np.int64),
        flags=table["flag"].to_numpy(dtype=str),
        masks=CellMasks([mask for r in results for mask in r.masks.packed()]),
        photo=photo,
        groups=groups,
        photos=photos,
        sources=[listed.items[place] for place in found],
        refused=refused,
        DESCR=(
            f"{len(table)} cells of {len(results)} photograph(s) of thin smears, "
            f"{size[0]} x {size[1]} pixels, RGB, without labels.\n"
        ),
    )
