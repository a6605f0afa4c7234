"""An image in memory gives the pixels of the file that it is, or was read from."""

import doctest
import io
import re
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from malariafuse.datasets import ImageReadError, make_cell_images
from malariafuse.features import SpotFeatureExtractor
from malariafuse.preprocessing import ImageLoader


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


IMAGES = [noise(20, 24, 3), noise(50, 30, 3), noise(31, 64, 3)]
ORIENTATION = 0x0112


def encode(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def load(X, **parameters):
    return ImageLoader((16, 12), **parameters).transform(X)


@pytest.fixture
def save(tmp_path):
    """Save data as a file, and return its path."""

    def save(data):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.image"
        path.write_bytes(data)
        return path

    return save


# Functions of an encoded image, and of an array.
OF_BYTES = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "open": io.BytesIO,
    "Pillow": lambda data: Image.open(io.BytesIO(data)),
}
OF_ARRAYS = {
    "uint8": lambda image: image,
    "float16": lambda image: (image / 255).astype(np.float16),
    "float32": lambda image: np.float32(image) / 255,
    "float64": lambda image: image / 255,
    "byte order": lambda image: (image / 255).astype(">f4"),
    "rounded": lambda image: image / 255 * 1.00001,
    "reversed": lambda image: np.flip(np.flip(image).copy()),
    "Fortran": np.asfortranarray,
    "Pillow": Image.fromarray,
}
KINDS = {
    **{
        f"{name}": lambda image, of=of: of(encode(image))
        for name, of in OF_BYTES.items()
    },
    **{f"{name} array": of for name, of in OF_ARRAYS.items()},
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


# --- the same pixels ---------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("parameters", [{}, {"keep_aspect": True}, {"n_jobs": 2}])
def test_images_of_different_sizes_are_those_of_files(kind, parameters, save):
    expected = load([save(encode(image)) for image in IMAGES], **parameters)

    np.testing.assert_array_equal(
        load([kind(image) for image in IMAGES], **parameters), expected
    )


def test_kinds_are_mixed_in_one_list(save):
    paths = [save(encode(image)) for image in IMAGES]
    first, second, third = IMAGES

    mixed = [str(paths[0]), io.BytesIO(encode(second)), Image.fromarray(third)]
    np.testing.assert_array_equal(load(mixed), load(paths))
    mixed = [first / 255, encode(second), paths[2]]
    np.testing.assert_array_equal(load(mixed), load(paths))


@each_kind
def test_one_image_is_taken_without_a_list(kind):
    alone = load(kind(IMAGES[0]))

    assert alone.shape == (1, 16, 12, 3)
    np.testing.assert_array_equal(alone, load([kind(IMAGES[0])]))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_array_of_images_is_resized(dtype):
    images = noise(5, 20, 24, 3)
    array = images if dtype == np.uint8 else np.float32(images) / 255

    np.testing.assert_array_equal(load(array), load(list(images)))
    np.testing.assert_array_equal(ImageLoader((20, 24)).transform(array), images)


def test_images_come_in_many_containers():
    objects = np.empty(3, dtype=object)
    objects[:] = IMAGES
    pictures = [Image.fromarray(image) for image in IMAGES]
    expected = load(IMAGES)

    for X in (
        tuple(IMAGES),
        objects,
        objects[:, None],
        pd.Series(IMAGES, index=[7, 8, 9]),
        pd.DataFrame({"cell": IMAGES}),
        pd.DataFrame({"cell": pictures}),
        pd.Series([encode(image) for image in IMAGES]),
        [[image] for image in IMAGES],
        [[picture] for picture in pictures],
    ):
        np.testing.assert_array_equal(ImageLoader((16, 12)).fit_transform(X), expected)


class Tensor:
    """As those of other libraries, which convert themselves to arrays."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


def test_tensors_are_taken_as_arrays():
    images = noise(2, 20, 24, 3)

    np.testing.assert_array_equal(load(Tensor(images)), load(images))
    np.testing.assert_array_equal(
        load([Tensor(image) for image in images]), load(images)
    )


def palette(colors):
    return Image.fromarray(IMAGES[1]).quantize(colors)


def with_orientation(mark):
    image = Image.fromarray(IMAGES[1])
    image.getexif()[ORIENTATION] = mark
    return image


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(palette(8), id="P"),
        pytest.param(Image.fromarray(noise(40, 30)), id="L"),
        pytest.param(Image.fromarray(noise(40, 30) > 128), id="1"),
        pytest.param(Image.fromarray(noise(40, 30, 2)), id="LA"),
        pytest.param(Image.fromarray(noise(40, 30, 4)), id="RGBA"),
    ],
)
def test_modes_of_pillow_are_converted_as_those_of_files(image, save):
    expected = load([save(encode(image))])

    np.testing.assert_array_equal(load([image]), expected)
    np.testing.assert_array_equal(
        load([Image.open(io.BytesIO(encode(image)))]), expected
    )


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("mark", range(1, 9))
def test_images_of_pillow_are_turned_upright_as_files(file_format, mark, save):
    exif = Image.Exif()
    exif[ORIENTATION] = mark
    data = encode(IMAGES[1], file_format, exif=exif)
    expected = load([save(data)])

    for kind in OF_BYTES.values():
        np.testing.assert_array_equal(load([kind(data)]), expected)
    converted = Image.open(io.BytesIO(data)).convert("RGB")
    np.testing.assert_array_equal(load([converted]), expected)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(4, 40), st.integers(4, 40)),
    st.sampled_from(list(KINDS)),
    st.booleans(),
)
def test_any_size_and_kind_gives_the_pixels_of_the_encoded_image(
    shape, kind, keep_aspect
):
    image = noise(*shape, 3)

    np.testing.assert_array_equal(
        load([KINDS[kind](image)], keep_aspect=keep_aspect),
        load([encode(image)], keep_aspect=keep_aspect),
    )


def test_nothing_that_is_passed_is_changed():
    image, picture = IMAGES[0].copy(), with_orientation(6)
    load([image, picture])

    np.testing.assert_array_equal(image, IMAGES[0])
    assert picture.getexif()[ORIENTATION] == 6
    assert picture.size == (30, 50)


# --- open files --------------------------------------------------------------------


def test_an_open_file_is_read_from_its_beginning_and_left_as_it_was(save):
    path = save(encode(IMAGES[0]))
    with path.open("rb") as file:
        file.seek(10)
        for _ in range(2):
            np.testing.assert_array_equal(load([file]), load([path]))
        assert file.tell() == 10
        assert not file.closed


class InPieces(io.BytesIO):
    """What lets other threads read while it waits for the disk."""

    def read(self, size):
        time.sleep(1e-4)
        return super().read(min(size, 1000))


def test_a_file_that_is_there_several_times_is_read_by_one_thread_at_a_time():
    file = InPieces(encode(IMAGES[1]))

    # Each thread takes 64 images.
    images = load([file] * 128, n_jobs=2)

    np.testing.assert_array_equal(images, load([IMAGES[1]] * 128))


class Stream:
    """What cannot be rewound, as the answer of a server."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, size):
        return self.file.read(min(size, 100))


def test_a_stream_is_read_from_where_it_stands():
    stream = Stream(b"head" + encode(IMAGES[0]))
    assert stream.read(4) == b"head"

    np.testing.assert_array_equal(load([stream]), load([IMAGES[0]]))
    with pytest.raises(ImageReadError, match=r"X\[0\]: is empty"):
        load([stream])


# --- pipelines ---------------------------------------------------------------------


def test_a_pipeline_is_cross_validated_and_predicts_an_upload():
    cells = make_cell_images(40, 4, image_size=(32, 32), random_state=0)
    images = [image[: 28 + i % 5] for i, image in enumerate(cells.images)]
    uploads = [io.BytesIO(encode(image)) for image in images]
    pipeline = make_pipeline(
        ImageLoader((32, 32)),
        SpotFeatureExtractor(),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
    )
    scores = [
        cross_validate(
            pipeline, X, cells.target, cv=2, scoring="roc_auc", error_score="raise"
        )["test_score"].tolist()
        for X in (images, uploads)
    ]
    assert scores[0] == scores[1]

    pipeline = clone(pipeline).fit(images, cells.target)
    expected = pipeline.predict_proba(images)
    for upload in (uploads[3], encode(images[3]), Image.open(uploads[3]), images[3]):
        np.testing.assert_array_equal(pipeline.predict_proba(upload), expected[3:4])


def test_the_example_of_the_user_guide():
    page = Path(__file__).parents[2] / "docs/user_guide/loading.rst"

    result = doctest.testfile(str(page), module_relative=False)

    assert result.failed == 0
    assert result.attempted > 0


# --- refusals ----------------------------------------------------------------------


def closed_file():
    file = io.BytesIO(encode(IMAGES[0]))
    file.close()
    return file


def closed_image():
    image = Image.open(io.BytesIO(encode(IMAGES[0])))
    image.close()
    return image


def released():
    view = memoryview(encode(IMAGES[0]))
    view.release()
    return view


class Broken:
    def read(self, size):
        raise RuntimeError("the connection was lost")


class GivesNothing:
    def read(self, size):
        return None


def animation():
    data = encode(
        IMAGES[0], save_all=True, append_images=[Image.fromarray(IMAGES[0][::-1])]
    )
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "is empty"),
        (io.BytesIO(), "is empty"),
        (b"no image", "not a BMP, JPEG, PNG, TIFF image"),
        (encode(IMAGES[0])[:-20], "truncated PNG: its end is missing"),
        (released(), "cannot be read: operation forbidden on released memoryview"),
        (bytes(2**26 + 1), "is larger than 67,108,864 bytes"),
        (io.BytesIO(bytes(2**26 + 1)), "is larger than 67,108,864 bytes"),
        (closed_file(), "is a closed file"),
        (io.StringIO("name,age"), "is open in text mode, expected mode='rb'"),
        (
            io.TextIOWrapper(io.BytesIO(encode(IMAGES[0])), "utf-8"),
            "is open in text mode, expected mode='rb'",
        ),
        (Broken(), "cannot be read: the connection was lost"),
        (GivesNothing(), "returns NoneType, not bytes, when it is read"),
        (closed_image(), "cannot be decoded: "),
        (Image.open(io.BytesIO(encode(IMAGES[0], "JPEG")[:900])), "truncated"),
        (animation(), "animated or multi-page: it has 2 images"),
        (Image.new("CMYK", (20, 20)), "has color mode CMYK"),
        (Image.fromarray(noise(20, 20).astype(np.uint16)), "more than 8 bits"),
        (Image.fromarray(noise(20, 20).astype(np.int32)), "more than 8 bits"),
        (Image.fromarray(noise(20, 20).astype(np.float32)), "more than 8 bits"),
        (Image.new("RGB", (3, 20)), "has 20 x 3 pixels, expected at least 4 x 4"),
        (noise(20, 3, 3), "has 20 x 3 pixels, expected at least 4 x 4"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(image, reason):
    with pytest.raises(ImageReadError) as caught:
        load([IMAGES[0], image, IMAGES[1], b"GIF89a of a patient"])

    assert list(caught.value.refused) == ["X[1]", "X[3]"]
    assert reason in caught.value.refused["X[1]"]
    assert "patient" not in str(caught.value)


def test_one_image_that_cannot_be_read_is_named():
    with pytest.raises(ImageReadError, match=r"1 image\(s\) cannot be read:\n  X: is "):
        load(b"")


def test_a_file_and_an_image_in_memory_are_named_in_one_error(tmp_path):
    missing = tmp_path / "nowhere.png"

    with pytest.raises(ImageReadError) as caught:
        load([missing, b""])

    assert caught.value.refused == {
        str(missing): "No such file or directory",
        "X[1]": "is empty",
    }


def test_pillow_must_not_fill_up_truncated_files(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)

    with pytest.raises(ValueError, match="LOAD_TRUNCATED_IMAGES is True"):
        load([Image.open(io.BytesIO(encode(IMAGES[0], "JPEG")[:900]))])


FIRST_IS_BLUE = np.moveaxis(IMAGES[0], -1, 0)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (
            FIRST_IS_BLUE,
            ValueError,
            "has shape (3, 20, 24): expected one RGB image (height, width, 3). This "
            "looks like (channels, height, width): pass np.moveaxis({}, 0, -1).",
        ),
        (noise(20, 24), ValueError, "If it is gray, pass np.stack([{}] * 3, axis=-1)."),
        (noise(20, 24, 1), ValueError, "It looks gray: pass np.repeat({}, 3, axis=-1)"),
        (noise(20, 24, 4), ValueError, "is opacity, pass PIL.Image.fromarray({})"),
        (noise(0, 24, 3), ValueError, "has shape (0, 24, 3): it has no pixels"),
        (
            IMAGES[0].astype(float),
            ValueError,
            "has floating values in [0.0, 255.0]: expected values in [0, 1]. They "
            "look like values in [0, 255]: pass {}.astype('uint8') or {} / 255.",
        ),
        (IMAGES[0] / 255 - 0.2, ValueError, "pass np.clip({}, 0, 1)"),
        (np.full((20, 24, 3), np.nan), ValueError, "contains NaN or infinity"),
        (IMAGES[0] / 255 / 255, ValueError, "is nearly black: its largest value is"),
        (
            IMAGES[0].astype(int),
            TypeError,
            "has dtype int64: expected uint8 in [0, 255]",
        ),
        (IMAGES[0] > 9, TypeError, "has dtype bool: expected uint8 in [0, 255]"),
        (IMAGES[0] * 1j, TypeError, "has dtype complex128: expected uint8 in [0, 255]"),
        (np.ma.masked_less(IMAGES[0], 9), ValueError, "masked values: expected none"),
    ],
)
def test_an_array_that_is_no_image_is_named_by_its_place(method, image, error, message):
    for X, name in (([IMAGES[1], image], "X[1]"), (image, "X")):
        if name == "X" and image.ndim != 3:
            continue
        with pytest.raises(error) as caught:
            getattr(ImageLoader(), method)(X)
        assert message.format(name, name) in str(caught.value)
        assert str(caught.value).startswith(f"{name} ")


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (noise(2, 3, 20, 24), ValueError, "pass np.moveaxis(X, 1, -1)"),
        (noise(2, 20, 24, 1), ValueError, "X has 1 channel(s), expected 3"),
        (noise(2, 20, 24, 3) * 1.0, ValueError, "X.astype('uint8') or X / 255"),
        (noise(2, 20, 24, 3) // 255, ValueError, "X is nearly black"),
        (noise(0, 20, 24, 3), ValueError, "X is empty: found 0 image(s)"),
        (noise(20, 24), ValueError, "X has shape (20, 24) and dtype uint8: expected"),
        (noise(2, 20, 24, 3).astype(object), ValueError, "a list or with dtype uint8"),
        ([noise(2, 20, 24, 3)], ValueError, "X[0] has shape (2, 20, 24, 3)"),
        (noise(4, 5).tolist(), TypeError, "X[0] is [95, 130, 194, 217, 207], of type"),
        ([io.BytesIO], TypeError, "X[0] is <class '_io.BytesIO'>, of type type"),
        ([np.float32(3)], TypeError, "of type float32: expected the path of"),
    ],
)
def test_what_holds_no_images_is_refused(method, X, error, message):
    with pytest.raises(error, match=re.escape(message)):
        getattr(ImageLoader(), method)(X)


class AsyncUpload:
    async def read(self, size=-1):
        raise AssertionError


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_an_upload_that_is_read_asynchronously_is_explained(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no coroutine is left alone
        for X, name in ((AsyncUpload(), "X"), ([AsyncUpload()], "X[0]")):
            with pytest.raises(
                TypeError,
                match=re.escape(f"{name}, of type AsyncUpload, is read asynchronously"),
            ):
                getattr(ImageLoader(), method)(X)
