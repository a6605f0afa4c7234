"""Damage is refused where a format lets it be known; sound files are never refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from malariafuse._files import _damage
from malariafuse._files._damage import RefusedImageError
from malariafuse._files._decode import decode_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, size=(40, 30, 3), dtype=np.uint8)


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, file_format, **options)
    return buffer.getvalue()


def cell(shape, seed):
    """A round cell with some noise, on black or on white."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    inside = (rows**2 + columns**2 < 0.8)[..., None]
    color = rng.integers(100, 220, 3) + rng.normal(0, 6, (*shape, 3))
    return np.where(inside, color, 255 * (seed % 2)).astype(np.uint8)


def changed(data, position, form, value):
    data = bytearray(data)
    struct.pack_into(form, data, position, value)
    return bytes(data)


# --- JPEG --------------------------------------------------------------------------

JPEG = encode(RGB, "JPEG")
SCAN = JPEG.index(b"\xff\xda") + 14
END = JPEG.rindex(b"\xff\xd9")


@pytest.mark.parametrize("quality", [1, 75, 100])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": 0},
        {"progressive": True},
        {"optimize": True},
        {"restart_marker_blocks": 2},
        {"exif": b"Exif\0\0 and some more"},
        {"comment": b"\xff\xd9 is no end here"},
    ],
)
def test_no_sound_jpeg_is_refused(quality, options):
    for seed in range(20):
        shape = np.random.default_rng(seed).integers(4, 60, 2)
        data = encode(cell(shape, seed), "JPEG", quality=quality, **options)

        np.testing.assert_array_equal(
            decode_image(data), np.asarray(Image.open(io.BytesIO(data)))
        )


@pytest.mark.parametrize("end", [3, 20, 200, SCAN - 1, SCAN + 50, -3, -2, -1])
def test_a_truncated_jpeg_is_refused(end):
    with pytest.raises(RefusedImageError, match=r"(?i)truncated|not a BMP"):
        decode_image(JPEG[:end])


@pytest.mark.parametrize("start", [SCAN, SCAN + 200, (SCAN + END) // 2, END - 100])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_with_too_few_data_is_refused(start, options):
    data = encode(RGB, "JPEG", **options)
    end = data.rindex(b"\xff\xd9")
    start += end - END  # as far from the end in the other file

    with pytest.raises(RefusedImageError, match="its data end before its pixels"):
        decode_image(data[:start] + data[end:])


@pytest.mark.parametrize("mark", [b"\xff\xc0", b"\xff\x01", b"\xff\xd8"])
@pytest.mark.parametrize("place", [5, 100, END - SCAN])
def test_a_wrong_mark_among_the_pixels_of_a_jpeg_is_refused(place, mark):
    data = JPEG[: SCAN + place] + mark + JPEG[SCAN + place :]

    with pytest.raises(RefusedImageError, match="an invalid marker among its pixels"):
        decode_image(data)


def test_a_table_of_the_wrong_length_is_refused():
    data = encode(RGB, "JPEG", progressive=True)
    table = data.index(b"\xff\xc4", data.index(b"\xff\xda"))  # of the second scan
    (length,) = struct.unpack_from(">H", data, table + 2)

    with pytest.raises(RefusedImageError, match="damaged JPEG: a marker is missing"):
        decode_image(changed(data, table + 2, ">H", length - 1))
    with pytest.raises(RefusedImageError, match="truncated JPEG: its end is missing"):
        decode_image(changed(data, table + 2, ">H", 65_535))


def test_restart_marks_are_in_order():
    data = encode(RGB, "JPEG", restart_marker_blocks=1)
    third = data.index(b"\xff\xd2", data.index(b"\xff\xda"))

    for value in (0xD3, 0xD7):
        with pytest.raises(RefusedImageError, match="a restart marker is wrong"):
            decode_image(changed(data, third + 1, "B", value))
    with pytest.raises(RefusedImageError, match="a restart marker is wrong"):
        decode_image(JPEG[: SCAN + 9] + b"\xff\xd0" + JPEG[SCAN + 9 :])


@pytest.mark.parametrize("junk", [b"\0" * 16, b"a camera's own data", JPEG])
def test_what_follows_a_jpeg_plays_no_part(junk):
    np.testing.assert_array_equal(decode_image(JPEG + junk), decode_image(JPEG))


def test_the_few_unused_bytes_that_some_cameras_leave_play_no_part():
    padded = JPEG[:END] + bytes(8) + b"\xff\xff" + JPEG[END:]

    np.testing.assert_array_equal(decode_image(padded), decode_image(JPEG))


def test_most_holes_in_a_small_jpeg_are_seen():
    data = encode(cell((100, 100), 0), "JPEG")
    start, end = data.index(b"\xff\xda") + 14, data.rindex(b"\xff\xd9") - 64
    n_seen = 0
    for position in range(start, end, (end - start) // 40):
        damaged = data[:position] + bytes(64) + data[position + 64 :]
        try:
            decode_image(damaged)
        except RefusedImageError:
            n_seen += 1

    assert n_seen >= 30


@pytest.mark.parametrize("file_format", ["JPEG", "BMP", "TIFF"])
def test_a_setting_of_pillow_that_takes_damaged_files_is_an_error(
    file_format, monkeypatch
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)

    with pytest.raises(ValueError, match=r"LOAD_TRUNCATED_IMAGES is True.*to False"):
        decode_image(encode(RGB, file_format))
    np.testing.assert_array_equal(decode_image(encode(RGB, "PNG")), RGB)


# --- BMP ---------------------------------------------------------------------------

BMP = encode(RGB, "BMP")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BMP[:-1], id="truncated"),
        pytest.param(BMP + b"\0", id="a byte more"),
        pytest.param(changed(BMP, 2, "<I", 1000), id="size of the file"),
        pytest.param(changed(BMP, 10, "<I", 50), id="begin of the pixels"),
        pytest.param(changed(BMP, 10, "<I", 58), id="begin of the pixels, later"),
        pytest.param(changed(BMP, 18, "<i", 31), id="width"),
        pytest.param(changed(BMP, 18, "<i", 26), id="width, less"),
        pytest.param(changed(BMP, 22, "<i", 41), id="height"),
        pytest.param(changed(BMP, 22, "<i", 39), id="height, less"),
        pytest.param(changed(BMP, 28, "<H", 32), id="bits of a pixel"),
    ],
)
def test_a_bmp_whose_length_is_wrong_is_refused(data):
    with pytest.raises(RefusedImageError, match=r"damaged BMP|cannot be decoded"):
        decode_image(data)


def test_the_message_about_a_bmp_counts_its_bytes():
    with pytest.raises(RefusedImageError, match=r"says 3,734 bytes.* has 3,733"):
        decode_image(BMP[:-1])  # 14 + 40 + 40 * (30 * 3 + 2)
    with pytest.raises(RefusedImageError, match=r"says 3,588 bytes.* has 3,680"):
        decode_image(changed(BMP, 22, "<i", 39))  # 39 * 92, 40 * 92


def top_down():
    rows = RGB[..., ::-1].tobytes()
    padded = b"".join(
        rows[start : start + 90] + b"\0\0" for start in range(0, 3600, 90)
    )
    return changed(BMP[:54], 22, "<i", -40) + padded


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(changed(BMP, 2, "<I", 0), id="no size of the file"),
        pytest.param(changed(BMP + b"\0\0", 2, "<I", len(BMP) + 2), id="filled up"),
        pytest.param(top_down(), id="rows from the top"),
        pytest.param(
            struct.pack("<2sIHHII", b"BM", 3706, 0, 0, 26, 12)
            + struct.pack("<HHHH", 30, 40, 1, 24)
            + BMP[54:],
            id="the short header of OS/2",
        ),
    ],
)
def test_a_sound_bmp_is_read(data):
    np.testing.assert_array_equal(decode_image(data), RGB)


def test_a_changed_pixel_of_a_bmp_cannot_be_known():
    decoded = decode_image(changed(BMP, 54, "B", BMP[54] ^ 128))

    assert np.argwhere(decoded != RGB).tolist() == [[39, 0, 2]]


# --- TIFF --------------------------------------------------------------------------

WIDTH, HEIGHT, COMPRESSION, STRIPS, ROWS, SIZES = 256, 257, 259, 273, 278, 279


def tiff(strips, *, starts=None, sizes=None, **tags):
    """A TIFF file of RGB pixels, 30 wide and 40 high, with the given strips."""
    content = b"".join(strips)
    ends = np.cumsum([8, *map(len, strips)])
    entries = {
        WIDTH: [30],
        HEIGHT: [40],
        258: [8, 8, 8],
        COMPRESSION: [1],
        262: [2],
        STRIPS: ends[:-1] if starts is None else starts,
        277: [3],
        ROWS: [40 // len(strips)],
        SIZES: [len(strip) for strip in strips] if sizes is None else sizes,
        284: [1],
    }
    for name, value in tags.items():
        entries[{"compression": COMPRESSION, "rows": ROWS, "planar": 284}[name]] = [
            value
        ]
    directory = 8 + len(content)
    far = directory + 2 + 12 * len(entries) + 4
    head, tail = struct.pack("<H", len(entries)), b""
    for tag, values in entries.items():
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            place = struct.pack("<I", far + len(tail))
            tail += packed
        else:
            place = packed
        head += struct.pack("<HHI", tag, 4, len(values)) + place
    return b"II*\0" + struct.pack("<I", directory) + content + head + bytes(4) + tail


WHOLE = [RGB.tobytes()]
FOUR = [RGB[top : top + 10].tobytes() for top in range(0, 40, 10)]
THREE_AND_ONE = [RGB[:30].tobytes(), RGB[30:].tobytes()]
DEFLATED = [zlib.compress(strip) for strip in FOUR]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tiff(WHOLE), id="one strip"),
        pytest.param(tiff(FOUR), id="four strips"),
        pytest.param(tiff(THREE_AND_ONE, rows=30), id="a lower strip"),
        pytest.param(tiff(WHOLE, rows=2**32 - 1), id="all rows"),
        pytest.param(
            tiff([RGB[..., i].tobytes() for i in range(3)], rows=40, planar=2),
            id="three planes",
        ),
        pytest.param(tiff(DEFLATED, compression=8), id="packed"),
    ],
)
def test_a_sound_tiff_is_read(data):
    np.testing.assert_array_equal(decode_image(data), RGB)


@pytest.mark.parametrize(
    "kind", [None, "tiff_adobe_deflate", "tiff_deflate", "tiff_lzw", "packbits"]
)
@pytest.mark.parametrize("image", [RGB, RGB[..., 0].copy(), RGB[..., 0] > 128])
def test_a_tiff_of_pillow_is_read(kind, image):
    data = encode(image, "TIFF", compression=kind)

    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(FOUR, sizes=[900, 900, 900, 9000]), "its pixels end after the file"),
        (tiff(FOUR, starts=[8, 908, 1808, 9000]), "its pixels end after the file"),
        (tiff(FOUR, starts=[8, 908, 908, 2708]), "its strips overlap"),
        (tiff(FOUR, sizes=[900, 900, 900, 899]), "its strips do not match its size"),
        (tiff(FOUR, rows=11), "its strips do not match its size"),
        (tiff(FOUR, rows=40), "its strips do not match its size"),
        (tiff(WHOLE, sizes=[1, 2]), "the list of its strips is not complete"),
    ],
)
def test_a_tiff_whose_strips_do_not_fit_is_refused(data, reason):
    with pytest.raises(RefusedImageError, match=reason):
        decode_image(data)


@pytest.mark.parametrize("position", range(8, 3000, 500))
def test_a_changed_bit_of_a_deflated_tiff_is_seen(position, capfd):
    data = tiff(DEFLATED, compression=8)

    with pytest.raises(RefusedImageError, match="damaged TIFF: "):
        decode_image(changed(data, position, "B", data[position] ^ 1))
    assert capfd.readouterr().err == ""


def test_a_deflated_strip_without_its_end_is_refused():
    strips = [strip[:-4] for strip in DEFLATED]

    with pytest.raises(RefusedImageError, match="compressed pixels have no end"):
        decode_image(tiff(strips, compression=8))


def test_a_deflated_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(_damage, "_MAX_UNPACKED", 2**22)
    strips = [zlib.compress(bytes(3 * 2**20)) for _ in range(2)]

    with pytest.raises(RefusedImageError, match="decompresses to far too many bytes"):
        decode_image(tiff(strips, compression=8))
