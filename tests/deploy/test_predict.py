"""From files without labels to a table, one row for each."""

import re
import sys
import warnings
from copy import copy

import numpy as np
import pandas as pd
import pytest
from fuzzing import NASTY
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support import dark_spots, fast, linear_network

from malariafuse import GaussianSmoother, ImageLoader, KerasImageClassifier
from malariafuse.deploy import predict_files, write_predictions

X, Y, PATIENTS = dark_spots()
NAMES = np.where(Y == 1, "Parasitized", "Uninfected")


@pytest.fixture(scope="module")
def classifier():
    return KerasImageClassifier(
        linear_network, **fast(epochs=3, learning_rate=0.2)
    ).fit(X, Y)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("cells")
    for number in range(6):
        Image.fromarray(X[number]).save(where / f"C{PATIENTS[number]}_{number}.png")
    return where


def test_a_row_for_each_file(classifier, folder):
    table = predict_files(classifier, folder)
    assert table.columns.tolist() == [
        "path",
        "patient",
        "probability",
        "decision",
        "note",
    ]
    assert table["path"].tolist() == sorted(map(str, folder.iterdir()))
    assert table["patient"].tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(
        table["probability"], classifier.predict_proba(X[:6])[:, 1], atol=1e-6
    )
    assert table["decision"].tolist() == classifier.predict(X[:6]).tolist()
    assert table["note"].eq("").all()


def test_the_classifier_decides_at_its_own_threshold(classifier, folder):
    eager = copy(classifier).set_params(threshold=0.0)
    assert predict_files(eager, folder)["decision"].tolist() == [1] * 6


def test_a_file_is_decoded_and_a_network_computed_once(classifier, folder, monkeypatch):
    computed = []
    outputs = KerasImageClassifier._outputs
    monkeypatch.setattr(
        KerasImageClassifier,
        "_outputs",
        lambda self, X, network: computed.append(len(X)) or outputs(self, X, network),
    )
    decoded = []
    monkeypatch.setattr("cv2.imdecode", lambda *_: decoded.append(1) or np.array(X[0]))
    predict_files(classifier, folder)
    assert computed == [6]
    assert len(decoded) == 6


def test_a_loader_in_the_pipeline_says_the_size(folder):
    pipeline = make_pipeline(
        ImageLoader((8, 8)),
        FunctionTransformer(lambda images: images.mean(axis=(1, 2))),
        LogisticRegression(),
    )
    paths = sorted(map(str, folder.iterdir()))
    pipeline.fit(paths, NAMES[:6])
    table = predict_files(pipeline, folder, pos_label="Parasitized")
    np.testing.assert_array_equal(
        table["probability"], pipeline.predict_proba(paths)[:, 0]
    )
    assert table["decision"].tolist() == pipeline.predict(paths).tolist()
    with pytest.raises(
        ValueError, match=r"pos_label=None: expected one of the classes"
    ):
        predict_files(pipeline, folder)


def test_a_transformer_in_the_pipeline_says_the_size(classifier, folder):
    pipeline = make_pipeline(GaussianSmoother(1), classifier)
    pipeline[0].fit(X)
    expected = predict_files(classifier, folder)
    pd.testing.assert_frame_equal(predict_files(pipeline, folder), expected)


def test_a_loader_inside_a_search_says_the_size(folder):
    pipeline = make_pipeline(
        ImageLoader((8, 8)),
        FunctionTransformer(lambda images: images.mean(axis=(1, 2))),
        LogisticRegression(),
    )
    paths = sorted(map(str, folder.iterdir()))
    for search in (
        GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2),
        TunedThresholdClassifierCV(pipeline, cv=2),
        make_pipeline(pipeline[:2], LogisticRegression()),
    ):
        search.fit(paths, Y[:6])
        table = predict_files(search, folder)
        expected = search.predict_proba(paths)[:, 1]
        np.testing.assert_array_equal(table["probability"], expected)
        assert table["decision"].tolist() == search.predict(paths).tolist()


def test_a_loader_inside_an_ensemble_reads_the_paths(folder):
    pipeline = make_pipeline(
        ImageLoader((8, 8)),
        FunctionTransformer(lambda images: images.mean(axis=(1, 2))),
        LogisticRegression(),
    )
    paths = sorted(map(str, folder.iterdir()))
    calibrated = CalibratedClassifierCV(pipeline, cv=2).fit(paths, Y[:6])
    np.testing.assert_array_equal(
        predict_files(calibrated, folder)["probability"],
        calibrated.predict_proba(paths)[:, 1],
    )


def test_an_ensemble_of_classifiers_says_the_size(classifier, folder):
    voting = VotingClassifier([("a", classifier)], voting="soft").fit(X, Y)
    assert predict_files(voting, folder)["probability"].notna().all()


def test_rows_stand_in_the_order_of_the_paths(classifier, folder, tmp_path):
    cut = tmp_path / "C9_cut.png"
    cut.write_bytes((folder / "C0_0.png").read_bytes()[:99])
    black = tmp_path / "C8_black.png"
    Image.new("RGB", (16, 16)).save(black)
    paths = [str(black), str(cut), str(folder / "C0_0.png"), str(folder / "C1_2.png")]
    table = predict_files(classifier, paths)
    assert table["path"].tolist() == paths
    assert table["patient"].tolist() == [8, 9, 0, 1]
    assert table["note"].tolist()[0] == "all but black"
    assert table["probability"].isna().tolist() == [False, True, False, False]


def test_a_subclass_decides_as_its_predict_does(folder):
    class Careful(KerasImageClassifier):
        def predict(self, X):
            return np.ones(len(X), dtype=int)

    careful = Careful(linear_network, **fast(epochs=1)).fit(X, Y)
    assert predict_files(careful, folder)["decision"].tolist() == [1] * 6


def test_many_equal_files_have_short_notes(classifier, tmp_path):
    for number in range(5):
        Image.fromarray(X[0]).save(tmp_path / f"C1_{number}.png")
    notes = predict_files(classifier, tmp_path)["note"]
    first, second = (tmp_path / f"C1_{number}.png" for number in (0, 1))
    assert (
        notes.tolist()
        == [f"same image as {second} and 3 more"]
        + [f"same image as {first} and 3 more"] * 4
    )


def test_unreadable_and_equal_files_have_notes(classifier, folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "C0_0_copy.png").write_bytes((folder / "C0_0.png").read_bytes())
    (tmp_path / "C0_cut.png").write_bytes((folder / "C0_0.png").read_bytes()[:99])
    table = predict_files(classifier, tmp_path).set_index("path")
    notes = {path.rsplit("/")[-1]: flag for path, flag in table["note"].items()}
    assert notes["C0_0.png"] == f"same image as {tmp_path / 'C0_0_copy.png'}"
    assert notes["C0_0_copy.png"] == f"same image as {tmp_path / 'C0_0.png'}"
    assert notes["C0_1.png"] == ""
    unreadable = table.loc[str(tmp_path / "C0_cut.png")]
    assert unreadable["note"].startswith("unreadable: truncated PNG")
    assert np.isnan(unreadable["probability"])
    assert unreadable["decision"] is None
    assert table["decision"].iloc[0] in (0, 1)


def test_a_table_and_a_list_of_paths_keep_their_order(classifier, folder):
    paths = sorted(map(str, folder.iterdir()), reverse=True)
    assert predict_files(classifier, paths)["path"].tolist() == paths
    table = pd.DataFrame({"file": paths, "who": list("abcdef")})
    predicted = predict_files(
        classifier, table, columns={"path": "file", "patient": "who"}
    )
    assert predicted["path"].tolist() == paths
    assert predicted["patient"].tolist() == list("abcdef")
    predicted = predict_files(
        classifier, [path.split("/")[-1] for path in paths], root=folder
    )
    assert predicted["path"].tolist() == paths


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (GaussianSmoother(), TypeError, "estimator=.*expected a fitted classifier"),
        (KerasImageClassifier(linear_network), ValueError, "not fitted yet"),
        (LogisticRegression().fit([[0], [1], [2]], [0, 1, 2]), ValueError, "two"),
        (
            LogisticRegression().fit([[0], [1]], [0, 1]),
            ValueError,
            "has no image size",
        ),
    ],
)
def test_estimators_that_cannot_classify_files(folder, estimator, error, message):
    with pytest.raises(error, match=message):
        predict_files(estimator, folder)


def test_parquet_needs_pyarrow(classifier, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'files require pyarrow.*"\.\[parquet\]"'):
        write_predictions(tmp_path / "out", classifier, folder)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "parameter", ["estimator", "path", "pos_label", "root", "n_jobs"]
)
def test_what_is_wrong_is_named(classifier, folder, parameter, tmp_path, monkeypatch):
    # Where relative paths find nothing.
    monkeypatch.chdir(tmp_path)
    valid = {"estimator": classifier, "path": folder}
    for value in NASTY:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predict_files(**{**valid, parameter: value})
        except (ValueError, TypeError, OSError) as error:
            message = str(error)
        else:
            continue
        assert re.search(rf"\b{parameter}\b|No such file", message), (value, message)
