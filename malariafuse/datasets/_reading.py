"""Reading of the images of a listing in threads, with detection of duplicates."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malariafuse._files._damage import UnopenedImageError
from malariafuse._files._decode import decode_image
from malariafuse._files._read import CellIndex, read_images
from malariafuse._files._resize import check_image_size
from malariafuse._images import image_digest, sets_of_equals
from malariafuse._parameters import N_JOBS, Booleans, check_parameter
from malariafuse._progress import Progress
from malariafuse.datasets._listing import Listing


def check_reading(
    *, image_size: Any, keep_aspect: Any, n_jobs: Any, verbose: Any
) -> None:
    """Raise if an argument of `read_listing` is invalid."""
    check_image_size(image_size)
    check_parameter("keep_aspect", keep_aspect, (Booleans(),))
    check_parameter("n_jobs", n_jobs, N_JOBS)
    check_parameter("verbose", verbose, (Booleans(),))


def read_listing(
    listing: Listing,
    take: Callable[[NDArray[np.uint8]], None],
    *,
    image_size: tuple[int, int],
    keep_aspect: bool,
    n_jobs: int | None,
    verbose: bool,
) -> CellIndex:
    """Pass all images to `take`, in blocks, and return their index."""
    refused: dict[str, str] = {}
    unopened: list[str] = []
    pixels: list[bytes] = []
    files: dict[str, bytes] = {}
    with (
        listing.reader() as read,
        Progress(
            total=len(listing.names), unit="image", disable=not verbose
        ) as progress,
    ):

        def load_and_note(name: str) -> NDArray[np.uint8]:
            try:
                data = read(name)
            except UnopenedImageError:
                unopened.append(name)
                raise
            files[name] = sha256(data).digest()
            return decode_image(data)

        for images, failures in read_images(
            listing.names,
            load_and_note,
            image_size=image_size,
            keep_aspect=keep_aspect,
            n_jobs=n_jobs,
        ):
            take(images)
            pixels += map(image_digest, images)
            refused |= failures
            progress.update(len(images) + len(failures))
    kept = [name for name in listing.names if name not in refused]
    return CellIndex(
        kept,
        refused,
        same_file=sets_of_equals(files[name] for name in kept),
        same_pixels=sets_of_equals(pixels),
        unopened=unopened,
    )
