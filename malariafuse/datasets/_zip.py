"""Cell images in a zip file."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from malariafuse._files._decode import MAX_BYTES, RefusedImageError


class ZipSource:
    """A zip file of images, read without extracting."""

    def __init__(self, where: str) -> None:
        self._where = where

    def names(self) -> set[str]:
        with zipfile.ZipFile(self._where) as archive:
            members = archive.infolist()
        for member in members:
            _check_member(member, self._where)
        return {member.filename for member in members if not member.is_dir()}

    @contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        with zipfile.ZipFile(self._where) as archive:

            def read(name: str) -> bytes:
                try:
                    return archive.read(name)
                # What zipfile raises for damage, encryption and unknown compression.
                except (
                    zipfile.BadZipFile,
                    zlib.error,
                    lzma.LZMAError,
                    EOFError,
                    OSError,
                    RuntimeError,
                ) as error:
                    # bz2 reports damage as OSError. With a number it is one of the
                    # operating system, which concerns the archive and no single file.
                    if isinstance(error, OSError) and error.errno is not None:
                        raise
                    raise RefusedImageError(f"damaged in the zip: {error}") from error

            yield read


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name = member.filename
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", name):
        raise ValueError(
            f"{where}: refused, because its member {name!r} points out of the archive."
        )
    if member.file_size > MAX_BYTES:
        raise ValueError(
            f"{where}: refused, because its member {name!r} unpacks to "
            f"{member.file_size:,} bytes; an image of a cell has at most {MAX_BYTES:,}."
        )
