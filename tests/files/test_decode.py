"""One encoded file becomes exactly the documented pixels, or is refused by name."""

import io
import struct
import zlib
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from PIL import Image

from malariafuse._files._damage import RefusedImageError
from malariafuse._files._decode import decode_image
from malariafuse._files._resize import check_image_size, resize_image

PIXELS = np.random.default_rng(0).integers(0, 256, size=(9, 7, 4), dtype=np.uint8)
RGB = np.ascontiguousarray(PIXELS[..., :3])
GRAY = np.ascontiguousarray(PIXELS[..., 0])


def encode(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


def handmade_png(width, height, scanlines, *, depth=8, color_type=2):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(scanlines))
        + chunk(b"IEND", b"")
    )


# --- exact conversions -------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_rgb_is_kept(file_format):
    decoded = decode_image(encode(RGB, file_format))

    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, RGB)


def test_jpeg_is_what_pillow_makes_of_it():
    data = encode(RGB, "JPEG")

    np.testing.assert_array_equal(
        decode_image(data), np.asarray(Image.open(io.BytesIO(data)))
    )


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_grey_gets_three_equal_channels(file_format):
    np.testing.assert_array_equal(
        decode_image(encode(GRAY, file_format)), np.stack([GRAY] * 3, axis=-1)
    )


def test_black_and_white_becomes_0_and_255():
    decoded = decode_image(encode(Image.fromarray(GRAY > 128)))

    np.testing.assert_array_equal(decoded[..., 1], np.where(GRAY > 128, 255, 0))


@pytest.mark.parametrize("colors", [2, 16, 200])
def test_palette_images_get_the_colors_of_their_palette(colors):
    palette_image = Image.fromarray(RGB).quantize(colors)

    np.testing.assert_array_equal(
        decode_image(encode(palette_image)), np.asarray(palette_image.convert("RGB"))
    )


@pytest.mark.parametrize("image", [PIXELS, PIXELS[..., 2:].copy()], ids=["RGBA", "LA"])
def test_transparent_images_are_laid_on_black(image):
    color = np.broadcast_to(image[..., :-1], (*image.shape[:2], 3))
    expected = np.round(color * (image[..., -1:] / 255.0))

    np.testing.assert_array_equal(decode_image(encode(image)), expected)


def test_a_transparent_color_becomes_black():
    image = RGB.copy()
    image[2, 3] = 10, 20, 30

    decoded = decode_image(encode(image, transparency=(10, 20, 30)))

    assert decoded[2, 3].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(decoded[3:], image[3:])


def test_a_transparent_palette_color_becomes_black():
    palette_image = Image.fromarray(RGB).quantize(8)
    transparent = np.asarray(palette_image) == 3

    decoded = decode_image(encode(palette_image, transparency=3))

    expected = np.asarray(palette_image.convert("RGB")) * ~transparent[..., None]
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_orientation_marks_turn_the_image_upright(file_format):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns

    decoded = decode_image(encode(RGB, file_format, exif=exif))

    np.testing.assert_array_equal(decoded, np.rot90(RGB, k=-1))


def test_gamma_marks_are_ignored():
    data = encode(RGB)
    header_end = 8 + 25
    marked = (
        data[:header_end]
        + chunk(b"gAMA", struct.pack(">I", 100000))
        + data[header_end:]
    )

    np.testing.assert_array_equal(decode_image(marked), RGB)


def test_both_decoders_agree_on_plain_png():
    rng = np.random.default_rng(1)
    for _ in range(10):
        image = rng.integers(
            0, 256, size=(*rng.integers(4, 40, size=2), 3), dtype=np.uint8
        )
        data = encode(image)
        np.testing.assert_array_equal(
            decode_image(data), np.asarray(Image.open(io.BytesIO(data)))
        )


@pytest.mark.real_data
def test_real_cells_have_the_pixels_that_pillow_sees(real_cells_zip):
    modes = set()
    with ZipFile(real_cells_zip) as archive:
        for name in archive.namelist()[::100]:
            if not name.endswith(".png"):
                continue
            data = archive.read(name)
            image = Image.open(io.BytesIO(data))
            modes.add(image.mode)
            np.testing.assert_array_equal(
                decode_image(data), np.asarray(image.convert("RGB"))
            )
    assert modes == {"RGB", "P"}  # some of the official files have a palette


# --- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize("end", [0, 1, 7, 8, 30, 60, -20, -12, -4, -1])
def test_a_truncated_png_is_refused(end):
    with pytest.raises(RefusedImageError, match=r"truncated|not a|is empty"):
        decode_image(encode(RGB)[:end])


def test_a_single_changed_bit_is_refused():
    data = encode(RGB)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(RefusedImageError):
            decode_image(bytes(damaged))


def test_too_few_pixels_under_right_checksums_are_refused(capfd):
    scanlines = b"".join(b"\0" + row.tobytes() for row in RGB)

    np.testing.assert_array_equal(decode_image(handmade_png(7, 9, scanlines)), RGB)
    with pytest.raises(RefusedImageError, match="pixels cannot be decoded"):
        decode_image(handmade_png(7, 9, scanlines[:100]))


def test_a_truncated_jpeg_is_refused():
    data = encode(
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), "JPEG"
    )

    with pytest.raises(RefusedImageError, match="truncated JPEG: its end is missing"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"no image", b"GIF89a", encode(RGB, "GIF")])
def test_other_files_are_refused(data):
    with pytest.raises(RefusedImageError, match="not a BMP, JPEG, PNG, TIFF image"):
        decode_image(data)


def test_an_empty_file_is_named():
    with pytest.raises(RefusedImageError, match=r"^is empty$"):
        decode_image(b"")


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_several_images_in_one_file_are_refused(file_format):
    second = Image.fromarray(RGB[::-1])

    data = encode(RGB, file_format, save_all=True, append_images=[second])

    with pytest.raises(RefusedImageError, match="animated or multi-page: it has 2"):
        decode_image(data)


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_refused(file_format):
    with pytest.raises(RefusedImageError, match=r"color mode CMYK.*Save it as RGB"):
        decode_image(encode(Image.new("CMYK", (7, 9)), file_format))


def sixteen_bit_files():
    deep = GRAY.astype(np.uint16) * 257
    yield "gray PNG", encode(deep)
    yield "gray TIFF", encode(deep, "TIFF")
    _, color_png = cv2.imencode(".png", np.stack([deep] * 3, axis=-1))
    yield "RGB PNG", color_png.tobytes()
    _, color_tiff = cv2.imencode(".tiff", np.stack([deep] * 3, axis=-1))
    yield "RGB TIFF", color_tiff.tobytes()
    yield "32-bit TIFF", encode(GRAY.astype(np.int32), "TIFF")
    yield "float TIFF", encode(GRAY.astype(np.float32), "TIFF")


@pytest.mark.parametrize(
    "data", [pytest.param(data, id=kind) for kind, data in sixteen_bit_files()]
)
def test_more_than_eight_bits_are_refused(data):
    with pytest.raises(RefusedImageError, match="8 bits"):
        decode_image(data)


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 3)])
@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
def test_images_too_small_for_a_cell_are_refused(shape, file_format):
    with pytest.raises(RefusedImageError, match="expected at least 4 x 4"):
        decode_image(encode(np.zeros((*shape, 3), np.uint8), file_format))


@pytest.mark.parametrize("side", [5000, 60_000])
def test_a_png_bomb_is_refused_before_it_is_unpacked(side):
    with pytest.raises(RefusedImageError, match="decompression bomb"):
        decode_image(handmade_png(side, side, bytes(1000)))


def test_a_bitmap_bomb_is_refused_before_it_is_unpacked():
    data = bytearray(encode(RGB, "BMP"))
    data[18:26] = struct.pack("<ii", 60_000, 60_000)

    with pytest.raises(RefusedImageError, match="decompression bomb"):
        decode_image(bytes(data))


# --- resizing ----------------------------------------------------------------------


def test_shrinking_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, size=(12, 20, 3), dtype=np.uint8)

    resized = resize_image(image, (4, 5), keep_aspect=False)

    expected = image.reshape(4, 3, 5, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resized, expected, atol=0.5)


def test_every_pixel_counts_when_one_side_shrinks_and_the_other_grows():
    image = np.zeros((30, 5, 3), dtype=np.uint8)
    image[7] = 255

    resized = resize_image(image, (10, 10), keep_aspect=False)

    np.testing.assert_array_equal(resized[2], 85)
    np.testing.assert_array_equal(np.delete(resized, 2, axis=0), 0)


def test_growing_interpolates_between_neighbors():
    image = np.repeat(np.array([[0, 100], [0, 100]], np.uint8)[..., None], 3, axis=-1)

    resized = resize_image(image, (2, 4), keep_aspect=False)

    assert resized[0, :, 0].tolist() == [0, 25, 75, 100]


def test_the_same_size_changes_nothing():
    assert resize_image(RGB, (9, 7), keep_aspect=False) is RGB
    np.testing.assert_array_equal(resize_image(RGB, (9, 7), keep_aspect=True), RGB)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((40, 20), slice(0, 8), slice(2, 6)),
        ((20, 40), slice(2, 6), slice(0, 8)),
        ((40, 25), slice(0, 8), slice(1, 6)),  # an odd rest goes right or down
        ((4, 400), slice(3, 4), slice(0, 8)),  # never less than one pixel
    ],
)
def test_keep_aspect_centers_on_black(shape, rows, columns):
    resized = resize_image(
        np.full((*shape, 3), 200, np.uint8), (8, 8), keep_aspect=True
    )

    expected = np.zeros((8, 8, 3), np.uint8)
    expected[rows, columns] = 200
    np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize(
    "size", [64, (64,), (64, 64, 3), (0, 64), (64.0, 64), "ab", None]
)
def test_a_wrong_image_size_is_named(size):
    with pytest.raises(ValueError, match=r"image_size=.*\(height, width\)"):
        check_image_size(size)
