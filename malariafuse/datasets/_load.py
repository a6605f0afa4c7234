"""Loader of cell images from folders, archives, tables and lists."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import PIL
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from malariafuse._files._read import CellIndex, ImageReadError
from malariafuse._files._resize import check_image_size
from malariafuse._parameters import Booleans, OneOf, check_parameter
from malariafuse._warn import warn
from malariafuse.datasets._bunch import make_bunch
from malariafuse.datasets._cache import CELLS, through_cache
from malariafuse.datasets._classes import Classes, check_classes
from malariafuse.datasets._groups import check_patient_of
from malariafuse.datasets._home import cache_folder
from malariafuse.datasets._listing import Listing
from malariafuse.datasets._reading import check_reading, read_listing
from malariafuse.datasets._sources import list_source

if TYPE_CHECKING:
    import pandas as pd

# Part of every cache key. Increase it if the same files give different pixels, or if
# the index of an entry has different fields.
_CACHE_FORMAT = 4


def load_cell_images(
    path: "str | os.PathLike[str] | pd.DataFrame | ArrayLike | Mapping[Any, Any]",
    *,
    labels: bool = True,
    classes: Mapping[Any, Any] | Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    root: str | os.PathLike[str] | None = None,
    image_size: tuple[int, int] = (48, 48),
    keep_aspect: bool = False,
    patient_of: str | Callable[[Sequence[str]], ArrayLike] | None = "auto",
    cache: bool | str | os.PathLike[str] = True,
    on_error: str = "raise",
    n_jobs: int | None = -1,
    verbose: bool = False,
) -> Bunch:
    """Load images of single cells with their labels and patients.

    Files are decoded and resized by several threads. The result is cached on disk. A
    later call with the same files and parameters memory-maps the cached images.

    Parameters
    ----------
    path : str, path-like, DataFrame, sequence or mapping
        Source of the images, one of the following. The notes give details.

        - a folder or a zip file with a folder for each class, such as ``Parasitized/``
          and ``Uninfected/``. A zip file is read without extracting it;
        - a table (DataFrame or path of a CSV file) with the path and the label of an
          image in each row and, optionally, the patient and the part of a split;
        - a list, array or Series of paths, or a pattern such as ``"cells/*/*.png"``.
          The folder of each path is its class;
        - a dict from classes to a folder, a pattern or a list of paths.
    labels : bool, default=True
        Whether to load labels. If False, all images of a folder, zip file, list,
        pattern or table are loaded without labels, for prediction.
    classes : mapping or sequence of str, default=None
        Classes of folder names and labels. A mapping maps each name to 1 (parasitized)
        or 0 (uninfected), to the name of a class, or to None to exclude it. A sequence
        lists the class names in the order of `target`. None recognizes parasitized,
        infected, positive, P, true and 1, and uninfected, healthy, negative, normal, U,
        N, false and 0. Case and surrounding blanks are ignored.
    columns : mapping of str to str, default=None
        Names of the columns of a table with the keys "path", "label", "patient" and
        "split", such as ``{"label": "diagnosis"}``. Columns with common names, such as
        ``filename``, ``class`` or ``patient_id``, are recognized. A value of None means
        that the table has no such column.
    root : str or path-like, default=None
        Base folder of relative paths in tables, lists, patterns and dicts. None uses
        the folder of a CSV file, and the working directory otherwise.
    image_size : tuple of (height, width), default=(48, 48)
        Size of the returned images in pixels. Sides are downscaled by area averaging
        (OpenCV's ``INTER_AREA``) and upscaled by linear interpolation.
    keep_aspect : bool, default=False
        Whether to preserve the aspect ratio and center the image on black. If False,
        the image is stretched to `image_size`.
    patient_of : {"auto", "folder"}, callable or None, default="auto"
        Source of the patients if a table has no column of patients. "auto" uses
        :func:`patient_ids` on the file names or, if they do not contain the patient,
        the folder inside the class folder. "folder" uses the folder of each file, which
        must not be a class folder. A function takes the list of file names and returns
        the patients as an array of shape (n_samples,). None means that patients are
        unknown.
    cache : bool, str or path-like, default=True
        Folder of the cache of decoded images. True uses the environment variable
        ``MALARIAFUSE_DATA`` if it is set, and the user's cache folder of `platformdirs`
        otherwise, ``~/.cache/malariafuse`` on Linux. False disables the cache and
        returns images in memory.
    on_error : {"raise", "skip"}, default="raise"
        Action for files that cannot be read. "raise" raises one error that lists them.
        "skip" leaves them out, with a warning that lists them.
    n_jobs : int or None, default=-1
        Number of threads, as in joblib. -1 means one thread for each core.
    verbose : bool, default=False
        Whether to show a progress bar while files are read.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes:

        images : ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB in [0, 255]. Read-only and memory-mapped unless ``cache=False`` or a
            skipped file could not be opened. In the order of a table, otherwise sorted
            by class and name. Shuffle before splitting, or use a splitter that
            shuffles.
        target : ndarray of shape (n_samples,), dtype int64, or None
            1 for parasitized, 0 for uninfected, or the index in `target_names` if
            `classes` has other names. None if ``labels=False``.
        groups : ndarray of shape (n_samples,) or None
            Patient of each image, or None if patients are unknown.
        split : ndarray of shape (n_samples,), dtype str, or None
            Part of a predefined split: "train", "validation" or "test" by folder, or
            the value of a column. None if there is no split.
        filenames : ndarray of shape (n_samples,), dtype str
            Absolute path in a folder, name of the member in a zip file, otherwise the
            given path, with `root` prepended if it is set.
        target_names : list of str or None
            ``["uninfected", "parasitized"]``, so that ``target_names[1]`` is positive,
            or the names of `classes`. None if ``labels=False``.
        refused : dict of str to str
            Reason by name of each skipped file. Empty unless ``on_error="skip"``.
        duplicates : pandas.DataFrame
            Duplicate images, as returned by :func:`find_duplicates`, with an additional
            column ``same_file``: whether the files are also identical.
        DESCR : str
            Description of the data set.

    Raises
    ------
    ImageReadError
        If files cannot be read, and `on_error` is "raise" or a whole class is missing.
    OSError
        If the cache cannot be read or written. The message names the folder.
    ValueError
        If there are no images or only one class, names of folders or labels are
        unknown, labels are reversed, patients cannot be determined, a zip file is
        damaged as a whole or has members outside of it, or a parameter is invalid.
    TypeError
        If `path`, `classes`, `columns`, `root` or `patient_of` has an invalid type.
    FileNotFoundError
        If `path` or `root` does not exist, or no file matches a pattern.

    Warns
    -----
    UserWarning
        If there are duplicate images, in particular in several classes, patients or
        parts of a split. Also if patients are in several parts of a split, labels
        contradict class folders, a column of patients contradicts the file names,
        images are in folders that are not class folders, or files were skipped.

    See Also
    --------
    fetch_malaria_cells : Download and load the NIH images.
    find_duplicates : Find identical images in arrays.
    make_cell_images : Generate synthetic images.
    malariafuse.preprocessing.ImageLoader : Load the same images from paths in a
        pipeline.

    Notes
    -----
    BMP, JPEG, PNG and TIFF files are read. They are converted to RGB as follows:

    - grayscale and black-and-white images get three equal channels;
    - palette images get the colors of their palette;
    - transparent images are composited on black, the background of the NIH images:
      ``round(RGB * alpha / 255)``;
    - images with an EXIF orientation are rotated upright.

    Color profiles and gamma values are ignored. The following files are rejected:
    truncated or detectably damaged files, animated and multi-page files, images with
    more than 8 bits per channel, CMYK and other color spaces, sides of fewer than 4
    pixels, more than 4096 * 4096 pixels, files of more than 64 MiB, compressed or not,
    and non-regular files such as folders, named pipes, devices and sockets.

    Damage is always detected in PNG files and in TIFF files with deflate compression,
    which contain checksums. Other formats have no checksums. A JPEG file is rejected if
    its markers are invalid or its data end before its pixels, which detects about one
    in ten single-bit errors. A BMP file is rejected if its length differs from its
    header. Any other TIFF file is rejected if its strips do not match its length or
    decoding fails. Other damage to pixels is not detected: store images as PNG, or
    verify the files with checksums. A zip file contains a checksum of each member.

    **Folders and zip files.** All subfolders are searched. The class of a file is its
    outermost class folder. All class folders must have the same parent, at any depth.
    Folders ``train/``, ``val/`` (``valid/``, ``validation/``) and ``test/`` may be
    above or directly inside the class folders. A further folder inside a class folder
    is a patient. The same rules apply to the folders of lists, patterns and dicts.
    System files and folders are ignored: names that begin with a dot, ``Thumbs.db``,
    ``desktop.ini``, ``__MACOSX``, ``@eaDir``, ``lost+found``, ``$RECYCLE.BIN`` and
    ``System Volume Information``. Any other file in a class folder must be an image.
    Images in other folders are left out with a warning. A nested copy,
    ``cell_images/cell_images/``, is left out. It raises an error if it has different
    files.

    **Tables.** Labels are numbers or names, as in `classes`. Labels are compared with
    the class folders of the files. If nearly all labels contradict the folders, the
    labels are reversed, which raises an error. Labels are often reversed if classes are
    numbered alphabetically, with 0 for Parasitized. The values of a CSV file are read
    as strings.

    **Patients.** A column of patients has priority. File names are used if all of them
    begin with ``C`` and a number. If a folder inside a class folder has several of
    these numbers, the patient is ambiguous: pass `patient_of` to choose the folder or
    the number. Without labels, `groups` is None if the patients cannot be determined.

    **Cache.** Files are identified by path, size and modification time. Nothing is
    cached if a skipped file is missing or cannot be opened. Each call verifies the
    cached images by a stored SHA-256, which takes about a second for 500 MB. If they
    have changed, the files are read again, with a warning. The cache is never emptied.
    Delete ``cells-*`` to free space. Files of a killed process are deleted by the next
    call that writes to the cache.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from PIL import Image
    >>> from malariafuse.datasets import load_cell_images
    >>> with TemporaryDirectory() as folder:
    ...     for name in ["Parasitized/C1P1_cell_1.png", "Uninfected/C2P2_cell_1.png"]:
    ...         path = Path(folder, name)
    ...         path.parent.mkdir()
    ...         shade = 100 + len(name)
    ...         Image.fromarray(np.full((50, 40, 3), shade, dtype=np.uint8)).save(path)
    ...     cells = load_cell_images(folder, image_size=(32, 32), cache=False)
    >>> cells.images.shape, cells.target, cells.groups
    ((2, 32, 32, 3), array([1, 0]), array([1, 2]))
    """
    check_reading(
        image_size=image_size, keep_aspect=keep_aspect, n_jobs=n_jobs, verbose=verbose
    )
    size = check_image_size(image_size)
    check_parameter("labels", labels, (Booleans(),))
    check_parameter("on_error", on_error, (OneOf("raise", "skip"),))
    folder = cache_folder(cache)
    known = check_classes(classes)
    listing = list_source(
        path, classes=known, labels=bool(labels), root=root, columns=columns
    )
    check_patient_of(patient_of, listing)
    _check_both_classes(listing, known)

    def fill(take: Callable[[NDArray[np.uint8]], None]) -> CellIndex:
        index = read_listing(
            listing,
            take,
            image_size=size,
            keep_aspect=keep_aspect,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        _check_refused(index, listing, on_error)
        return index

    if folder is None:
        blocks: list[NDArray[np.uint8]] = []
        index = fill(blocks.append)
        images = np.concatenate(blocks)
    else:
        key = _cache_key(listing.fingerprint, size, keep_aspect)
        images, index = through_cache(folder / f"{CELLS}{key}", (*size, 3), fill)
        _check_refused(index, listing, on_error)
    cells, remarks = make_bunch(images, index, listing, known, patient_of)
    for remark in remarks:
        warn(remark)
    return cells


def _check_both_classes(listing: Listing, classes: Classes) -> None:
    if listing.target is None:
        return
    found = set(listing.target)
    missing = [name for i, name in enumerate(classes.names) if i not in found]
    # With many classes, such as parasite stages, some may be absent.
    if len(found) < 2:
        raise ValueError(
            f"Found no {missing[0]} cell among {len(listing.names)} image(s): expected "
            "both classes. If the images have no labels, pass labels=False. "
            f"{' '.join(listing.remarks)}".rstrip()
        )


def _check_refused(index: CellIndex, listing: Listing, on_error: str) -> None:
    """Raise if files were rejected, unless they are skipped and all classes remain."""
    if not index.refused:
        return
    kept = listing.without(index.refused)
    lost = set(listing.target or ()) - set(kept.target or ())
    if on_error == "raise" or lost or not kept.names:
        raise ImageReadError(index.refused)


def _cache_key(fingerprint: str, size: tuple[int, int], keep_aspect: bool) -> str:
    # Decoded and resized pixels may depend on the versions of these libraries.
    versions = [_CACHE_FORMAT, cv2.__version__, PIL.__version__]
    parts = json.dumps([fingerprint, size, bool(keep_aspect), versions])
    return sha256(parts.encode()).hexdigest()[:32]
