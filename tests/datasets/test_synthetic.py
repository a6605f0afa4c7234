import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from malariafuse.datasets import make_cell_images, patient_ids


@pytest.fixture(scope="module")
def cells():
    return make_cell_images(400, 20, random_state=0)


def test_returns_what_load_cell_images_returns(cells):
    assert cells.images.shape == (400, 48, 48, 3)
    assert cells.images.dtype == np.uint8
    assert cells.target.dtype == cells.groups.dtype == np.int64
    assert cells.target_names == ["uninfected", "parasitized"]
    assert "diagnosis" in cells.DESCR


def test_file_names_are_unique_and_tell_the_patient(cells):
    assert len(set(cells.filenames)) == 400
    np.testing.assert_array_equal(patient_ids(cells.filenames), cells.groups)
    assert all(
        re.match(r"C\d+P\d+N?ThinF_\d_cell_\d+\.png$", n) for n in cells.filenames
    )


def test_one_patient_in_four_is_healthy_and_the_others_have_both_classes(cells):
    classes = [
        tuple(np.unique(cells.target[cells.groups == patient]))
        for patient in range(1, 21)
    ]
    assert classes.count((0,)) == 5
    assert classes.count((0, 1)) == 15


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_parasitized_fraction_is_exact(fraction):
    data = make_cell_images(100, 4, parasitized_fraction=fraction, random_state=0)
    assert data.target.sum() == round(100 * fraction)


def test_classes_and_patients_are_shuffled(cells):
    assert 0 < cells.target[:20].sum() < 20
    assert len(set(cells.groups[:20])) > 5


def test_one_seed_gives_one_set_and_leaves_the_global_seed_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, same = (make_cell_images(12, 2, random_state=7) for _ in range(2))
    other = make_cell_images(12, 2, random_state=8)
    np.testing.assert_array_equal(one.images, same.images)
    np.testing.assert_array_equal(one.filenames, same.filenames)
    assert (one.images != other.images).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("image_size", [(32, 40), (1, 1), (200, 200)])
def test_image_size(image_size):
    data = make_cell_images(4, 1, image_size=image_size, random_state=0)
    assert data.images.shape == (4, *image_size, 3)


def test_cells_lie_on_black_and_fill_most_of_the_crop(cells):
    black = (cells.images == 0).all(axis=-1)
    assert black[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean() > 0.95
    assert 0.1 < black.mean() < 0.35


def test_stain_differs_by_patient(cells):
    middle = cells.images[:, 16:32, 16:32].reshape(400, -1, 3)
    color = np.median(middle, axis=1)
    patients = [color[cells.groups == patient] for patient in range(1, 21)]
    between = np.std([np.median(patient, axis=0) for patient in patients])
    within = np.mean([patient.std(axis=0) for patient in patients])
    assert between > 1.5 * within


def test_color_does_not_tell_the_classes_apart():
    data = make_cell_images(1200, 40, random_state=0)
    red, green, blue = np.moveaxis(data.images.astype(float), -1, 0)
    inside = data.images.max(axis=-1) > 25
    purple = (red + blue) / 2 - green
    for amount in (
        *((inside & (purple > limit)).sum(axis=(1, 2)) for limit in (20, 40, 60, 80)),
        *((inside & (green < limit)).sum(axis=(1, 2)) for limit in (60, 80, 100, 120)),
        np.where(inside, purple, 0).max(axis=(1, 2)),
    ):
        assert roc_auc_score(data.target, amount) < 0.85

    histograms = np.array(
        [
            np.histogramdd(image.reshape(-1, 3), bins=6, range=[(0, 256)] * 3)[
                0
            ].ravel()
            for image in data.images
        ]
    )
    unseen = data.groups > 30
    model = LogisticRegression(C=0.01, max_iter=3000)
    model.fit(np.sqrt(histograms[~unseen]), data.target[~unseen])
    score = model.decision_function(np.sqrt(histograms[unseen]))
    assert roc_auc_score(data.target[unseen], score) < 0.85


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "n_samples=0"),
        ({"n_patients": 2.5}, "n_patients=2.5"),
        ({"parasitized_fraction": 1.0}, "parasitized_fraction=1.0"),
        ({"image_size": 48}, "image_size=48"),
        ({"image_size": (48, 0)}, r"image_size=\(48, 0\)"),
        ({"n_samples": 10, "n_patients": 9}, "too few for n_patients=9, 7 of them"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        make_cell_images(**params)
