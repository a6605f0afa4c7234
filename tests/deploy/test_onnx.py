"""Exported folders give what the pipeline gave, and are refused once damaged."""

import io
import json
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import dark_spots, fast

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

import onnxruntime

from malariafuse import (
    BackgroundMasker,
    ConcavityMarker,
    ConvNetClassifier,
    FeatureFusionClassifier,
    GaussianSmoother,
    HSVConverter,
    ImageLoader,
    SpotFeatureExtractor,
    load_pretrained,
    load_smear_reader,
)
from malariafuse._trees import BoostedTrees
from malariafuse.datasets import make_smear_photos
from malariafuse.deploy import OnnxClassifier, _build, export_onnx, predict_files
from malariafuse.deploy._compare import by_graph
from malariafuse.deploy._folder import write_manifest
from malariafuse.deploy._graph import Graph
from malariafuse.patients import SmearReader
from malariafuse.pretrained import load_patient_test, load_slide_adapter, model_card

X, Y, _ = dark_spots()
SIZE = X.shape[1:3]

# What any program that imports one of these would do where they are not installed.
WITHOUT_KERAS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def small_convnet(**parameters):
    return ConvNetClassifier(filters=2, dense_units=(4,), **fast(**parameters))


def small_fusion(branches, **parameters):
    return FeatureFusionClassifier(
        branches,
        backbone="convnet",
        filters=2,
        embedding_size=4,
        training_views=1,
        **fast(**parameters),
    )


def in_process_without_keras(folder, paths, *options):
    """Return the probabilities of the positive class."""
    code = f"""{WITHOUT_KERAS}
from malariafuse.deploy import OnnxClassifier
classifier = OnnxClassifier({str(folder)!r})
print(classifier.predict_proba({paths!r})[:, 1].tolist())
assert not {{"keras", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def plain():
    """A pipeline that is a graph as a whole."""
    return make_pipeline(
        ImageLoader(SIZE), GaussianSmoother(3), HSVConverter(), small_convnet()
    ).fit(X, Y)


@pytest.fixture(scope="module")
def folder(plain, tmp_path_factory):
    return export_onnx(plain, tmp_path_factory.mktemp("plain") / "exported")


@pytest.fixture(scope="module")
def exported(folder):
    return OnnxClassifier(folder)


# The graph


def test_graph_converts_to_hsv_as_opencv_does_to_the_last_bit():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    images[0] = images[0, ..., :1]  # gray, which has no hue
    converter = HSVConverter().fit(images)
    np.testing.assert_array_equal(
        by_graph(converter, images), converter.transform(images)
    )


@pytest.mark.parametrize(
    ("kernel_size", "sigma"), [(1, None), (3, None), (5, None), (7, 1.3), (15, 3.0)]
)
def test_graph_smooths_as_opencv_does_within_one_level(kernel_size, sigma):
    generator = np.random.default_rng(0)
    # Of such a width the last pixels of each row are rounded by other instructions.
    images = generator.integers(0, 256, (10, 30, 50, 3), dtype=np.uint8)
    smoother = GaussianSmoother(kernel_size, sigma=sigma).fit(images)
    difference = np.abs(by_graph(smoother, images) - smoother.transform(images))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05


@pytest.mark.parametrize("n_classes", [2, 3])
def test_graph_has_the_log_odds_of_boosted_trees(n_classes):
    generator = np.random.default_rng(0)
    # Values that many rows share lie right at thresholds.
    vectors = generator.integers(0, 9, (300, 4)).astype(np.float32) / 7
    labels = (vectors.sum(axis=1) * 10).astype(int) % n_classes
    boosting = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    boosting.fit(vectors, labels)
    graph = Graph()
    odds = graph.log_odds(
        graph.add_input("vectors", np.float32, (4,)), BoostedTrees.of(boosting), 9.2
    )
    width = 1 if n_classes == 2 else n_classes
    session = onnxruntime.InferenceSession(
        graph.part({odds: (width,)}).SerializeToString()
    )
    got = session.run(None, {"vectors": vectors})[0]
    expected = np.log(boosting.predict_proba(vectors))
    if n_classes == 2:
        expected = expected[:, 1:] - expected[:, :1]
    np.testing.assert_allclose(got, expected, atol=2e-6)


# The exported classifier


@pytest.mark.parametrize("n", [1, 7, len(X)])
def test_probabilities_are_those_of_the_pipeline(plain, exported, n):
    np.testing.assert_allclose(
        exported.predict_proba(X[:n]), plain.predict_proba(X[:n]), atol=1e-5
    )
    assert exported.predict(X[:n]).tolist() == plain.predict(X[:n]).tolist()


def test_takes_what_the_pipeline_takes(plain, exported, tmp_path):
    picture = Image.fromarray(X[0])
    path = tmp_path / "cell.png"
    picture.save(path)
    upload = io.BytesIO(path.read_bytes())
    given = [path, str(path), path.read_bytes(), upload, picture, X[0], X[0] / 255]
    expected = np.repeat(plain.predict_proba(X[:1]), len(given), axis=0)
    np.testing.assert_allclose(exported.predict_proba(given), expected, atol=1e-5)


def test_graph_alone_takes_bytes_of_images(plain, folder):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (given,) = session.get_inputs()
    assert (given.name, given.type) == ("images", "tensor(uint8)")
    assert given.shape == ["n", *X.shape[1:]]
    np.testing.assert_allclose(
        session.run(["probabilities"], {"images": X})[0],
        plain.predict_proba(X),
        atol=1e-5,
    )


def test_the_guide_runs_the_graph_without_malariafuse(
    plain, folder, tmp_path, monkeypatch
):
    guide = Path(__file__).parents[2] / "docs/user_guide/in_the_field.rst"
    block = guide.read_text().split(":name: without_malariafuse\n")[1]
    lines = block.split("\nTelephones")[0].replace("\n    ", "\n")
    # Narrower and higher than the images of the training.
    crop = cv2.resize(X[0], (12, 25))
    Image.fromarray(crop).save(tmp_path / "cell.png")
    shutil.copytree(folder, tmp_path / "exported_network")
    monkeypatch.chdir(tmp_path)
    given = {}
    exec(lines, given)
    np.testing.assert_allclose(
        given["probabilities"], plain.predict_proba([crop]), atol=1e-5
    )


def test_is_a_fitted_classifier(exported, folder, tmp_path):
    assert exported.fit(X, Y) is exported
    assert exported.classes_.tolist() == [0, 1]
    for other in (clone(exported), pickle.loads(pickle.dumps(exported))):
        assert other.get_params() == {"folder": folder, "check_golden": True}
        np.testing.assert_array_equal(
            other.predict_proba(X[:3]), exported.predict_proba(X[:3])
        )
    Image.fromarray(X[0]).save(tmp_path / "C1_cell.png")
    table = predict_files(exported, tmp_path)
    assert table["probability"].item() == pytest.approx(
        exported.predict_proba(X[:1])[0, 1]
    )
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json"):
        clone(exported).set_params(folder=tmp_path)


def test_threshold_and_text_labels_are_those_of_the_classifier(tmp_path):
    labels = np.where(Y == 1, "Parasitized", "Uninfected")
    classifier = small_convnet(pos_label="Parasitized").fit(X, labels)
    middle = float(np.median(classifier.predict_proba(X)[:, 0]))
    classifier.set_params(threshold=middle)
    card = {"threshold": {"value": middle, "chosen_by": "median"}, "patients": 4}
    exported = OnnxClassifier(export_onnx(classifier, tmp_path / "text", card=card))
    assert (exported.threshold, exported.pos_label) == (middle, "Parasitized")
    assert exported.manifest_["threshold"]["chosen_by"] == "median"
    assert exported.manifest_["card"] == card
    probability = exported.predict_proba(X)[:, 0]
    assert exported.predict(X).tolist() == [
        "Parasitized" if p >= middle else "Uninfected"
        for p in probability.astype(float)
    ]


def test_warns_of_images_far_from_those_of_fit(plain, exported):
    with pytest.warns(UserWarning, match="X differs from the images of fit"):
        plain.predict_proba(X // 4)
    with pytest.warns(UserWarning, match="X differs from the images of fit"):
        exported.predict_proba(X // 4)


def test_more_than_two_classes(tmp_path):
    labels = np.arange(len(X)) % 3
    classifier = small_fusion(
        [("hsv", HSVConverter()), ("spots", SpotFeatureExtractor())],
        vector_head=HistGradientBoostingClassifier(max_iter=2, random_state=0),
    ).fit(X, labels)
    exported = OnnxClassifier(export_onnx(classifier, tmp_path / "three"))
    np.testing.assert_allclose(
        exported.predict_proba(X), classifier.predict_proba(X), atol=1e-5
    )
    assert exported.predict(X).tolist() == classifier.predict(X).tolist()


def test_steps_that_are_no_graph_run_in_front_of_it(tmp_path):
    pipeline = make_pipeline(
        BackgroundMasker(on_error="keep"),
        GaussianSmoother(3),
        small_fusion(
            [
                ("rgb", "passthrough"),
                ("smooth", make_pipeline(GaussianSmoother(3), HSVConverter())),
                ("marked", ConcavityMarker()),
                ("spots", SpotFeatureExtractor()),
            ],
            vector_head="dense",
        ),
    ).fit(X, Y)
    folder = export_onnx(pipeline, tmp_path / "branches")
    exported = OnnxClassifier(folder)
    np.testing.assert_allclose(
        exported.predict_proba(X), pipeline.predict_proba(X), atol=1e-5
    )
    # The features are those of the smoothed images, which the graph does not give.
    inputs = {given["name"]: given["made_by"] for given in exported.manifest_["inputs"]}
    assert list(inputs) == ["images", "marked_images", "spots_features"]
    assert inputs["spots_features"][-2:] == [
        "GaussianSmoother(kernel_size=3)",
        "SpotFeatureExtractor()",
    ]


def test_classifies_where_keras_and_tensorflow_cannot_be_imported(
    plain, folder, tmp_path
):
    path = tmp_path / "cell.png"
    Image.fromarray(X[0]).save(path)
    np.testing.assert_allclose(
        in_process_without_keras(folder, [str(path)]),
        plain.predict_proba([path])[:, 1],
        atol=1e-5,
    )


def test_the_model_of_the_package_is_exported(tmp_path):
    model = load_pretrained()
    folder = export_onnx(model, tmp_path / "exported", card=model_card())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["threshold"]["value"] == model[-1].threshold
    assert manifest["threshold"]["chosen_by"] == model_card()["threshold"]["chosen_by"]
    assert manifest["quality_gates"]["cell_guard"] == "CellGuard()"
    paths = sorted(map(str, folder.glob("golden/*.png")))
    printed = in_process_without_keras(folder, paths, "-Wignore")
    with warnings.catch_warnings():
        # Drawn cells look like no stained ones.
        warnings.simplefilter("ignore", UserWarning)
        expected = model.predict_proba(paths)[:, 1]
    np.testing.assert_allclose(printed, expected, atol=1e-5)
    # The exported classifier reads photographs as the original does.
    reader = SmearReader.from_fitted(
        OnnxClassifier(folder), load_patient_test(), load_slide_adapter()
    )
    photo = make_smear_photos(1, 12, photo_size=(240, 320), random_state=0).photos[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours, theirs = (
            each.read({"Ada": [photo]})["Ada"] for each in (reader, load_smear_reader())
        )
    assert ours.verdict == theirs.verdict
    np.testing.assert_allclose(
        ours.cells["probability"], theirs.cells["probability"], atol=1e-5
    )


# What is refused


def refused(pipeline, folder):
    with pytest.raises((TypeError, ValueError)) as caught:
        export_onnx(pipeline, folder)
    assert not folder.exists()
    return str(caught.value)


def test_what_cannot_be_exported_is_named_and_nothing_is_written(plain, tmp_path):
    folder = tmp_path / "deep" / "exported"
    trained = plain[-1]
    custom = make_pipeline(FunctionTransformer(np.ascontiguousarray), trained)
    assert "'functiontransformer' is sklearn." in refused(custom, folder)
    assert "pipeline ends in LogisticRegression()" in refused(
        LogisticRegression(), folder
    )
    views = clone(trained).set_params(test_time_views=4).fit(X, Y)
    assert "test_time_views=4" in refused(views, folder)
    assert "not fitted" in refused(clone(trained), folder)
    head = small_fusion(
        [("rgb", "passthrough"), ("spots", SpotFeatureExtractor())],
        vector_head=LogisticRegression(max_iter=2000),
    ).fit(X, Y)
    assert "head of the branch 'spots' is LogisticRegression" in refused(head, folder)
    floating = small_fusion([("hsv", HSVConverter())]).fit(X / 255, Y)
    assert "fitted to images of float64" in refused(floating, folder)
    assert not folder.parent.exists()


def test_card_must_be_json_and_the_folder_new(plain, folder, tmp_path):
    with pytest.raises(TypeError, match="card cannot be stored as JSON"):
        export_onnx(plain, tmp_path / "card", card={"folds": np.arange(3)})
    with pytest.raises(FileExistsError, match="is not empty"):
        export_onnx(plain, folder)


def test_a_graph_that_differs_is_not_written(plain, tmp_path, monkeypatch):
    # As if the network were another one after the graph was made.
    right = _build.to_onnx
    wrong = small_convnet(random_state=1, epochs=1).fit(X, Y).model_
    monkeypatch.setattr(_build, "to_onnx", lambda network, opset: right(wrong, opset))
    with pytest.raises(RuntimeError, match="differs from pipeline by up to"):
        export_onnx(plain, tmp_path / "exported")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.mark.parametrize(
    "name", ["model.onnx", "manifest.json", "library.json", "golden/cell_0.png"]
)
def test_damage_is_refused(copied, name):
    file = copied / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{file.name} is damaged"):
        OnnxClassifier(copied)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=file.name):
        OnnxClassifier(copied)


def test_golden_cells_must_have_their_probabilities(copied, exported):
    file = copied / "golden" / "probabilities.json"
    listed = json.loads(file.read_text())
    listed["cell_0.png"] = [p + 0.01 for p in listed["cell_0.png"]]
    manifest = exported.manifest_
    file.write_text(json.dumps(listed))
    write_manifest(copied, manifest)
    with pytest.raises(ValueError, match=r"golden cells .* differ by up to 0\.01"):
        OnnxClassifier(copied)
    assert OnnxClassifier(copied, check_golden=False).predict(X[:2]).shape == (2,)


def test_other_formats_are_refused(copied, exported):
    file = copied / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(ValueError, match=r"in format 99, .* reads format 1"):
        OnnxClassifier(copied)
