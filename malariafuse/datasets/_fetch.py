"""Download of the official archive of the NIH cell images."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pooch
import requests
from sklearn.utils import Bunch

from malariafuse._files._scratch import scratch_folder
from malariafuse._parameters import Booleans, check_parameter
from malariafuse._shown import short_repr
from malariafuse._warn import warn
from malariafuse.datasets._download import download
from malariafuse.datasets._home import data_home as find_data_home
from malariafuse.datasets._load import load_cell_images
from malariafuse.datasets._reading import check_reading

_FILE_NAME = "cell_images.zip"
_URL = "https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip"
_SIZE = 353_452_851
_SHA256 = "0a949556b2414159b5100192609805376654c4266d8d187be9b1922fad43c668"
_RETRIES = 3

_DESCR = """
The NIH malaria cell images: 27,558 crops of single cells from thin smears, half of
them parasitized, of 150 patients infected with Plasmodium falciparum and 50 healthy
ones, collected at Chittagong Medical College Hospital and labeled by an expert.
No license is stated. Cite: S. Rajaraman et al., PeerJ 6:e4568, 2018.
"""


def fetch_malaria_cells(
    *,
    data_home: str | os.PathLike[str] | None = None,
    image_size: tuple[int, int] = (48, 48),
    keep_aspect: bool = False,
    n_jobs: int | None = -1,
    download_if_missing: bool = True,
    url: str = _URL,
    verbose: bool = True,
) -> Bunch:
    """Load the NIH malaria cell images, and download them if necessary.

    The archive of 353 MB is stored as ``cell_images.zip`` in `data_home`. Later calls
    read it from there, without network access. You can also put a copy of the archive
    there yourself. The archive is read in place and never extracted.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for the archive and the cache of decoded images. None uses the
        environment variable ``MALARIAFUSE_DATA`` if it is set, and the user's cache
        folder of `platformdirs` otherwise, ``~/.cache/malariafuse`` on Linux.
    image_size : tuple of (height, width), default=(48, 48)
        Size of the returned images in pixels, see :func:`load_cell_images`.
    keep_aspect : bool, default=False
        Whether to preserve the aspect ratio, see :func:`load_cell_images`.
    n_jobs : int or None, default=-1
        Number of threads that read images, as in joblib.
    download_if_missing : bool, default=True
        Whether to download a missing archive. If False, a missing archive raises an
        error.
    url : str, default="https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip"
        URL of the archive or of a mirror. The content must be that of the official
        archive.
    verbose : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object as returned by :func:`load_cell_images`, with 27,558
        images of 200 patients, and one additional attribute:

        path : str
            Path of the archive, for other calls of :func:`load_cell_images`.

    Raises
    ------
    OSError
        If the archive is missing and cannot be downloaded or
        ``download_if_missing=False``, or if `data_home` cannot be read or written. An
        interrupted, truncated or modified download, or one with less than 5,000 bytes
        per second over a minute, is repeated up to three times from the beginning. It
        is never stored under the final name.
    ValueError, TypeError
        If `data_home` is not a path or `url` is not a URL, and as in
        :func:`load_cell_images`.

    See Also
    --------
    load_cell_images : Load images from folders, archives and tables.
    make_cell_images : Generate synthetic images.

    Notes
    -----
    Every call verifies the size of the archive, 353,452,851 bytes, and its SHA-256. The
    data set is described in [1]_.

    References
    ----------
    .. [1] S. Rajaraman et al., "Pre-trained convolutional neural networks as feature
       extractors toward improved malaria parasite detection in thin blood smear
       images", PeerJ 6:e4568, 2018.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from malariafuse.datasets import fetch_malaria_cells
    >>> with TemporaryDirectory() as empty:
    ...     fetch_malaria_cells(data_home=empty, download_if_missing=False)
    Traceback (most recent call last):
    ...
    OSError: The archive is not at ...cell_images.zip', and download_if_missing=False.
    """
    # Validated before a download that may take hours.
    check_reading(
        image_size=image_size, keep_aspect=keep_aspect, n_jobs=n_jobs, verbose=verbose
    )
    check_parameter("download_if_missing", download_if_missing, (Booleans(),))
    _check_url(url)
    home = find_data_home(data_home)
    archive = home / _FILE_NAME
    try:
        problem = _problem(archive)
    except OSError as error:
        raise _disk_error("read", home, error) from error
    if problem is not None and not download_if_missing:
        raise OSError(f"{problem}, and download_if_missing=False.")
    if problem is not None:
        if archive.exists():
            warn(f"{problem}: downloading it again.")
        _download(url, archive, verbose=verbose)
    cells = load_cell_images(
        archive,
        image_size=image_size,
        keep_aspect=keep_aspect,
        cache=home,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    cells.path = str(archive)
    cells.DESCR += _DESCR
    return cells


def _check_url(url: Any) -> None:
    if not isinstance(url, str):
        raise TypeError(f"url={short_repr(url)}: expected a URL as a string.")
    if not url.casefold().startswith(("http://", "https://")):
        raise ValueError(
            f"url={short_repr(url)}: expected a URL that begins with https:// or "
            "http://."
        )


def _problem(archive: Path) -> str | None:
    """Return why `archive` is not the official archive, or None if it is."""
    if not archive.exists():
        return f"The archive is not at {str(archive)!r}"
    size = archive.stat().st_size
    if size != _SIZE:
        return f"{str(archive)!r} has {size:,} bytes instead of {_SIZE:,}"
    with open(archive, "rb") as file:
        if file_digest(file, "sha256").hexdigest() != _SHA256:
            return f"{str(archive)!r} has the right size but a wrong SHA-256"
    return None


def _download(url: str, archive: Path, *, verbose: bool) -> None:
    # Pooch verifies the hash. If it is killed, it leaves a temporary file next to its
    # target: in a folder that the next call deletes.
    def fetch(folder: Path) -> None:
        downloads = pooch.create(
            path=folder,
            base_url="",
            registry={archive.name: f"sha256:{_SHA256}"},
            urls={archive.name: url},
            retry_if_failed=_RETRIES,
        )
        downloads.fetch(archive.name, downloader=downloader)
        (folder / archive.name).replace(archive)

    def downloader(url: str, path: str, caller: pooch.Pooch) -> None:
        download(url, path, verbose=verbose)

    with _pooch_messages(verbose):
        try:
            archive.parent.mkdir(parents=True, exist_ok=True)
            with scratch_folder(archive.parent) as folder:
                fetch(folder)
        # A wrong hash is a ValueError.
        except (requests.RequestException, ValueError) as error:
            raise OSError(
                f"Could not download {url} after {_RETRIES + 1} attempts: {error}\n"
                f"Nothing was written to {str(archive)!r}. Try again later, pass the "
                "`url` of a mirror, or put the archive there yourself."
            ) from error
        except OSError as error:
            raise _disk_error("write to", archive.parent, error) from error


def _disk_error(action: str, home: Path, error: OSError) -> OSError:
    return OSError(
        f"Cannot {action} the folder {str(home)!r}: {error}. Set another one by "
        "`data_home` or the environment variable MALARIAFUSE_DATA."
    )


@contextmanager
def _pooch_messages(verbose: bool) -> Iterator[None]:
    logger = pooch.get_logger()
    level = logger.level
    if not verbose:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
