import json

import pandas as pd
import pytest
from PIL import Image

from malariafuse.cli._smear import _file_names
from malariafuse.pretrained import load_smear_reader


def test_one_patient(run, model, photos, tmp_path):
    report = tmp_path / "ada.html"
    command = ("smear", photos / "Ada", "--patient", "Ada L.", "--model", model)
    result = run(*command, "-o", report)
    expected = load_smear_reader(model).read(str(photos / "Ada"), "A")["A"]
    shown = dict(line.split(":", 1) for line in result.stdout.splitlines())
    shown = {name: text.strip() for name, text in shown.items()}
    assert shown["patient"] == "Ada L."
    assert shown["verdict"] == expected.verdict
    assert shown["red cells"] == f"{expected.n_cells} in 2 photograph(s)"
    assert shown["report"] == "ada.html"
    assert "Ada L." in report.read_text(encoding="utf-8")

    (line,) = run(*command, "--json").stdout.splitlines()
    row = json.loads(line)
    assert row["patient"] == "Ada L."
    assert row["n_cells"] == expected.n_cells
    assert row["fraction"] == pytest.approx(expected.fraction)
    assert row["report"] is None


def test_the_number_of_red_cells(run, model, photos):
    command = ("smear", photos / "Ada", "--patient", "Ada", "--model", model, "--json")
    usual = json.loads(run(*command).stdout)["per_microliter_high"]
    few = run(*command, "--red-cells-per-microliter", "2500000").stdout
    # Half of 5,000,000.
    assert json.loads(few)["per_microliter_high"] == pytest.approx(usual / 2)


class TestSeveralPatients:
    def test_folders(self, run, model, photos, tmp_path):
        """Of three patients, one has no photograph."""
        output = tmp_path / "reports"
        command = ("smear", photos, "--folders", "--model", model, "-o", output)
        result = run(*command, code=3)
        assert {file.name for file in output.iterdir()} == {
            "Ada.html", "Bob.html", "cells.csv", "patients.csv",
        }  # fmt: skip
        table = pd.read_csv(output / "patients.csv").set_index("patient")
        assert table.index.tolist() == ["Ada", "Bob", "Eve"]
        assert table["report"].tolist()[:2] == ["Ada.html", "Bob.html"]
        assert "is a folder without files" in table.loc["Eve", "note"]
        assert table["note"].isna().tolist() == [True, True, False]
        cells = pd.read_csv(output / "cells.csv", keep_default_na=False)
        red = cells[cells["flag"] == ""].groupby("patient").size()
        assert red.to_dict() == table["n_cells"].dropna().to_dict()
        rows = [line.split() for line in result.stdout.splitlines()]
        assert [row[0] for row in rows] == ["patient", "Ada", "Bob", "Eve"]
        assert rows[3][1:3] == ["not", "read"]
        assert "Error: patient Eve: photos=" in result.stderr

    def test_a_table(self, run, model, photos, tmp_path):
        """Paths start from the folder of the table."""
        file = photos / "table.csv"
        file.write_text("path,patient\nBob/field_0.png,01\nAda/field_1.png,2\n")
        command = ("smear", "--table", file, "--model", model, "--json")
        rows = [json.loads(line) for line in run(*command).stdout.splitlines()]
        assert [(row["patient"], row["n_photos"]) for row in rows] == [
            ("01", 1),
            ("2", 1),
        ]

    def test_a_damaged_photograph_is_left_out(self, run, model, photos, tmp_path):
        (tmp_path / "cut.png").write_bytes(b"cut off")
        files = (tmp_path / "cut.png", photos / "Ada" / "field_0.png")
        result = run(
            "smear", *files, "--patient", "A", "--model", model, "--json", code=3
        )
        row = json.loads(result.stdout)
        assert row["n_photos"] == 1
        assert row["note"].startswith("Skipped: 1 image(s) cannot be read")
        assert f"Warning: {row['note']}" in result.stderr

    def test_a_photograph_that_cannot_be_judged_is_named(
        self, run, model, photos, tmp_path
    ):
        blank = tmp_path / "blank.png"
        Image.new("RGB", (480, 360), (235, 225, 230)).save(blank)
        files = (blank, photos / "Ada" / "field_0.png")
        result = run(
            "smear", *files, "--patient", "A", "--model", model, "--json", code=3
        )
        assert f"Left out: {blank} (" in json.loads(result.stdout)["note"]

    def test_names_of_reports(self):
        """Any disk takes them, none leaves the folder, and no two are the same."""
        names = _file_names(["Ada", "ada", "../x", "a/b", "a b", "é", "..", "*"])
        assert list(names.values()) == [
            "Ada.html", "ada_2.html", "x.html", "a_b.html", "a_b_2.html", "é.html",
            "patient.html", "patient_2.html",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/Ada"], "Pass one of --patient, --folders and --table"),
        (["{}/Ada", "--patient", "A", "--folders"], "Pass one of --patient"),
        (["--patient", "A"], "Pass photographs or a folder of photographs."),
        (["{}/Ada", "{}/Bob", "--patient", "A"], "Ada is a folder: pass one folder"),
        (["{}/Ada", "--folders"], "has no folders: --folders"),
        (["{}", "{}", "--folders"], "two folders for the patient Ada"),
        (["{}/Eve", "--patient", "E"], "is a folder without files that end in"),
        (["--table", "{}/a.csv"], """expected "path" and "patient"."""),
        (["--table", "{}/b.csv"], """has rows without a "patient"."""),
        (["--table", "{}/Ada/field_0.png"], "field_0.png is not a CSV file"),
    ],
)
def test_wrong_input(run, model, photos, arguments, message):
    (photos / "a.csv").write_text("file,patient\na.png,Ada\n")
    (photos / "b.csv").write_text("path,patient\na.png,\n")
    arguments = [each.format(photos) for each in arguments]
    result = run("smear", *arguments, "--model", model, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
