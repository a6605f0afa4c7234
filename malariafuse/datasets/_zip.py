"""Cell images in a zip file."""

import bz2
import copy
import errno
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from malariafuse._files._damage import RefusedImageError
from malariafuse._files._decode import MAX_BYTES
from malariafuse._files._read import read_bounded, too_large
from malariafuse._shown import short_repr, short_text

# Several times the memory for decompression at the highest compression level.
_LZMA_MEMORY = 2**29
# Error numbers of invalid positions in a file.
_WRONG_PLACE = {errno.EINVAL, errno.EOVERFLOW}


class ZipSource:
    """A zip file of images, read without extracting."""

    def __init__(self, where: str) -> None:
        self._where = where

    def names(self) -> set[str]:
        """Return the names of all files in the archive."""
        with _open(self._where) as archive:
            members = archive.infolist()
        for member in members:
            _check_place(member.filename, self._where)
        return {member.filename for member in members if not member.is_dir()}

    @contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        with _open(self._where) as archive:

            def read(name: str) -> bytes:
                try:
                    return _read_member(archive, archive.getinfo(name))
                except RefusedImageError:
                    raise
                # Encryption and other features that zipfile does not support.
                except RuntimeError as error:
                    raise RefusedImageError(
                        f"cannot be unpacked from the zip: {short_text(str(error))}"
                    ) from error
                # The exceptions of zipfile and its libraries for damage are not
                # documented: BadZipFile, struct.error, EOFError, UnicodeDecodeError,
                # zlib.error, LZMAError and more.
                except Exception as error:
                    # A disk error concerns the whole archive, not a single file.
                    if isinstance(error, OSError) and error.errno not in {
                        None,
                        *_WRONG_PLACE,
                    }:
                        raise
                    raise _damaged(short_text(str(error))) from error

            yield read


def is_zip(where: str) -> bool:
    """Return whether a path is a zip file. Pipes and devices are not opened."""
    if not os.path.isfile(where):
        return False
    try:
        with open(where, "rb") as file:
            return zipfile.is_zipfile(file)
    except OSError as error:
        raise OSError(f"path={short_repr(where)} cannot be read: {error}") from error


def _open(where: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(where)
    except OSError as error:
        raise OSError(f"path={short_repr(where)} cannot be read: {error}") from error
    # The list of members is damaged, so no member can be read.
    except Exception as error:
        raise ValueError(
            f"path={short_repr(where)} is a damaged or unsupported zip file: "
            f"{short_text(str(error))}. Download it again, or extract it with another "
            "program and pass the folder."
        ) from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member, independently of its size in the directory.

    `ZipFile.read` trusts the directory: it decompresses the whole member before it
    truncates it to the size in the directory.
    """
    packed = copy.copy(member)
    packed.compress_type = zipfile.ZIP_STORED
    packed.file_size = member.compress_size
    # The checksum is that of the decompressed content.
    packed.CRC = None  # type: ignore[assignment]
    with archive.open(packed) as file:
        content = _unpack(read_bounded(file.read), member.compress_type)
    if len(content) != member.file_size:
        raise _damaged(
            f"it decompresses to {len(content):,} bytes instead of {member.file_size:,}"
        )
    if zlib.crc32(content) != member.CRC:
        raise _damaged("a checksum is wrong")
    return content


def _unpack(packed: bytes, method: int) -> bytes:
    decompressor: Any
    match method:
        case zipfile.ZIP_STORED:
            return packed
        case zipfile.ZIP_DEFLATED:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        case zipfile.ZIP_BZIP2:
            decompressor = bz2.BZ2Decompressor()
        case zipfile.ZIP_LZMA:
            # Two bytes of version, the length of the properties, and the properties.
            # Followed by an unknown size, they form the header of a .lzma file.
            end = 4 + int.from_bytes(packed[2:4], "little")
            packed = packed[4:end] + b"\xff" * 8 + packed[end:]
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_ALONE, _LZMA_MEMORY)
        case _:
            raise RefusedImageError(
                f"is compressed in the zip by method {method}, which is not supported"
            )
    content: bytes = decompressor.decompress(packed, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise too_large()
    return content


def _damaged(why: str) -> RefusedImageError:
    return RefusedImageError(f"damaged in the zip: {why}")


def _check_place(name: str, where: str) -> None:
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", name):
        raise ValueError(
            f"{where}: rejected, because its member {short_repr(name)} points outside "
            "of the archive."
        )
