"""Cell images from folders, archives, tables and lists."""

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

# Part of every cache key: raise it when the same files would give other pixels, or
# when the index of an entry has other fields.
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

    Files are decoded and resized by several threads. The result is kept on disk, so
    that the next call with the same files and parameters only maps it into memory.

    Parameters
    ----------
    path : str, path-like, DataFrame, sequence or mapping
        The source of the images, one of

        - a folder or a zip file with a folder for each class, such as
          ``Parasitized/`` and ``Uninfected/``. A zip file is read in place, never
          extracted;
        - a table, a DataFrame or the path of a CSV file, with a path and a label in
          each row and, if known, a patient and a side of a split;
        - a list, array or Series of paths, or a pattern such as
          ``"cells/*/*.png"``. The folders of each path say its class;
        - a dict from classes to a folder, a pattern or a list of paths.

        The notes say how each of them is read.
    labels : bool, default=True
        Whether the images have labels. False loads all images of a folder, zip file,
        list, pattern or table without any, for prediction.
    classes : mapping or sequence of str, default=None
        The names of folders and labels. A mapping goes from a name to 1 (parasitized)
        or 0 (uninfected), to the name of a class, or to None for what is to be left
        out. A sequence has the names of the classes in the order of `target`. None
        knows parasitized, infected, positive, P, true and 1 as well as uninfected,
        healthy, negative, normal, U, N, false and 0. Upper and lower case and blanks
        around a name play no part.
    columns : mapping of str to str, default=None
        The columns of a table that are "path", "label", "patient" and "split", as in
        ``{"label": "diagnosis"}``. Columns with usual names, such as ``filename``,
        ``class`` or ``patient_id``, are found without it. None as a value says that
        the table has no such column.
    root : str or path-like, default=None
        The folder that relative paths in tables, lists, patterns and dicts start
        from. None is the folder of a CSV file and else the working directory.
    image_size : tuple of (height, width), default=(48, 48)
        The size of the returned images in pixels. A side that shrinks is averaged over
        areas (OpenCV's ``INTER_AREA``), a side that grows is interpolated linearly.
    keep_aspect : bool, default=False
        Whether the image keeps its ratio of height to width and is centered on black.
        By default it is stretched to `image_size`.
    patient_of : {"auto", "folder"}, callable or None, default="auto"
        The source of the patients, where no column of a table says them. "auto" reads
        the file names with :func:`patient_ids` and, where these do not tell, takes the
        folder inside the class folder. "folder" takes the folder of each file, which
        must be none of a class. A function turns the list of file names into one
        patient each, an array of shape (n_samples,). None says that patients are not
        known.
    cache : bool, str or path-like, default=True
        The folder that keeps the decoded images. True is the folder named by the
        environment variable ``MALARIAFUSE_DATA``, or else the user's cache folder as
        `platformdirs` knows it, ``~/.cache/malariafuse`` on Linux. False keeps
        nothing on disk and the images in memory.
    on_error : {"raise", "skip"}, default="raise"
        Reaction to files that cannot be read. "raise" raises one error that
        counts and names them; "skip" leaves them out, with a warning that does so.
    n_jobs : int or None, default=-1
        The number of threads, as in joblib; -1 is one for each core.
    verbose : bool, default=False
        Whether to show a progress bar while files are read.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        images : ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB in 0..255. Read-only and memory-mapped unless ``cache=False`` or a
            skipped file could not be opened. In the order of a table, else sorted by
            class and name: shuffle, or split with a splitter that does, before you cut
            it in two.
        target : ndarray of shape (n_samples,), dtype int64, or None
            1 for parasitized, 0 for uninfected; the position in `target_names` if
            `classes` names others. None if ``labels=False``.
        groups : ndarray of shape (n_samples,) or None
            The patient of each image.
        split : ndarray of shape (n_samples,), dtype str, or None
            The side of a split that was made before: "train", "validation" or "test" by
            folder, or what a column says. None if there is no split.
        filenames : ndarray of shape (n_samples,), dtype str
            The absolute path in a folder, the name of the member in a zip file, the
            path as it was given elsewhere, behind `root` if there is one.
        target_names : list of str or None
            ``["uninfected", "parasitized"]``, so that ``target_names[1]`` is positive,
            or the names of `classes`. None if ``labels=False``.
        refused : dict of str to str
            The names of skipped files, with reasons; empty unless ``on_error="skip"``.
        duplicates : pandas.DataFrame
            The images whose files or pixels are equal, as :func:`find_duplicates`
            returns them, with a column ``same_file`` that says whether the files are
            equal, too.
        DESCR : str
            A description of the images, with their number.

    Warns
    -----
    UserWarning
        If images are equal, in particular in several classes, under several patients
        or on several sides of a split; if patients are on several sides of a split; if
        some labels contradict the class folder that a file lies in; if a column of
        patients contradicts the file names; if images lie in folders that name no
        class; if files were skipped.

    Raises
    ------
    ImageReadError
        If files cannot be read, and `on_error` is "raise" or a whole class is lost.
    OSError
        If the cache cannot be read or written. The message names its folder.
    ValueError
        If there are no images or only one class, folders or labels name no known
        class, labels are reversed, nothing tells the patients, a zip file is damaged
        as a whole or has members that point out of it, or a parameter is wrong.
    TypeError
        If `path`, `classes`, `columns`, `root` or `patient_of` is of a wrong type.
    FileNotFoundError
        If `path` or `root` does not exist, or no file matches a pattern.

    See Also
    --------
    fetch_malaria_cells : Downloads the NIH images and loads them.
    find_duplicates : Finds equal images in arrays.
    make_cell_images : Draws images that look like cells.
    malariafuse.preprocessing.ImageLoader : The same images, from paths, in a pipeline.

    Notes
    -----
    BMP, JPEG, PNG and TIFF files are read. These conversions are exact:

    - gray and black-and-white images get three equal channels;
    - palette images get the colors of their palette;
    - transparent images are laid on black, ``round(RGB * alpha / 255)``, since black is
      the background of the NIH images;
    - images with an orientation mark (EXIF) are turned upright.

    Color profiles and gamma marks are ignored. Refused are: truncated files, files
    whose damage can be known, animated and multi-page files, more than 8 bits a
    channel, CMYK and other color spaces, sides of fewer than 4 pixels, more than
    4096 * 4096 pixels, files of more than 64 MiB, packed or unpacked, and what is no
    regular file: folders, named pipes, devices and sockets.

    Damage can be known for certain in PNG files and in TIFF files packed by deflate,
    which hold checksums. The other formats hold none. A JPEG file is refused if its
    marks are wrong or its data end before its pixels, which about one changed bit in
    ten brings about. A BMP file is refused if its length is not that of its header, and
    any other TIFF file if its strips do not fit its length or its decoder finds a
    fault. Other damage to their pixels looks like an image and is taken: keep images as
    PNG, or compare the files with checksums of your own. A zip file holds a checksum of
    each member.

    **Folders and zip files.** All folders are searched. The outermost one that names a
    class is the class of a file. Class folders must lie side by side, at any depth.
    Above or right inside them there may be ``train/``, ``val/`` (``valid/``,
    ``validation/``) and ``test/``. One more folder inside a class folder is a patient.
    Inside the folders of lists, patterns and dicts it is the same.
    Files and folders that operating systems leave behind are no images: those whose
    names begin with a dot, ``Thumbs.db``, ``desktop.ini``, ``__MACOSX``, ``@eaDir``,
    ``lost+found``, ``$RECYCLE.BIN`` and ``System Volume Information``. Any other file
    in a class folder is read, or is an error. Images elsewhere are left out with a
    warning. A nested second copy, ``cell_images/cell_images/``, is left out, and is an
    error if it holds other files.

    **Tables.** Labels are numbers or words, as for `classes`. A label is compared with
    the class folder that its file lies in: if nearly all contradict, the labels are
    reversed, as those are that number Parasitized as 0 by the alphabet, and that is an
    error. The values of a CSV file are read as text.

    **Patients.** A column comes first. File names count if all of them begin with ``C``
    and a number. It is an error if a folder inside a class folder holds several of
    these numbers, since either the folder or the number may be the patient, and
    `patient_of` has to say so. Without labels, `groups` is None where nothing tells
    the patients.

    The cache knows files by path, size and time of change. Nothing is kept while a
    skipped file is missing or cannot be opened. Each call compares what it
    finds there with a stored SHA-256, which takes about a second for 500 MB, and reads
    the files again, with a warning, if an image has changed. The cache is
    never emptied: delete ``cells-*`` in it to free space. What a killed process leaves
    behind is deleted by the next call that writes there.

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
    # Of many classes, such as the stages of parasites, a set may lack some.
    if len(found) < 2:
        raise ValueError(
            f"Found no {missing[0]} cell among {len(listing.names)} image(s); a "
            "classifier needs both classes. If the images have no labels, pass "
            f"labels=False. {' '.join(listing.remarks)}".rstrip()
        )


def _check_refused(index: CellIndex, listing: Listing, on_error: str) -> None:
    """Raise if files were refused, unless skipping them leaves all classes."""
    if not index.refused:
        return
    kept = listing.without(index.refused)
    lost = set(listing.target or ()) - set(kept.target or ())
    if on_error == "raise" or lost or not kept.names:
        raise ImageReadError(index.refused)


def _cache_key(fingerprint: str, size: tuple[int, int], keep_aspect: bool) -> str:
    # The pixels of a decoded and resized image may change with these libraries.
    versions = [_CACHE_FORMAT, cv2.__version__, PIL.__version__]
    parts = json.dumps([fingerprint, size, bool(keep_aspect), versions])
    return sha256(parts.encode()).hexdigest()[:32]
