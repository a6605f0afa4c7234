import json

import joblib
import pytest


def test_a_file_is_not_trusted_by_itself(run, tmp_path, pipeline):
    file = tmp_path / "a.joblib"
    joblib.dump(pipeline, file)
    result = run("export", file, "--output", tmp_path / "out", code=2)
    assert "--trust" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_replaced(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = run("export", "--output", tmp_path, code=2)
    assert "exists" in result.stderr


def test_the_ready_model_runs_as_exported(run, tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    from malariafuse.deploy import OnnxClassifier

    printed = run("export", "--output", tmp_path / "out").stdout
    assert "model.onnx" in printed
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["threshold"]["value"] == pytest.approx(0.409)
    assert OnnxClassifier(tmp_path / "out").classes_.tolist() == [0, 1]
