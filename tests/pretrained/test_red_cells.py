"""The model that comes with the package."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import malariafuse.pretrained
from malariafuse import load_pretrained
from malariafuse.datasets import make_cell_images
from malariafuse.pretrained import load_slide_adapter, model_card

CARD = model_card()


@pytest.fixture(scope="module")
def model():
    return load_pretrained()


def probability(model, images):
    with warnings.catch_warnings():
        # Drawn cells are not quite like stained ones.
        warnings.filterwarnings("ignore", message=".* do not look like single stained")
        return model.predict_proba(images)[:, 1]


def test_it_says_of_drawn_cells_what_it_said_when_it_was_stored(model):
    """No change of code changes the model unseen."""
    expected = CARD["references"]
    cells = make_cell_images(len(expected), 5, random_state=0).images
    assert len(expected) == 50
    np.testing.assert_allclose(probability(model, list(cells)), expected, atol=1e-3)


def test_it_takes_files_and_images_of_any_size(model, tmp_path):
    cells = make_cell_images(3, 1, image_size=(80, 70), random_state=0).images
    pictures = [Image.fromarray(cell) for cell in cells]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    expected = probability(model, list(cells))
    paths = sorted(tmp_path.glob("*.png"))
    np.testing.assert_array_equal(probability(model, paths), expected)
    uploads = [pictures[0], paths[1].read_bytes(), str(paths[2])]
    np.testing.assert_array_equal(probability(model, uploads), expected)


def test_it_warns_of_what_is_no_cell(model):
    noise = np.random.default_rng(0).integers(0, 256, (4, 60, 60, 3), dtype=np.uint8)
    with pytest.warns(
        UserWarning, match="4 of 4 images .* not look like single stained red cell"
    ):
        model.predict(list(noise))


def test_it_decides_by_the_threshold_of_its_card(model):
    threshold = CARD["threshold"]["value"]
    assert model.named_steps["classify"].threshold == threshold
    assert load_slide_adapter().threshold == threshold


def test_it_is_small():
    folder = Path(malariafuse.pretrained.__file__).with_name("red_cells")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 3_000_000


def test_its_card_says_what_has_to_be_known():
    for entry in (
        "intended_use",
        "limits",
        "other_laboratory",
        "out_of_fold",
        "protocol",
        "training_data",
        "versions",
    ):
        assert CARD[entry], entry
