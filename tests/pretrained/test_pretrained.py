"""Trained pipelines that are stored without code, and loaded."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline
from support import fast

from malariafuse import (
    BackgroundMasker,
    CellGuard,
    FeatureFusionClassifier,
    GaussianSmoother,
    HSVConverter,
    ImageLoader,
    ResNet18Classifier,
)
from malariafuse._plain import to_plain
from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import SlideAdapter
from malariafuse.pretrained import (
    load_patient_test,
    load_pretrained,
    load_slide_adapter,
    model_card,
    save_pretrained,
)

CELLS = make_cell_images(60, 6, image_size=(40, 40), random_state=0)


def tiny_backbone(input_shape, filters):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(filters, 3, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def fitted_adapter():
    rng = np.random.default_rng(0)
    adapter = SlideAdapter(min_cells=5)
    return adapter.fit(rng.random(400) > 0.5, rng.random(400), np.arange(400) % 8)


def fitted_test():
    rng = np.random.default_rng(0)
    y_true = rng.random(2000) > 0.5
    y_prob = np.clip(0.5 * y_true + 0.5 * rng.random(2000), 0, 1)
    return PatientTest().fit(y_true, y_prob, np.arange(2000) % 20)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A pipeline as the one that comes with the package, and where it is stored."""
    images = BackgroundMasker().fit_transform(CELLS.images)
    classifier = FeatureFusionClassifier(
        backbone="convnet", filters=1, embedding_size=4, threshold=0.4, **fast(epochs=1)
    )
    pipeline = Pipeline(
        [
            ("load", ImageLoader(image_size=(40, 40))),
            ("mask", BackgroundMasker(on_error="keep").fit(CELLS.images)),
            ("guard", CellGuard().fit(images)),
            ("classify", classifier.fit(images, CELLS.target)),
        ]
    )
    folder = tmp_path_factory.mktemp("model") / "new"
    save_pretrained(
        folder,
        pipeline,
        slide_adapter=fitted_adapter(),
        patient_test=fitted_test(),
        card={"data": "drawn cells"},
    )
    return pipeline, folder


def test_it_predicts_as_before(stored):
    pipeline, folder = stored
    loaded = load_pretrained(folder)
    images = list(CELLS.images)
    # Trees are added up in another order.
    np.testing.assert_allclose(
        loaded.predict_proba(images), pipeline.predict_proba(images), atol=1e-6
    )
    np.testing.assert_array_equal(loaded.predict(images), pipeline.predict(images))
    assert loaded.named_steps["classify"].threshold == 0.4
    assert loaded.classes_.tolist() == [0, 1]


def test_its_card_and_its_adapter(stored):
    _, folder = stored
    card = model_card(folder)
    assert card["data"] == "drawn cells"
    assert set(card["sha256"]) == {"model.json", "weights.npz"}
    adapter = fitted_adapter()
    assert load_slide_adapter(folder).reference_ == adapter.reference_
    cells = np.linspace(0, 1, 50)
    pd.testing.assert_frame_equal(
        load_patient_test(folder).test(cells, "C7"), fitted_test().test(cells, "C7")
    )


def test_it_holds_no_code(stored):
    _, folder = stored
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "biufU" for name in arrays.files)
    assert "HistGradientBoosting" not in (folder / "model.json").read_text()


@pytest.mark.parametrize("name", ["model.json", "weights.npz"])
def test_damage_is_seen(stored, tmp_path, name):
    _, folder = stored
    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        if file.name == name:
            content[len(content) // 2] ^= 1
        (tmp_path / file.name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged: its SHA-256"):
        load_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"malariafuse": "9.0"}', "is damaged: 'format'"),
        ('{"malariafuse": "9.0", "format": 7}', r"by malariafuse 9\.0 in format 7"),
    ],
)
def test_cards_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "model_card.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_pretrained(tmp_path)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no model_card\.json"):
        load_pretrained(tmp_path)


def test_a_model_alone(tmp_path):
    pipeline = make_pipeline(HSVConverter()).fit(CELLS.images)
    save_pretrained(tmp_path, pipeline)
    with pytest.raises(ValueError, match="has no slide adapter"):
        load_slide_adapter(tmp_path)
    with pytest.raises(ValueError, match="has no patient test"):
        load_patient_test(tmp_path)


def test_what_cannot_be_stored(tmp_path):
    with pytest.raises(ValueError, match=r"pipeline=PCA.*: expected a fitted Pipeline"):
        save_pretrained(tmp_path, PCA())
    with pytest.raises(NotFittedError):
        save_pretrained(tmp_path, make_pipeline(ResNet18Classifier()))
    fitted = make_pipeline(PCA(1)).fit(np.eye(3))
    with pytest.raises(TypeError, match="PCA cannot be stored"):
        save_pretrained(tmp_path, fitted)
    fitted = make_pipeline(HSVConverter()).fit(CELLS.images)
    with pytest.raises(TypeError, match=r"card cannot be stored as JSON: .*object"):
        save_pretrained(tmp_path, fitted, card={"a": object()})
    assert not list(tmp_path.iterdir())


def test_an_older_model_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    save_pretrained(tmp_path, make_pipeline(HSVConverter()).fit(CELLS.images))

    def fill_the_disk(file, **arrays):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fill_the_disk)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"):
        save_pretrained(tmp_path, make_pipeline(GaussianSmoother()).fit(CELLS.images))
    assert list(load_pretrained(tmp_path).named_steps) == ["hsvconverter"]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_model_of_another_version_names_it(tmp_path, monkeypatch):
    def newer_plain(parts, converters):
        text, arrays = to_plain(parts, converters)
        return text.replace("HSVConverter", "ConverterOf9"), arrays

    with monkeypatch.context() as newer:
        newer.setattr("malariafuse.pretrained._files.__version__", "9.0")
        newer.setattr("malariafuse.pretrained._save.to_plain", newer_plain)
        save_pretrained(tmp_path, make_pipeline(HSVConverter()).fit(CELLS.images))
    with pytest.raises(
        ValueError,
        match=r"was stored by malariafuse 9\.0, but malariafuse .*ConverterOf9",
    ):
        load_pretrained(tmp_path)
