import struct
from io import BytesIO

import numpy as np
import pytest
from drawn_smears import draw_photo, on_grid
from numpy.testing import assert_array_equal
from PIL import Image

from malariafuse.datasets import ImageReadError
from malariafuse.smears import find_field, read_photo

ORIENTATION = 274
QUARTER_TURN = 8  # the first stored row is the left side


def encode(photo, kind, **options):
    file = BytesIO()
    Image.fromarray(photo).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_pixels_of_lossless_files_are_exact(kind):
    photo = draw_photo(on_grid())
    assert_array_equal(read_photo(encode(photo, kind)), photo)


def test_jpeg_is_decoded_as_pillow_does():
    data = encode(draw_photo(on_grid()), "JPEG")
    assert_array_equal(read_photo(data), np.asarray(Image.open(BytesIO(data))))


def test_paths_and_open_files_give_the_same(tmp_path):
    data = encode(draw_photo(on_grid()), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    file = BytesIO(data)
    file.seek(7)
    for given in (path, str(path), file, memoryview(data)):
        assert_array_equal(read_photo(given), read_photo(data))
    assert file.tell() == 7


def test_coordinates_are_those_of_stored_pixels_unless_upright():
    photo = draw_photo([(60, 60)], shape=(200, 300))
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_TURN
    data = encode(photo, "JPEG", exif=exif, quality=95)
    stored, upright = read_photo(data), read_photo(data, upright=True)
    assert stored.shape == (200, 300, 3)
    # Orientation 8: turned by 90 degrees against the clock.
    assert_array_equal(upright, np.rot90(stored))
    plain = encode(photo, "JPEG", quality=95)
    assert_array_equal(read_photo(plain), read_photo(plain, upright=True))


def test_gray_becomes_three_equal_channels():
    gray = draw_photo(on_grid())[..., 1]
    assert_array_equal(read_photo(encode(gray, "PNG")), np.dstack([gray] * 3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_half_a_file_is_refused(kind):
    data = encode(draw_photo(on_grid()), kind)
    with pytest.raises(ImageReadError, match=r"truncated|damaged"):
        read_photo(data[: len(data) // 2])


def test_jpeg_that_lacks_pixels_before_its_end_is_refused():
    data = encode(draw_photo(on_grid()), "JPEG")
    with pytest.raises(ImageReadError, match="its data end before its pixels"):
        read_photo(data[: len(data) // 2] + b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b"no image", "not a BMP, JPEG, PNG, TIFF image"),
        (encode(np.zeros((200, 40, 3), np.uint8), "PNG"), "at least 64 x 64"),
        (encode(np.zeros((99, 99), np.uint16), "PNG"), "more than 8 bits per channel"),
    ],
)
def test_other_files_are_refused_with_a_reason(data, match):
    with pytest.raises(ImageReadError, match=match):
        read_photo(data)


def test_a_photograph_of_too_many_pixels_is_refused_before_it_is_decoded():
    data = bytearray(encode(np.zeros((64, 64, 3), np.uint8), "BMP"))
    data[18:26] = struct.pack("<ii", 10_000, 8_001)  # in its header
    with pytest.raises(ImageReadError, match="expected at most 80,000,000"):
        read_photo(bytes(data))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageReadError, match=r"gone\.jpg"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(TypeError, match="file=3: expected a path"):
        read_photo(3)


def test_field_is_the_bright_disk():
    y, x = np.mgrid[:600, :1000]
    inside = np.hypot(x - 500, y - 300) < 250
    photo = np.where(inside[..., None], np.uint8(220), np.uint8(8))
    photo = np.broadcast_to(photo, (600, 1000, 3))
    field = find_field(photo)
    assert not field[~inside].any()
    # The rim of at most 3 pixels of the thumbnail, each of 2 pixels, is left out.
    assert field[np.hypot(x - 500, y - 300) < 250 - 6].all()


def test_field_is_all_of_a_photograph_without_black():
    assert find_field(draw_photo(on_grid())).all()


def test_black_photograph_has_no_field():
    with pytest.raises(ValueError, match="photo is completely dark"):
        find_field(np.zeros((100, 100, 3), np.uint8))
