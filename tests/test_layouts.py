"""The same images, however they lie in memory, give the same everywhere."""

from functools import cache

import keras
import numpy as np
import pytest
from support import dark_spots, fast, linear_network, without_addresses

from malariafuse import features, preprocessing
from malariafuse.classifiers import FeatureFusionClassifier, KerasImageClassifier
from malariafuse.datasets import make_cell_images

CELLS = make_cell_images(4, 2, image_size=(24, 20), random_state=0).images


def memory_mapped(images, path):
    images.tofile(path)
    return np.memmap(path, images.dtype, "r", shape=images.shape)


def strided(images, path):
    every_other = (slice(None, None, 2),) * 4
    larger = np.zeros([2 * side for side in images.shape], images.dtype)
    larger[every_other] = images
    return larger[every_other]


def unaligned(images, path):
    room = np.zeros(images.nbytes + 1, np.uint8)
    moved = room[1:].view(images.dtype).reshape(images.shape)
    moved[:] = images
    return moved


def read_only(images, path):
    images = images.copy()
    images.flags.writeable = False
    return images


# Of each, a function of images in C order and of the path of a file.
LAYOUTS = {
    "C": lambda images, path: images,
    "Fortran": lambda images, path: np.asfortranarray(images),
    "reversed": lambda images, path: np.flip(np.flip(images).copy()),
    "rot90": lambda images, path: np.rot90(
        np.rot90(images, axes=(2, 1)).copy(), axes=(1, 2)
    ),
    "transposed": lambda images, path: np.moveaxis(
        np.moveaxis(images, 3, 0).copy(), 0, 3
    ),
    "strided": strided,
    "broadcast": lambda images, path: np.broadcast_to(images[:1], images.shape),
    "byte order": lambda images, path: images.astype(images.dtype.newbyteorder()),
    "memory-mapped": memory_mapped,
    "read-only": read_only,
    "unaligned": unaligned,
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS)


def laid_out(images, layout, folder):
    """Return the images in a layout, and a copy of them in C order."""
    turned = LAYOUTS[layout](images, folder / "images")
    copy = np.array(turned, dtype=images.dtype, order="C")
    if layout != "broadcast":
        np.testing.assert_array_equal(copy, images)
    return turned, copy


def test_the_layouts_are_what_they_are_called(tmp_path):
    def flags(layout, images=CELLS):
        return laid_out(images, layout, tmp_path)[0].flags

    assert flags("Fortran").f_contiguous
    for layout in ("reversed", "rot90", "transposed", "strided", "broadcast"):
        assert not flags(layout).c_contiguous
    assert not flags("read-only").writeable
    assert not flags("unaligned", CELLS / 255).aligned
    assert not laid_out(CELLS / 255, "byte order", tmp_path)[0].dtype.isnative


def maps(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, name="maps")(inputs))


TRANSFORMERS = [
    preprocessing.BackgroundMasker(),
    preprocessing.ConcavityMarker(),
    preprocessing.GaussianSmoother(),
    preprocessing.HSVConverter(),
    preprocessing.ImageLoader((16, 16)),
    features.PretrainedFeatureExtractor(
        maps, weights=None, engine="keras", compute_dtype="float32"
    ),
    features.PretrainedFeatureExtractor(
        maps, weights=None, engine="keras", compute_dtype="float32", image_size=(16, 16)
    ),
    features.SpotFeatureExtractor(),
]


def test_every_transformer_of_images_is_here():
    public = {
        getattr(package, name)
        for package in (features, preprocessing)
        for name in package.__all__
    }
    assert public == set(map(type, TRANSFORMERS))


@pytest.mark.parametrize(
    "transformer",
    TRANSFORMERS,
    ids=lambda transformer: without_addresses(repr(transformer)),
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@each_layout
def test_transformers(transformer, dtype, layout, tmp_path):
    images = CELLS if dtype == np.uint8 else (CELLS / 255).astype(dtype)
    turned, copy = laid_out(images, layout, tmp_path)
    transformed, expected = map(transformer.fit_transform, (turned, copy))
    assert transformed.dtype == expected.dtype
    np.testing.assert_array_equal(transformed, expected)
    np.testing.assert_array_equal(turned, copy)
    if hasattr(transformer, "inverse_transform"):
        np.testing.assert_array_equal(
            transformer.inverse_transform(turned), transformer.inverse_transform(copy)
        )


X, Y, _ = dark_spots(16, size=8)
SETTINGS = fast(epochs=1, engine="keras", augmentation=("flip",), test_time_views=8)


@cache
def expected_probabilities(one_image):
    """Train on contiguous copies, of the first image alone or of all."""
    images = X / 255
    if one_image:
        images = np.repeat(images[:1], len(X), axis=0)
    classifier = KerasImageClassifier(linear_network, **SETTINGS)
    return classifier.fit(images, Y).predict_proba(images)


@each_layout
def test_a_classifier_trains_and_predicts(layout, tmp_path):
    turned, _ = laid_out(X / 255, layout, tmp_path)
    classifier = KerasImageClassifier(linear_network, **SETTINGS).fit(turned, Y)
    np.testing.assert_array_equal(
        classifier.predict_proba(turned), expected_probabilities(layout == "broadcast")
    )


@pytest.fixture(scope="module")
def fusion():
    branches = [
        ("rgb", "passthrough"),
        ("marked", preprocessing.ConcavityMarker()),
        ("spots", features.SpotFeatureExtractor()),
    ]
    classifier = FeatureFusionClassifier(
        branches, backbone=pooled, embedding_size=2, training_views=1, **SETTINGS
    )
    return classifier.fit(X, Y)


def pooled(input_shape, filters):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))


@each_layout
def test_a_fusion_predicts(fusion, layout, tmp_path):
    turned, copy = laid_out(X, layout, tmp_path)
    np.testing.assert_array_equal(
        fusion.predict_proba(turned), fusion.predict_proba(copy)
    )
