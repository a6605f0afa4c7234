import json
import pickle
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression


@pytest.fixture
def damaged(cells, tmp_path):
    """Two cells, and a file that is none."""
    files = sorted((cells / "Parasitized").iterdir())[:2]
    for file in files:
        shutil.copy(file, tmp_path)
    (tmp_path / "C9_cell_1.png").write_bytes(b"cut off")
    return tmp_path


def test_a_row_for_each_file(run, model, pipeline, cells, tmp_path):
    output = tmp_path / "cells.csv"
    result = run("predict", cells / "Parasitized", "--model", model, "-o", output)
    table = pd.read_csv(output, keep_default_na=False)
    assert list(table) == ["path", "patient", "probability", "decision", "note"]
    assert table["path"].tolist() == sorted(map(str, (cells / "Parasitized").iterdir()))
    expected = pipeline.predict_proba(table["path"].tolist())[:, 1]
    np.testing.assert_allclose(table["probability"], expected, atol=1e-6)
    called = table["decision"] == "parasitized"
    np.testing.assert_array_equal(called, table["probability"] >= 0.4)
    assert result.stdout == ""
    assert result.stderr == (
        f"30 files: {called.sum()} parasitized, {(~called).sum()} uninfected.\n"
    )


def test_a_table_to_read(run, model, cells):
    files = sorted((cells / "Uninfected").iterdir())[:2]
    result = run("predict", *files, "--model", model, "--quiet")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["path", "patient", "probability", "decision", "note"]
    assert [row.split()[0] for row in rows] == list(map(str, files))
    assert result.stderr == ""


def test_a_damaged_file_has_a_row_too(run, model, damaged):
    result = run("predict", damaged, "--model", model, "--json", code=3)
    *_, last = map(json.loads, result.stdout.splitlines())
    assert last == {
        "path": str(damaged / "C9_cell_1.png"),
        "patient": 9,
        "probability": None,
        "decision": None,
        "note": "unreadable: not a BMP, JPEG, PNG, TIFF image",
    }
    assert result.stderr.endswith(", 1 that cannot be read.\n")


def test_files_and_folders_in_their_order(run, model, cells, damaged):
    first, *_ = sorted((cells / "Uninfected").iterdir())
    sources = [damaged / "C9_cell_1.png", cells / "Parasitized", first]
    result = run("predict", *sources, "--model", model, "--json", code=3)
    paths = [json.loads(line)["path"] for line in result.stdout.splitlines()]
    assert len(paths) == 32
    assert [paths[0], paths[-1]] == [str(sources[0]), str(first)]


def test_no_file_can_be_read(run, model, damaged, tmp_path):
    output = tmp_path / "cells.csv"
    file = damaged / "C9_cell_1.png"
    result = run("predict", file, "--model", model, "-o", output, code=2)
    assert result.stderr == (
        f"Error: 1 image(s) cannot be read: {file}: not a BMP, JPEG, PNG, TIFF image\n"
    )
    assert not output.exists()


def test_patients_of_folders(run, model, cells, tmp_path):
    shutil.copytree(cells / "Uninfected", tmp_path / "ada")
    command = ("predict", tmp_path, "--model", model, "--json", "--patients")
    patients = {}
    for way in ("folder", "none"):
        rows = map(json.loads, run(*command, way).stdout.splitlines())
        patients[way] = {row.get("patient") for row in rows}
    assert patients == {"folder": {"ada"}, "none": {None}}


class TestOutput:
    def test_is_not_replaced_by_mistake(self, run, model, cells, tmp_path):
        output = tmp_path / "cells.csv"
        output.write_text("mine")
        command = ("predict", cells / "Uninfected", "--model", model, "-o", output)
        result = run(*command, code=2)
        assert result.stderr == (
            f"Error: --output {output} exists. Choose another output, or use "
            "--force to replace it.\n"
        )
        assert output.read_text() == "mine"
        run(*command, "--force")
        assert output.read_text().startswith("path,patient")
        assert [file.name for file in tmp_path.iterdir()] == ["cells.csv"]

    def test_needs_a_folder(self, run, model, cells, tmp_path):
        output = tmp_path / "none" / "cells.csv"
        result = run("predict", cells, "--model", model, "-o", output, code=2)
        assert f"folder {tmp_path / 'none'} does not exist." in result.stderr

    def test_is_no_folder(self, run, model, cells, tmp_path):
        result = run("predict", cells, "--model", model, "-o", tmp_path, code=2)
        assert "expected a file, is a folder" in result.stderr


class TestParquet:
    @pytest.fixture(autouse=True)
    def pyarrow(self):
        return pytest.importorskip("pyarrow")

    def test_goes_on_where_it_was_stopped(self, run, model, cells, damaged, tmp_path):
        output = tmp_path / "out.parquet"
        bad = damaged / "C9_cell_1.png"
        command = ("predict", bad, cells / "Uninfected", "--model", model, "-o", output)
        result = run(*command, code=3)
        table = pd.read_parquet(output)
        files = sorted(map(str, (cells / "Uninfected").iterdir()))
        assert table["path"].tolist() == [str(bad), *files]
        called = (table["decision"] == 1).sum()
        summary = (
            f"31 files: {30 - called} uninfected, {called} parasitized, "
            "1 that cannot be read.\n"
        )
        assert sorted(result.stderr) == sorted(summary)
        (part,) = output.iterdir()
        written = part.stat().st_mtime_ns
        run(*command, code=3)
        assert part.stat().st_mtime_ns == written

    def test_another_run_is_refused_and_replaces_by_force(
        self, run, model, cells, tmp_path
    ):
        output = tmp_path / "out.parquet"
        command = ("predict", "--model", model, "-o", output)
        run(*command, cells / "Uninfected")
        result = run(*command, cells / "Parasitized", code=2)
        assert "was written of other files" in result.stderr
        run(*command, cells / "Parasitized", "--force")
        assert "Parasitized" in pd.read_parquet(output)["path"][0]

    def test_a_folder_of_others_is_kept(self, run, model, cells, tmp_path):
        output = tmp_path / "out.parquet"
        output.mkdir()
        (output / "mine.txt").touch()
        command = ("predict", cells, "--model", model, "-o", output, "--force")
        assert "has other files" in run(*command, code=2).stderr
        assert (output / "mine.txt").exists()

    def test_what_it_cannot_do(self, run, model, cells, tmp_path):
        table, output = tmp_path / "a.csv", tmp_path / "out.parquet"
        table.write_text("path")
        command = ("predict", table, "--model", model, "-o", output)
        assert "expected folders and image files" in run(*command, code=2).stderr
        assert "expected one of them" in run(*command, "--json", code=2).stderr


class Trap:
    """What leaves a file as it is loaded."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


class TestModels:
    def test_code_of_a_file_runs_on_demand_alone(self, run, cells, tmp_path):
        file, sprung = tmp_path / "model.joblib", tmp_path / "sprung"
        file.write_bytes(pickle.dumps(Trap(sprung)))
        result = run("predict", cells, "--model", file, code=2)
        assert "executes code in the file. Add --trust" in result.stderr
        assert not sprung.exists()

    def test_a_trusted_file(self, run, pipeline, cells, tmp_path):
        file, (cell, *_) = tmp_path / "a.joblib", (cells / "Uninfected").iterdir()
        joblib.dump(pipeline, file)
        result = run("predict", cell, "--model", file, "--trust", "--json")
        expected = pipeline.predict_proba([cell])[0, 1]
        assert json.loads(result.stdout)["probability"] == pytest.approx(expected)

    def test_no_classifier(self, run, cells, tmp_path):
        file = tmp_path / "a.joblib"
        joblib.dump(LinearRegression(), file)
        result = run("predict", cells, "--model", file, "--trust", code=2)
        assert f"{file} contains a LinearRegression" in result.stderr

    def test_no_joblib_file(self, run, cells, tmp_path):
        file = tmp_path / "a.joblib"
        file.write_bytes(b"no pickle")
        result = run("predict", cells, "--model", file, "--trust", code=2)
        assert f"Error: {file} cannot be loaded: " in result.stderr

    def test_a_function_that_cannot_be_imported(self, run, cells, tmp_path):
        file = tmp_path / "a.joblib"
        file.write_bytes(b"cno_such_module\nnetwork\n.")
        result = run("predict", cells, "--model", file, "--trust", code=2)
        assert "No module named 'no_such_module'" in result.stderr
        assert "Add their folder to PYTHONPATH" in " ".join(result.stderr.split())

    def test_a_file_of_another_numpy(self, run, cells, tmp_path):
        file = tmp_path / "a.joblib"
        file.write_bytes(b"cnumpy._cora\nmultiarray\n.")
        result = run("predict", cells, "--model", file, "--trust", code=2)
        assert "It was written with another major version of NumPy than the " in (
            result.stderr
        )

    def test_no_model(self, run, cells, tmp_path):
        result = run("predict", cells, "--model", tmp_path / "a", code=2)
        assert result.stderr == f"Error: Model {tmp_path / 'a'} does not exist.\n"
        result = run("predict", cells, "--model", tmp_path, code=2)
        assert "has no model_card.json" in result.stderr
