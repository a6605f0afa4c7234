import keras
import numpy as np
import pytest

from malariafuse.networks import (
    RandomBackground,
    RandomBlur,
    RandomCropJitter,
    RandomJPEG,
    RandomMaskJitter,
    RandomQuarterTurn,
    RandomStainJitter,
)

IMAGES = np.random.default_rng(0).random((32, 6, 6, 3), dtype="float32")
IMAGES[:, :2] = 0


KINDS = [
    RandomBackground,
    RandomBlur,
    RandomCropJitter,
    RandomJPEG,
    RandomMaskJitter,
    RandomQuarterTurn,
    RandomStainJitter,
]


# The blur of the default is finer than pixels as large as these.
LAYERS = [
    kind(seed=0) if kind is not RandomBlur else kind(0.2, seed=0) for kind in KINDS
]


@pytest.mark.parametrize("layer", LAYERS)
def test_images_change_in_training_only(layer):
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
    assert (np.asarray(layer(IMAGES, training=True)) != IMAGES).any()


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_one_sequence(kind):
    first, second = (np.asarray(kind(seed=3)(IMAGES, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "layer",
    [
        RandomBackground(0.2, noise=0.1, seed=1),
        RandomBlur(0.1),
        RandomCropJitter(0.2, offset=0.3),
        RandomJPEG(10),
        RandomMaskJitter(0.1),
        RandomQuarterTurn(seed=1),
        RandomStainJitter(0.3, contrast=0.1),
    ],
)
def test_configuration_makes_an_equal_layer(layer):
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


def test_each_image_gets_one_of_four_turns():
    turned = np.asarray(RandomQuarterTurn(seed=0)(IMAGES, training=True))
    counts = [0, 0, 0, 0]
    for before, after in zip(IMAGES, turned, strict=True):
        fits = [np.array_equal(np.rot90(before, k), after) for k in range(4)]
        assert sum(fits) == 1
        counts[fits.index(True)] += 1
    assert min(counts) > 0


def test_stain_jitter_scales_channels_and_leaves_black():
    strength = 0.2
    layer = RandomStainJitter(strength, contrast=0, seed=0)
    jittered = np.asarray(layer(IMAGES, training=True))
    assert (jittered[:, :2] == 0).all()
    ratios = jittered[:, 2:] / IMAGES[:, 2:]
    low, high = ratios.min((1, 2)), ratios.max((1, 2))
    np.testing.assert_allclose(low, high, rtol=1e-4)
    assert np.log(low).max() <= strength + 1e-4
    assert np.ptp(np.log(low), axis=1).max() <= 2 * strength + 1e-4
    assert len(np.unique(low.round(6))) == low.size


def test_what_stain_jitter_would_make_too_bright_is_dimmed_and_not_clipped():
    strength = 0.2
    layer = RandomStainJitter(strength, contrast=0, seed=0)
    jittered = np.asarray(layer(IMAGES, training=True))
    brightest = jittered.max((1, 2, 3))
    dimmed = np.isclose(brightest, 1, atol=1e-6)
    assert 0 < dimmed.sum() < len(IMAGES)
    assert brightest.max() <= 1
    # Clipped, whole patches would be.
    assert ((jittered[dimmed] > 1 - 1e-5).sum((1, 2, 3)) == 1).all()
    kept = np.log(jittered[~dimmed, 2:] / IMAGES[~dimmed, 2:])
    assert np.abs(kept).max() <= strength + 1e-4


def test_stain_jitter_multiplies_optical_densities():
    contrast = 0.3
    layer = RandomStainJitter(0, contrast=contrast, seed=0)
    jittered = np.asarray(layer(IMAGES, training=True))
    assert (jittered[:, :2] == 0).all()
    ratios = np.log(jittered[:, 2:]) / np.log(IMAGES[:, 2:])
    low, high = ratios.min((1, 2)), ratios.max((1, 2))
    np.testing.assert_allclose(low, high, rtol=1e-3)
    assert np.abs(np.log(low)).max() <= contrast + 1e-3
    assert len(np.unique(low.round(6))) == low.size


def test_brightness_and_contrast_have_widths_of_their_own():
    # Near 1 the density is near 0, which contrast multiplies: brightness alone is left.
    pale = np.full((64, 2, 2, 3), 0.999, "float32")
    layer = RandomStainJitter(0.1, contrast=2.0, seed=0)
    jittered = np.asarray(layer(pale, training=True))
    assert 0.8 < jittered.min() < 0.95


def test_quarter_turns_need_square_images():
    with pytest.raises(ValueError, match="square"):
        RandomQuarterTurn()(np.zeros((1, 4, 6, 3), "float32"), training=True)


@pytest.mark.parametrize("name", ["strength", "contrast"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", None])
def test_widths_that_are_no_finite_numbers_from_0_on_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name}={value!r}: expected a number in"):
        RandomStainJitter(**{name: value})


def test_layers_are_stored_with_a_model():
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), RandomStainJitter(), RandomQuarterTurn()]
    )
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(config)
    assert [type(layer) for layer in copy.layers] == [
        RandomStainJitter,
        RandomQuarterTurn,
    ]
