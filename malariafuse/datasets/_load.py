"""Labelled cell images from a folder, an archive or a table."""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import PIL
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch
from tqdm.auto import tqdm

from malariafuse._files._read import CellIndex, describe_refused, read_images
from malariafuse._files._resize import check_image_size
from malariafuse.datasets._cache import through_cache
from malariafuse.datasets._home import cache_folder
from malariafuse.datasets._patients import patient_ids
from malariafuse.datasets._sources import Source, open_source

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = ("uninfected", "parasitized")
# Part of every cache key: raise it when the same files would give other pixels.
_CACHE_FORMAT = 2


def load_cell_images(
    path: "str | os.PathLike[str] | pd.DataFrame",
    *,
    image_size: tuple[int, int] = (48, 48),
    keep_aspect: bool = False,
    groups: Callable[[Sequence[str]], ArrayLike] | None = patient_ids,
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
    path : str, path-like or pandas.DataFrame
        One of

        - a folder or a zip file laid out as the NIH cell images: image files directly
          in ``Parasitized/`` and ``Uninfected/``, at the top or in ``cell_images/``.
          Upper and lower case are alike. ``Thumbs.db``, ``desktop.ini`` and hidden
          files are no images, and files outside the class folders are not looked at.
          A nested second copy, ``cell_images/cell_images/``, is left out, and is an
          error if it holds other files. A zip file is read in place, never extracted.
        - a table with the columns ``path`` and ``label`` (``"parasitized"`` or
          ``"uninfected"``, or 1 and 0) and, if known, ``patient``.

    image_size : tuple of (height, width), default=(48, 48)
        The size of the returned images in pixels. A side that shrinks is averaged over
        areas (OpenCV's ``INTER_AREA``), a side that grows is interpolated linearly.
    keep_aspect : bool, default=False
        Whether the image keeps its ratio of height to width and is centered on black.
        By default it is stretched to `image_size`.
    groups : callable or None, default=patient_ids
        The function that turns the list of file names into one patient each, an array
        of shape (n_samples,). None says that patients are not known. The column
        ``patient`` of a table comes first.
    cache : bool, str or path-like, default=True
        The folder that keeps the decoded images. True is the folder named by the
        environment variable ``MALARIAFUSE_DATA``, or else the user's cache folder as
        `platformdirs` knows it, ``~/.cache/malariafuse`` on Linux. False keeps
        nothing on disk and the images in memory.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that cannot be read. "raise" raises one error that
        counts and names them; "skip" leaves them out, with a warning that does so.
    n_jobs : int or None, default=-1
        The number of threads, as in joblib; -1 is one for each core.
    verbose : bool, default=False
        Whether to show a progress bar while files are read.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        With the attributes

        images : ndarray of shape (n_samples, height, width, 3), dtype uint8
            RGB in 0..255. Read-only and memory-mapped unless ``cache=False``. In the
            order of a table, else sorted by class and name: shuffle, or split with a
            splitter that does, before you cut it in two.
        target : ndarray of shape (n_samples,), dtype int64
            1 for parasitized, 0 for uninfected.
        groups : ndarray of shape (n_samples,) or None
            The patient of each image.
        filenames : ndarray of shape (n_samples,), dtype str
            The absolute path in a folder, the name of the member in a zip file, the
            path as it stands in a table.
        target_names : list of str
            ``["uninfected", "parasitized"]``, so that ``target_names[1]`` is positive.
        refused : dict of str to str
            The names of skipped files, with reasons; empty unless ``on_error="skip"``.
        DESCR : str
            What the images are and how many.

    Raises
    ------
    ImageReadError
        If files cannot be read, and `on_error` is "raise" or a whole class is lost.
    OSError
        If the cache cannot be read or written. The message names its folder.
    ValueError
        If there are no images or only one class, names do not tell the patients, a zip
        file is damaged as a whole or has members that point out of it, or a parameter
        is wrong.
    FileNotFoundError
        If `path` does not exist.

    See Also
    --------
    fetch_malaria_cells : Downloads the NIH images and loads them.
    make_cell_images : Draws images that look like cells.
    malariafuse.preprocessing.ImageLoader : The same images, from paths, in a pipeline.

    Notes
    -----
    BMP, JPEG, PNG and TIFF files are read. These conversions are exact:

    - grey and black-and-white images get three equal channels;
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

    The cache knows files by path, size and time of change. Each call compares what it
    finds there with a stored SHA-256, which takes about a second for 500 MB, and reads
    the files again, with a warning, if an image or a label has changed. The cache is
    never emptied: delete ``cells-*`` in it to free space, and ``tmp-*``, which a killed
    process leaves behind.

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
    ...         Image.fromarray(np.full((50, 40, 3), 200, dtype=np.uint8)).save(path)
    ...     cells = load_cell_images(folder, image_size=(32, 32), cache=False)
    >>> cells.images.shape, cells.target, cells.groups
    ((2, 32, 32, 3), array([1, 0]), array([1, 2]))
    """
    size = check_image_size(image_size)
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r}: expected 'raise' or 'skip'.")
    folder = cache_folder(cache)
    source = open_source(path)

    def fill(take: Callable[[NDArray[np.uint8]], None]) -> CellIndex:
        return _read_source(
            source,
            take,
            image_size=size,
            keep_aspect=keep_aspect,
            on_error=on_error,
            n_jobs=n_jobs,
            verbose=verbose,
        )

    if folder is None:
        blocks: list[NDArray[np.uint8]] = []
        index = fill(blocks.append)
        images = np.concatenate(blocks)
    else:
        key = _cache_key(source.fingerprint, size, keep_aspect)
        images, index = through_cache(folder / f"cells-{key}", (*size, 3), fill)
        index.check(on_error)
    if index.refused:
        warnings.warn(
            f"Skipped: {describe_refused(index.refused)}", UserWarning, stacklevel=2
        )
    target = np.array(index.target, dtype=np.int64)
    return Bunch(
        images=images,
        target=target,
        groups=_find_groups(source, index, groups),
        filenames=np.array(index.filenames),
        target_names=list(TARGET_NAMES),
        refused=index.refused,
        DESCR=(
            f"{len(target)} images of single red blood cells from Giemsa-stained thin "
            f"smears, {size[0]} x {size[1]} pixels, RGB; {target.sum()} parasitized "
            f"(target 1), {(target == 0).sum()} uninfected (target 0).\n"
        ),
    )


def _read_source(
    source: Source,
    take: Callable[[NDArray[np.uint8]], None],
    *,
    image_size: tuple[int, int],
    keep_aspect: bool,
    on_error: str,
    n_jobs: int | None,
    verbose: bool,
) -> CellIndex:
    """Give all images to `take`, block by block, and return their index."""
    names, targets = source.listing()
    for label, target_name in enumerate(TARGET_NAMES):
        if label not in targets:
            raise ValueError(
                f"Found no {target_name} cell among {len(names)} image(s); a "
                "classifier needs both classes. In a folder or zip file they lie in "
                f"{target_name.capitalize()}/."
            )
    refused: dict[str, str] = {}
    with (
        source.reader() as read,
        tqdm(total=len(names), unit="image", disable=not verbose) as progress,
    ):
        for images, failures in read_images(
            names, read, image_size=image_size, keep_aspect=keep_aspect, n_jobs=n_jobs
        ):
            take(images)
            refused |= failures
            progress.update(len(images) + len(failures))
    kept = [cell for cell in zip(names, targets, strict=True) if cell[0] not in refused]
    index = CellIndex([name for name, _ in kept], [label for _, label in kept], refused)
    index.check(on_error)
    return index


def _cache_key(fingerprint: str, size: tuple[int, int], keep_aspect: bool) -> str:
    # The pixels of a decoded and resized image may change with these libraries.
    versions = [_CACHE_FORMAT, cv2.__version__, PIL.__version__]
    parts = json.dumps([fingerprint, size, bool(keep_aspect), versions])
    return sha256(parts.encode()).hexdigest()[:32]


def _find_groups(
    source: Source,
    index: CellIndex,
    groups: Callable[[Sequence[str]], ArrayLike] | None,
) -> NDArray[Any] | None:
    if source.patients is not None:
        rows = zip(source.listing()[0], source.patients, strict=True)
        return np.array(
            [patient for name, patient in rows if name not in index.refused]
        )
    if groups is None:
        return None
    try:
        patients = np.asarray(groups(index.filenames))
    except ValueError as error:
        if groups is not patient_ids:
            raise
        raise ValueError(
            f"The patients are not known: {error} Pass a function of the file names as "
            "`groups`, or groups=None if nothing tells the patients; cells of one "
            "patient may then lie on both sides of a split and flatter a classifier."
        ) from error
    if patients.shape != (len(index.filenames),):
        raise ValueError(
            f"groups returned an array of shape {patients.shape} for "
            f"{len(index.filenames)} file names; expected one patient each."
        )
    return patients
