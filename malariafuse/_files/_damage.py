"""Detection of damage in image files that decoders accept.

PNG files, and TIFF files packed by deflate, hold checksums. JPEG, BMP and other TIFF
files hold none, but lengths and marks that must fit each other.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any


class RefusedImageError(ValueError):
    """Error for a file that is not accepted as an image of a cell."""


class UnopenedImageError(RefusedImageError):
    """Error for a file that cannot be opened or read, possibly only temporarily."""


# --- PNG ---------------------------------------------------------------------------

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def check_png(data: bytes) -> set[bytes]:
    """Return the kinds of chunks in a whole PNG file, whose checksums must be right.

    Pillow takes files whose tail is cut off, and OpenCV reports damage on stderr only.
    """
    view = memoryview(data)
    kinds: set[bytes] = set()
    start = len(PNG_SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + length + 12
        if end > len(data):
            break
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[start + 4 : end - 4]) != checksum:
            raise RefusedImageError("damaged PNG: a checksum is wrong")
        if not kinds and (kind != b"IHDR" or length != 13):
            raise RefusedImageError("damaged PNG: it does not begin with a header")
        kinds.add(kind)
        if kind == b"IEND":
            return kinds
        start = end
    raise RefusedImageError("truncated PNG: its end is missing")


# --- JPEG --------------------------------------------------------------------------

_SOS, _EOI, _DRI = 0xDA, 0xD9, 0xDD
# Tables, comments and application data, the number of lines, another scan, the end.
_AFTER_SCAN = {0xC4, 0xDB, 0xDC, _DRI, _SOS, _EOI, 0xFE, *range(0xE0, 0xF0)}
# 0xFF among coded pixels is followed by 0. Restart marks, 0xD0 to 0xD7, lie there too.
_SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
# Any bytes do that make no mark and are not those that libjpeg makes up.
_MORE = bytes(range(1, 255)) * 2


def check_jpeg(
    data: bytes, pixels: Callable[[], bytes], decode: Callable[[bytes], bytes]
) -> None:
    """Reject a JPEG file with invalid markers, or whose data end before its pixels.

    libjpeg makes up the pixels that it has no data for. It only counts a warning, which
    Pillow does not pass on and OpenCV writes to stderr. More data bring it to light:
    after the last pixel they must change nothing.

    Parameters
    ----------
    data : bytes
        The file.
    pixels : callable
        The function that returns the pixels of `data`, as `decode` would.
    decode : callable
        The function that decodes a file.
    """
    end = _last_scan(data)[1]
    if decode(data[:end] + _MORE + data[end:]) != pixels():
        raise RefusedImageError("damaged JPEG: its data end before its pixels")


def _last_scan(data: bytes) -> tuple[int, int]:
    """Return where the coded pixels of the last scan begin and end."""
    scan, position, restarts = (0, 0), 2, 0
    try:
        while True:
            marker = data[position + 1]
            if data[position] != 0xFF:
                raise RefusedImageError("damaged JPEG: a marker is missing")
            if marker == 0xFF:  # fills a gap
                position += 1
                continue
            if marker == _EOI:
                return scan
            if scan[1] and marker not in _AFTER_SCAN:
                raise RefusedImageError(
                    "damaged JPEG: an invalid marker among its pixels"
                )
            length, value = struct.unpack_from(">HH", data, position + 2)
            position += 2 + length
            if marker == _DRI:
                restarts = value
            if marker == _SOS:
                end = _SCAN_END.search(data, position)
                if end is None:
                    break
                scan = position, end.start()
                _check_restarts(data[slice(*scan)], expected=restarts > 0)
                position = end.start()
    except (IndexError, struct.error):
        pass
    raise RefusedImageError("truncated JPEG: its end is missing")


def _check_restarts(scan: bytes, *, expected: bool) -> None:
    found = _RESTART.findall(scan)
    numbers = itertools.cycle(range(0xD0, 0xD8))
    if any(mark[0] != next(numbers) for mark in found) or (found and not expected):
        raise RefusedImageError("damaged JPEG: a restart marker is wrong")


# --- BMP ---------------------------------------------------------------------------

_MASKED = {0, 3, 6}  # not compressed, with or without masks of bits
_WITH_PROFILE = 124


def check_bmp(data: bytes) -> None:
    """Reject a BMP file whose length differs from its header."""
    file_size, start, header = struct.unpack_from("<I4xII", data, 2)
    if file_size not in (0, len(data)):
        raise RefusedImageError(
            f"damaged BMP: its header says {file_size:,} bytes, and it has "
            f"{len(data):,}"
        )
    if header == 12:
        width, height, bits = struct.unpack_from("<HH2xH", data, 18)
        compression = 0
    else:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", data, 18)
    if compression not in _MASKED or header >= _WITH_PROFILE:
        return
    row = (width * bits + 31) // 32 * 4
    left = len(data) - start - row * abs(height)
    # Some programs fill the last four bytes.
    if not 0 <= left < 4:
        raise RefusedImageError(
            f"damaged BMP: its header says {row * abs(height):,} bytes of pixels, "
            f"and it has {len(data) - start:,}"
        )


# --- TIFF --------------------------------------------------------------------------

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES, _PLANAR = 273, 277, 278, 279, 284
_TILES, _TILE_SIZES = 324, 325
_PHOTOMETRIC, _YCBCR = 262, 6
_DEFLATE = {8, 32946}
_MAX_UNPACKED = 2**27


def check_tiff(data: bytes, tags: Any) -> None:
    """Reject a TIFF file whose strips do not match the file or their checksums."""
    tiled = _TILES in tags
    starts = tags.get(_TILES if tiled else _STRIPS, ())
    sizes = tags.get(_TILE_SIZES if tiled else _STRIP_SIZES, ())
    if not starts or len(starts) != len(sizes):
        raise RefusedImageError("damaged TIFF: the list of its strips is not complete")
    parts = sorted(zip(starts, sizes, strict=True))
    ends = [start + size for start, size in parts]
    if ends[-1] > len(data):
        raise RefusedImageError("truncated TIFF: its pixels end after the file")
    if any(end > start for end, (start, _) in zip(ends, parts[1:], strict=False)):
        raise RefusedImageError("damaged TIFF: its strips overlap")
    compression = tags.get(_COMPRESSION, 1)
    if compression in _DEFLATE:
        left = _MAX_UNPACKED
        for start, size in parts:
            left -= _check_deflated(data[start : start + size], left)
    plain = compression == 1 and not tiled and tags.get(_PHOTOMETRIC) != _YCBCR
    if plain and list(sizes) != _strip_sizes(tags):
        raise RefusedImageError("damaged TIFF: its strips do not match its size")


def _check_deflated(packed: bytes, limit: int) -> int:
    """Return the decompressed size, after verification of the checksum."""
    unpacker, size = zlib.decompressobj(), 0
    try:
        # In pieces, because the content is not needed.
        while packed and not unpacker.eof:
            size += len(unpacker.decompress(packed, 2**20))
            packed = unpacker.unconsumed_tail
            if size > limit:
                raise RefusedImageError(
                    "damaged TIFF: it decompresses to far too many bytes"
                )
    except zlib.error as error:
        raise RefusedImageError(f"damaged TIFF: {error}") from error
    if not unpacker.eof:
        raise RefusedImageError("damaged TIFF: its compressed pixels have no end")
    return size


def _strip_sizes(tags: Any) -> list[int]:
    """Return the sizes in bytes of the strips of an image that is not packed."""
    height = tags[_HEIGHT]
    rows = min(tags.get(_ROWS, height), height)
    samples, planes = tags.get(_SAMPLES, 1), 1
    if tags.get(_PLANAR, 1) == 2:
        samples, planes = 1, samples
    bits = samples * tags.get(_BITS, (1,))[0]
    row = (tags[_WIDTH] * bits + 7) // 8
    return [min(rows, height - top) * row for top in range(0, height, rows)] * planes
