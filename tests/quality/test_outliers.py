import pickle

import cv2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer

from malariafuse.datasets import make_cell_images
from malariafuse.quality import CellOutlierDetector, cell_quality

SIZE = 40
CELLS = make_cell_images(240, 30, image_size=(SIZE, SIZE), random_state=0).images
OTHERS = make_cell_images(40, 3, image_size=(SIZE, SIZE), random_state=1).images
OUTLINES = OTHERS.max(axis=-1, keepdims=True) > 10
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def detector():
    return CellOutlierDetector(contamination=0.05).fit(CELLS)


def blurred(images, sigma):
    return np.array([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def gray(images):
    return np.repeat(images[..., 1:2], 3, axis=-1)


def hue_turned(images, degrees):
    turned = []
    for image in images:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + degrees // 2) % 180
        turned.append(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    return np.array(turned)


def one_color(color):
    return np.tile(np.array(color, dtype=np.uint8), (4, SIZE, SIZE, 1))


def noise():
    return RANDOM.integers(0, 256, (20, SIZE, SIZE, 3)).astype(np.uint8)


NO_CELLS = {
    "noise": noise(),
    "noise within the outline of a cell": noise() * OUTLINES[:20],
    "a plain color": one_color((200, 140, 150)),
    "a plain color within the outline of a cell": np.array(
        one_color((200, 140, 150)) * OUTLINES[:4]
    ),
    "black": one_color((0, 0, 0)),
    "a natural background": np.where(OUTLINES, OTHERS, np.uint8(225)),
    "inverted": (255 - OTHERS) * OUTLINES,
    "gray": gray(OTHERS),
    "blur": blurred(OTHERS, SIZE / 12),
    "red and blue swapped": OTHERS[..., ::-1],
    "hue turned by 90 degrees": hue_turned(OTHERS, 90),
    "hue turned back by 90 degrees": hue_turned(OTHERS, 270),
}


# A pale cell has hardly a hue.
LEAST_REFUSED = {
    "red and blue swapped": 0.75,
    "hue turned by 90 degrees": 0.85,
    "hue turned back by 90 degrees": 0.85,
}


@pytest.mark.parametrize("kind", NO_CELLS)
def test_what_is_no_cell_is_refused(detector, kind):
    refused = (detector.predict(NO_CELLS[kind]) == -1).mean()
    assert refused >= LEAST_REFUSED.get(kind, 0.95)


def test_cells_of_other_patients_are_kept(detector):
    assert (detector.predict(OTHERS) == 1).mean() >= 0.85


def test_the_share_of_training_cells_that_is_refused_is_contamination(detector):
    # 5 % of 240 cells.
    assert (detector.predict(CELLS) == -1).sum() == 12


def test_decisions_follow_from_scores(detector):
    images = np.concatenate([OTHERS[:10], NO_CELLS["noise"][:5]])
    scores = detector.score_samples(images)
    decision = detector.decision_function(images)
    np.testing.assert_allclose(decision, scores - detector.offset_)
    np.testing.assert_array_equal(
        detector.predict(images), np.where(decision < 0, -1, 1)
    )
    distances = detector.distances(images)
    np.testing.assert_array_equal(scores, -distances.max(axis=1))
    assert distances.columns.to_list() == [
        "color",
        "texture",
        "form",
        "features",
        "tint",
    ]


def test_distances_are_one_at_the_tail_of_training(detector):
    distances = detector.distances(CELLS)
    np.testing.assert_allclose(distances.median(), 0, atol=1e-9)
    np.testing.assert_allclose(distances.quantile(0.995), 1)


def test_an_image_is_judged_by_itself(detector):
    together = detector.score_samples(OTHERS[:4])
    alone = [detector.score_samples(image[None])[0] for image in OTHERS[:4]]
    np.testing.assert_allclose(together, alone)


def test_bytes_and_floats_have_the_same_score(detector):
    as_floats = detector.score_samples(OTHERS[:10] / 255)
    np.testing.assert_allclose(
        as_floats, detector.score_samples(OTHERS[:10]), atol=1e-3
    )


def test_an_image_without_a_cell_has_the_lowest_score(detector):
    black = np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8)
    assert detector.score_samples(black) == -100


def test_another_fit_and_a_stored_detector_say_the_same(detector):
    scores = detector.score_samples(OTHERS)
    again = clone(detector).fit(CELLS)
    np.testing.assert_array_equal(again.score_samples(OTHERS), scores)
    stored = pickle.dumps(detector)
    np.testing.assert_array_equal(pickle.loads(stored).score_samples(OTHERS), scores)
    # 259 features in 20 directions, and no training cells.
    assert len(stored) < 100_000


def mean_colors(images):
    return images.reshape(len(images), -1, 3).mean(axis=1)


def test_features_of_another_transformer_are_compared(detector):
    other = CellOutlierDetector(features=FunctionTransformer(mean_colors)).fit(CELLS)
    ours, theirs = (d.distances(OTHERS) for d in (detector, other))
    same = ["color", "texture", "form", "tint"]
    np.testing.assert_allclose(ours[same], theirs[same])
    assert not np.allclose(ours["features"], theirs["features"])


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda images: images, r"features=.*shape \(\d+, 40, 40, 3\)"),
        (lambda images: mean_colors(images) * np.nan, "features=.*NaN"),
    ],
)
def test_features_are_finite_vectors(transform, message):
    detector = CellOutlierDetector(features=FunctionTransformer(transform))
    with pytest.raises(ValueError, match=message):
        detector.fit(CELLS[:20])


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, "auto", np.nan])
def test_contamination_is_a_share(contamination):
    with pytest.raises(ValueError, match="contamination="):
        CellOutlierDetector(contamination=contamination).fit(CELLS[:20])


def test_cells_are_needed_to_learn_from():
    dim = np.full((5, SIZE, SIZE, 3), 8, dtype=np.uint8)
    with pytest.raises(ValueError, match="X has 0 image"):
        CellOutlierDetector().fit(dim)


def test_images_without_a_cell_are_outliers_of_training():
    black = np.zeros((2, SIZE, SIZE, 3), dtype=np.uint8)
    with_black = np.concatenate([CELLS[:98], black])
    detector = CellOutlierDetector(contamination=0.02).fit(with_black)
    np.testing.assert_array_equal(detector.predict(with_black[-2:]), [-1, -1])


def test_sharpness_falls_with_blur():
    """A blur by s pixels leaves exp(-(2 pi s / 6)^2 / 2) of a wave of 6 pixels.

    A squared gradient keeps the square of that.
    """
    wave = np.sin(2 * np.pi * np.arange(60) / 6)
    square = np.zeros((60, 60))
    square[5:55, 5:55] = 0.5
    left = np.exp(-((2 * np.pi / 6) ** 2) / 2)
    sharp, soft = (
        np.repeat((square * (1 + amplitude * wave))[None, ..., None], 3, axis=-1)
        for amplitude in (0.1, 0.1 * left)
    )
    ratio = cell_quality(soft)["sharpness"] / cell_quality(sharp)["sharpness"]
    assert ratio.item() == pytest.approx(left**2, rel=0.02)


def test_quality_of_a_square():
    image = np.zeros((1, 20, 20, 3), dtype=np.uint8)
    image[0, 5:15, 5:15] = (255, 0, 0)
    image[0, 5:15, 5:10] = (200, 0, 0)
    (row,) = cell_quality(image).to_dict("records")
    # 10 x 10 of 20 x 20 pixels, half of which is at 255; pure red has hue 0.
    assert row["area"] == 100
    assert row["black"] == 0.75
    assert row["clipped"] == pytest.approx(0.5)
    assert row["hue"] == 0
    assert row["saturation"] == pytest.approx(1)


def test_a_flat_cell_has_no_sharpness():
    image = np.zeros((1, 20, 20, 3), dtype=np.uint8)
    image[0, 5:15, 5:15] = (120, 60, 200)
    assert cell_quality(image)["sharpness"].item() == pytest.approx(0, abs=1e-9)


def test_quality_without_a_cell_is_nan():
    quality = cell_quality(np.zeros((1, 20, 20, 3), dtype=np.uint8))
    assert quality.pop("black").item() == 1
    assert quality.isna().all(axis=None)
