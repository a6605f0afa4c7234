import re

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_results import SPOT, SpotClassifier, smear
from drawn_smears import draw_photo, on_grid
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from malariafuse.evaluation import PatientTest
from malariafuse.model_selection import SlideAdapter
from malariafuse.patients import SmearReader, who_class


def labeled_cells(n_patients=30, n_cells=40):
    random = np.random.default_rng(0)
    y = (np.arange(n_patients * n_cells) % n_cells < 8).astype(int)
    images = np.full((len(y), 16, 16, 3), (205, 130, 160), dtype=np.uint8)
    images[y == 1, 6:9, 6:9] = SPOT
    noise = random.integers(-9, 10, images.shape)
    images = np.clip(images + noise, 0, 255).astype(np.uint8)
    return images, y, np.repeat(np.arange(n_patients), n_cells)


@pytest.fixture(scope="module")
def reader():
    return SmearReader(
        SpotClassifier(),
        patient_test=PatientTest(cell_specificity=0.99),
        image_size=(16, 16),
        min_cells=10,
        random_state=0,
        n_jobs=1,
    ).fit(*labeled_cells())


class TestAnswer:
    def test_parasites_are_counted(self, reader):
        (result,) = reader.read([smear(3), smear(5)], "Ada").values()
        assert (result.patient, result.verdict) == ("Ada", "infected")
        assert (result.n_cells, result.n_counted) == (24, 8)
        assert result.low < 8 / 24 < result.high
        assert result.photos["n_counted"].tolist() == [3, 5]
        assert result.cells.groupby("photo")["counted"].sum().tolist() == [3, 5]

    def test_no_parasites(self, reader):
        result = reader.read([smear(0)], "Ada")["Ada"]
        assert (result.verdict, result.n_counted, result.low) == ("not infected", 0, 0)
        assert result.who_class == "none"

    def test_a_few_cells_without_suspicion_are_no_proof(self, reader):
        result = reader.read([smear(0, n_cells=4)], "Ada")["Ada"]
        assert (result.verdict, result.n_cells) == ("cannot be judged", 4)

    def test_a_few_cells_with_parasites_are_one(self, reader):
        result = reader.read([smear(4, n_cells=4)], "Ada")["Ada"]
        assert result.verdict == "infected"

    def test_no_cell_at_all(self, reader):
        empty = draw_photo([])
        with pytest.warns(UserWarning, match="cannot be judged"):
            result = reader.read([empty], "Ada")["Ada"]
        assert (result.verdict, result.n_cells) == ("cannot be judged", 0)
        assert np.isnan(result.fraction)
        assert result.who_class == "none"
        assert result.summary()["n_judged"] == 0
        assert len(result.warnings) == 1

    def test_density_follows_the_number_of_red_cells(self, reader):
        measured = clone_fitted(reader, red_cells_per_microliter=4_000_000)
        result = measured.read([smear(6)])[None]
        assert result.per_microliter[0] == pytest.approx(result.fraction * 4e6)

    def test_the_most_suspicious_cells_come_first(self, reader):
        result = reader.read([smear(3)])[None]
        first = result.suspicious(4)
        assert first["counted"].tolist() == [True, True, True, False]
        assert first["probability"].is_monotonic_decreasing
        # Where the parasites were drawn.
        assert {(x // 100, y // 100) for x, y in first[["x", "y"]].to_numpy()[:3]} == {
            (0, 0),
            (1, 0),
            (2, 0),
        }

    def test_a_photograph_counts_once(self, reader):
        with pytest.warns(UserWarning, match="same pixels"):
            result = reader.read([smear(3), smear(3)])[None]
        assert (result.n_cells, result.n_counted) == (12, 3)
        assert (result.cells["flag"] == "counted before").sum() == 12

    def test_a_photograph_that_cannot_be_judged_is_named(self, reader):
        noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
        with pytest.warns(UserWarning, match="cannot be judged"):
            result = reader.read([noise, smear(3)])[None]
        assert (result.n_cells, result.summary()["n_judged"]) == (12, 1)
        assert result.photos["problem"].tolist() == [
            "not a thin smear",
            "",
        ]

    def test_flagged_regions_are_no_part_of_the_count(self, reader):
        photo = draw_photo([*on_grid(), (0, 150)])  # cut by the border
        result = reader.read([photo])[None]
        assert result.n_cells == 12
        (row,) = np.flatnonzero(result.cells["flag"] == "cut")
        assert np.isnan(result.cells.loc[row, "probability"])
        assert not result.cells.loc[row, "counted"]


def clone_fitted(reader, **parameters):
    return SmearReader.from_fitted(
        reader.classifier_,
        reader.patient_test_,
        image_size=(16, 16),
        min_cells=10,
        n_jobs=1,
        **parameters,
    )


class TestPatients:
    def test_a_dict(self, reader):
        results = reader.read({"Ada": [smear(3)], "Bob": [smear(0)]})
        assert [r.verdict for r in results.values()] == ["infected", "not infected"]
        assert [r.patient for r in results.values()] == ["Ada", "Bob"]

    def test_a_list_of_patients(self, reader):
        results = reader.read([smear(3), smear(0), smear(1)], [7, 8, 7])
        assert {name: result.n_cells for name, result in results.items()} == {
            7: 24,
            8: 12,
        }

    def test_a_photograph_of_two_patients_is_named(self, reader):
        message = (
            "1 photograph(s) of patient Bob have the same pixels as one of another "
            "patient: photos[1] (patient Ada). At least one patient is wrong."
        )
        with pytest.warns(UserWarning, match=re.escape(message)):
            results = reader.read(
                {"Ada": [smear(3), smear(0)], "Bob": [smear(1), smear(3)]}
            )
        assert results["Bob"].warnings == (message,)
        assert results["Ada"].warnings == ()

    def test_photographs_of_another_smear_are_named(self, reader):
        larger = draw_photo(on_grid(), radius=40)
        with pytest.warns(UserWarning, match="1 photograph.s. differ from the others"):
            result = reader.read([smear(3), smear(0), smear(1), larger])[None]
        assert result.photos["unlike_others"].tolist() == ["", "", "", "diameter"]

    def test_a_table(self, reader, tmp_path):
        for name, n in (("a.png", 3), ("b.png", 0)):
            cv2.imwrite(str(tmp_path / name), smear(n)[..., ::-1])
        table = pd.DataFrame(
            {"path": [tmp_path / "a.png", tmp_path / "b.png"], "patient": ["A", "B"]}
        )
        results = reader.read(table)
        assert [r.n_counted for r in results.values()] == [3, 0]
        assert results["A"].sources == [str(tmp_path / "a.png")]

    def test_an_unreadable_photograph_costs_no_other_one(self, reader, tmp_path):
        (tmp_path / "bad.png").write_bytes(b"no image")
        with pytest.warns(UserWarning, match=r"bad\.png"):
            result = reader.read([str(tmp_path / "bad.png"), smear(3)])[None]
        assert (result.n_counted, len(result.photos)) == (3, 1)
        assert "bad.png" in result.warnings[0]

    @pytest.mark.parametrize(
        ("photos", "patients", "message"),
        [
            ({}, None, "photos is empty"),
            ({"Ada": []}, None, "photos is empty"),
            ({"Ada": ["a.png"]}, "Bob", "patients is given"),
            ([np.zeros((80, 80, 3), np.uint8)], ["A", "B"], "2 entries for 1"),
            ("smears", ["A", "B"], "patients is a list"),
            (pd.DataFrame({"path": ["a"], "patient": ["A"]}), "B", "patients is given"),
            (pd.DataFrame({"path": ["a"], "patient": [None]}), None, "missing values"),
        ],
    )
    def test_wrong_patients(self, reader, photos, patients, message):
        with pytest.raises(ValueError, match=message):
            reader.read(photos, patients)


class TestParts:
    def test_a_segmenter_of_the_user(self, reader):
        def threshold(photo):
            dark = (photo[..., 1] < 180).astype(np.uint8)
            return cv2.connectedComponents(dark)[1]

        result = clone_fitted(reader, segmenter=threshold).read([smear(2)])[None]
        assert (result.n_cells, result.n_counted) == (12, 2)

    def test_an_adapter_lowers_a_smear_that_is_suspicious_all_over(self):
        images, y, patient = labeled_cells()
        reader = SmearReader(
            SpotClassifier(),
            patient_test=PatientTest(cell_specificity=0.99),
            slide_adapter=SlideAdapter(),
            image_size=(16, 16),
            random_state=0,
            n_jobs=1,
        ).fit(images, y, patient)
        assert reader.slide_adapter_.spread_ > 0
        assert reader.slide_adapter_ is not reader.slide_adapter

    def test_fitting_changes_no_parameter(self, reader):
        assert reader.patient_test_ is not reader.patient_test
        assert not hasattr(reader.patient_test, "cell_threshold_")
        assert (
            clone(reader).get_params(deep=False).keys()
            == reader.get_params(deep=False).keys()
        )

    def test_an_unfitted_part(self):
        with pytest.raises(NotFittedError):
            SmearReader.from_fitted(SpotClassifier(), PatientTest())
        with pytest.raises(NotFittedError):
            SmearReader(SpotClassifier()).read([smear(0)])

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"patient_test": "strict"}, "patient_test='strict'"),
            ({"red_cells_per_microliter": 0}, "red_cells_per_microliter=0"),
            ({"min_cells": 0}, "min_cells=0"),
            ({"upright": 1}, "upright=1"),
        ],
    )
    def test_wrong_parameters(self, parameters, message):
        with pytest.raises((TypeError, ValueError), match=message):
            SmearReader(SpotClassifier(), **parameters).fit(*labeled_cells(2))


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0, "none"),
        (0.0399, "below 4 %"),
        (0.04, "hyperparasitemia"),
        (0.1, "hyperparasitemia"),
        (0.101, "severe"),
    ],
)
def test_classes_of_the_who(fraction, expected):
    assert who_class(fraction) == expected


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), "many"])
def test_no_fraction(fraction):
    with pytest.raises((TypeError, ValueError), match="fraction="):
        who_class(fraction)
