"""The HTML of a report, without a browser."""

import dataclasses
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from drawn_results import read_drawn, smear
from drawn_smears import draw_photo
from PIL import Image
from scipy.stats import norm

from malariafuse.datasets import ImageReadError
from malariafuse.patients import PatientResult, write_report

VOID = {"meta", "input", "br", "link", "img", "hr", "image", "path", "rect"}


class Page(HTMLParser):
    """Elements of a page: their names, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.doctype = [], [], None
        self.feed(text)
        assert self.open == []

    def handle_decl(self, decl):
        self.doctype = decl

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_startendtag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag
            self.handle_data(" ")

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag, **attrs):
        return [
            (found, text)
            for name, found, text in self.elements
            if name == tag and attrs.items() <= found.items()
        ]

    def with_class(self, name):
        return [
            (attrs, " ".join(text.split()))
            for _, attrs, text in self.elements
            if name in (attrs.get("class") or "").split()
        ]

    def text(self):
        ((_, text),) = self.all("body")
        return " ".join(text.split())

    def data(self):
        ((_, text),) = self.all("script", type="application/json")
        return json.loads(text)


def with_sources(result, sources, names):
    """Return the answer as if it came of these files."""
    return dataclasses.replace(
        result, sources=sources, photos=result.photos.assign(name=names)
    )


def written(result, tmp_path, **parameters):
    file = write_report(result, tmp_path / "report.html", **parameters)
    return Page(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def result():
    """Of 24 red cells, 5 with a parasite."""
    answer = read_drawn(smear(3), smear(2))
    return dataclasses.replace(answer, warnings=("Mind the gap.",))


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return written(result, tmp_path_factory.mktemp("report"))


class TestAnswer:
    def test_verdict_in_words(self, page):
        ((_, word),) = page.with_class("word")
        assert word == "Infected"
        assert "5 of 24 red cells reach the threshold" in page.text()

    @pytest.mark.parametrize(
        ("verdict", "shown"),
        [
            ("review", "Review"),
            ("not infected", "Not infected"),
            ("cannot be judged", "Cannot be judged"),
        ],
    )
    def test_other_verdicts(self, result, tmp_path, verdict, shown):
        page = written(dataclasses.replace(result, verdict=verdict), tmp_path)
        assert page.with_class("word")[0][1] == shown

    def test_parasitemia_with_interval_and_density(self, result, tmp_path):
        answer = dataclasses.replace(
            result,
            fraction=0.02,
            low=0.0004,
            high=0.123456,
            red_cells_per_microliter=4_000_000,
        )
        text = written(answer, tmp_path).text()
        assert "2.00 % 95 % interval 0.040 to 12.35 %" in text
        # 4,000,000 times .02, .0004 and .123456, to three digits.
        assert "80,000 parasites/µl (1,600 to 494,000)" in text
        assert "WHO class below 4 %" in text
        assert "Assumed red cells/µl 4,000,000" in text

    @pytest.mark.parametrize(("n", "words"), [(4999, "not enough"), (5000, "enough")])
    def test_whether_cells_are_enough(self, result, tmp_path, n, words):
        text = written(dataclasses.replace(result, n_cells=n), tmp_path).text()
        assert f"{n:,} \N{EN DASH} {words}: the WHO asks for 5,000" in text

    def test_warnings(self, page):
        assert "Warnings Mind the gap." in page.with_class("warnings")[0][1]


class TestTableOfPhotographs:
    def test_counts(self, page):
        ((_, head),) = page.all("thead")
        head = " ".join(head.split())
        assert head.startswith(
            "Photograph Problem Red cells Left out Counted Parasitemia"
        )
        first, second = (text.split() for _, text in page.all("tr")[1:])
        assert first[:5] == ["photos[0]", "none", "12", "0", "3"]
        assert second[:5] == ["photos[1]", "none", "12", "0", "2"]
        assert first[-3:] == ["400", "\N{MULTIPLICATION SIGN}", "300"]

    def test_problems_and_notes(self, result, tmp_path):
        photos = result.photos.assign(
            evenness=[12.3456, 1234.5],
            problem=["", "out of focus"],
            unlike_others=["", "stain"],
        )
        page = written(dataclasses.replace(result, photos=photos), tmp_path)
        ((_, head),) = page.all("thead")
        head = " ".join(head.split())
        assert head.endswith("Sharpness Stain Brightness Evenness Unlike others Pixels")
        (found,) = page.with_class("problem")
        assert found[1] == "out of focus"
        first, second = (text.split() for _, text in page.all("tr")[1:])
        assert first[1] == "none"
        assert first[-4] == "12.3"
        assert second[-5:-3] == ["1,234", "stain"]


class TestPhotographs:
    def test_every_cell_is_outlined(self, page, result):
        outlined = [
            (int(attrs["data-row"]), attrs["class"])
            for attrs, _ in page.all("path")
            if "data-row" in attrs
        ]
        assert sorted(row for row, _ in outlined) == list(range(24))
        counted = {row for row, kind in outlined if kind == "counted"}
        assert counted == set(np.flatnonzero(result.cells["counted"]))

    def test_outlines_lie_on_the_cells(self, page):
        """Disks of radius 30 around the centers (50, 50), (150, 50), ..."""
        (path,) = [a["d"] for a, _ in page.all("path") if a.get("data-row") == "13"]
        x, y = np.array(re.findall(r"\d+", path), dtype=float).reshape(-1, 2).T
        middle = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
        assert np.mod(middle, 100) == pytest.approx([50, 50], abs=3)
        assert np.ptp(x) == pytest.approx(60, abs=4)

    def test_words_of_each_cell(self, page):
        titles = [text for _, text in page.all("title")][1:]
        assert len(titles) == 24
        assert sum(text.endswith(", counted") for text in titles) == 5
        assert all(text.startswith("probability ") for text in titles)

    def test_regions_that_are_left_out(self, result, tmp_path):
        cells = result.cells.copy()
        cells.loc[0, ["flag", "probability", "counted"]] = ["clump", np.nan, False]
        page = written(dataclasses.replace(result, cells=cells), tmp_path)
        (path,) = [a for a, _ in page.all("path") if a.get("data-row") == "0"]
        assert path["class"] == "flagged"
        assert "left out: clump" in [text for _, text in page.all("title")]
        assert 0 not in [cell["row"] for cell in page.data()["cells"]]

    def test_photographs_are_made_small(self, result, tmp_path):
        page = written(result, tmp_path, max_side=100)
        (view,) = {
            attrs["viewbox"] for attrs, _ in page.all("svg") if "tabindex" in attrs
        }
        assert view == "0 0 400 300"
        whole = [a for a, _ in page.all("image") if a["width"] == "400"]
        assert [decoded(attrs["href"]).size for attrs in whole] == [(100, 75)] * 2

    def test_files_are_read_again(self, result, tmp_path):
        files = [str(tmp_path / name) for name in ("one.png", "two.png")]
        for file, photo in zip(files, result.sources, strict=True):
            Image.fromarray(photo).save(file)
        page = written(with_sources(result, files, files), tmp_path)
        assert [text for _, text in page.all("h3") if text.endswith(".png")] == [
            "one.png",
            "two.png",
        ]
        assert str(tmp_path) not in page.text()

    def test_warnings_name_no_folder(self, result, tmp_path):
        """Those of photographs that were skipped have the folder of the others."""
        names = ["/data/Ada Lovelace/1.png", "/data/2.png"]
        other = dataclasses.replace(
            with_sources(result, result.sources, names),
            warnings=("Skipped: /data/Ada Lovelace/3.png, /data/2.png",),
        )
        assert "Skipped: 3.png, 2.png" in written(other, tmp_path).text()

    def test_same_name_in_two_folders(self, result, tmp_path):
        names = ["a/smear.png", "b/smear.png"]
        page = written(with_sources(result, result.sources, names), tmp_path)
        assert {cell["photo"] for cell in page.data()["cells"]} == {
            "smear.png (photograph 1)",
            "smear.png (photograph 2)",
        }

    def test_contents_of_files(self, result, tmp_path):
        files = [BytesIO(), BytesIO()]
        for file, photo in zip(files, result.sources, strict=True):
            Image.fromarray(photo).save(file, "PNG")
        sources = [files[0].getvalue(), files[1]]
        page = written(dataclasses.replace(result, sources=sources), tmp_path)
        (first, second) = (a for a, _ in page.all("image") if a["width"] == "400")
        assert decoded(first["href"]).size == decoded(second["href"]).size == (400, 300)


def decoded(uri):
    return Image.open(BytesIO(b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


class TestGallery:
    def test_most_suspicious_first(self, page, result):
        cells = page.data()["cells"]
        assert [cell["row"] for cell in cells] == result.suspicious().index.tolist()

    def test_number_of_cells(self, result, tmp_path):
        assert len(written(result, tmp_path, n_cells=9).data()["cells"]) == 9

    def test_counted_cells_are_all_shown(self, result, tmp_path):
        cells = written(result, tmp_path, n_cells=0).data()["cells"]
        assert [cell["counted"] for cell in cells] == [True] * 5

    def test_one_control_of_three_states_for_each(self, page):
        radios = pd.DataFrame([a for a, _ in page.all("input", type="radio")])
        states = radios.groupby("name")["value"].agg(list)
        assert len(states) == 24
        assert (states.map(tuple) == ("parasite", "no parasite", "not reviewed")).all()
        assert len(page.all("fieldset")) == len(page.all("legend")) == 24

    def test_crops_are_of_the_cell_in_natural_color(self, page):
        crops = [a for a, _ in page.all("image") if a["width"] != "400"]
        assert len(crops) == 24
        # The first one has a spot (90, 30, 110) in the middle of the cell.
        image = decoded(crops[0]["href"])
        middle = np.array(image)[image.height // 2, image.width // 2]
        assert middle == pytest.approx(np.array([90, 30, 110]), abs=20)

    def test_what_scripts_compute_with(self, page):
        data = page.data()
        assert (data["patient"], data["n_cells"]) == ("Ada", 24)
        assert data["z"] == pytest.approx(norm.ppf(0.975))
        assert data["density"] == 5_000_000


class TestModelCard:
    def test_card(self, result, tmp_path):
        card = {
            "intended_use": "Research.",
            "limits": ["One laboratory.", "Thin smears."],
            "out_of_fold": {"patients": 100, "measures": {"mcc": [0.91, 0.87, 0.94]}},
            "versions": {"python": "3.11.7"},
            "references": [0.1] * 50,
            "sizes": [1] * 50,
        }
        text = written(dataclasses.replace(result, card=card), tmp_path).text()
        assert "Intended use Research." in text
        assert "MCC 0.910 (0.870 to 0.940)" in text
        assert "Python 3.11.7" in text
        assert "Sizes 50 values" in text
        assert "References" not in text

    def test_no_card(self, page):
        assert "The classifier has no model card" in page.text()


class TestFile:
    def test_nothing_is_loaded_from_elsewhere(self, result, tmp_path):
        file = write_report(result, tmp_path / "report.html")
        page = Page(file.read_text(encoding="utf-8"))
        targets = [
            attrs[name]
            for _, attrs, _ in page.elements
            for name in ("src", "href", "xlink:href", "action", "srcset")
            if name in attrs
        ]
        assert targets
        assert all(target.startswith(("#", "data:image/jpeg")) for target in targets)
        ((_, style),) = page.all("style")
        assert "url(" not in style
        assert "@import" not in style
        assert not page.all("link")
        assert not page.all("iframe")
        (policy,) = [a["content"] for a, _ in page.all("meta") if "http-equiv" in a]
        assert policy.startswith("default-src 'none'; img-src data:;")

    def test_same_bytes(self, result, tmp_path):
        files = [write_report(result, tmp_path / name) for name in ("a", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()

    def test_page_has_language_title_and_landmarks(self, page):
        assert page.doctype == "DOCTYPE html"
        assert page.all("html")[0][0]["lang"] == "en"
        assert page.all("title")[0][1] == "Malaria smear report: Ada"
        for landmark in ("header", "nav", "main", "footer", "h1"):
            assert len(page.all(landmark)) == 1
        ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
        assert len(ids) == len(set(ids))

    @pytest.mark.parametrize(
        "name", ['<script>alert("1")</script>', "O'Ne\"il & </script> Ł", 17, None]
    )
    def test_names_are_text(self, result, tmp_path, name):
        hostile = dataclasses.replace(
            result,
            patient=name,
            photos=result.photos.assign(name=["<b>.jpg", "</script>'\".jpg"]),
            warnings=("<img src=x>",),
            card={"task": "<i>", "more": {"<u>": "</script>"}},
        )
        page = written(hostile, tmp_path)
        ((_, shown),) = page.with_class("patient")
        assert shown == f"Patient {'not named' if name is None else name}"
        assert len(page.all("script")) == 2
        for tag in ("b", "i", "u", "img"):
            assert not page.all(tag)
        assert page.data()["patient"] == ("" if name is None else str(name))
        assert "<img src=x>" in page.text()

    def test_names_that_are_no_text(self, result, tmp_path):
        names = pd.Series(["\udcff.jpg", "b.jpg"], dtype=object)
        photos = result.photos.assign(name=names)
        page = written(dataclasses.replace(result, photos=photos), tmp_path)
        assert len(page.data()["cells"]) == 24

    def test_an_older_file_is_replaced(self, result, tmp_path):
        (tmp_path / "report.html").write_text("old")
        written(result, tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

    def test_an_older_file_stays_if_writing_fails(self, result, tmp_path, monkeypatch):
        (tmp_path / "report.html").write_text("old")

        def fail(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            write_report(result, tmp_path / "report.html")
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
        assert (tmp_path / "report.html").read_text() == "old"


class TestFewCells:
    def test_no_cell(self, tmp_path):
        with pytest.warns(UserWarning, match="cannot be judged"):
            answer = read_drawn(draw_photo([]))
        page = written(answer, tmp_path)
        assert page.with_class("word")[0][1] == "Cannot be judged"
        assert "No red cell was found in the photographs." in page.text()
        assert "There is no red cell to review." in page.text()
        assert page.data()["cells"] == []

    def test_no_photograph(self, result, tmp_path):
        empty = dataclasses.replace(
            result, photos=pd.DataFrame(), cells=pd.DataFrame(), masks=[], sources=[]
        )
        assert "There is no photograph." in written(empty, tmp_path).text()


class TestBadInput:
    @pytest.mark.parametrize(
        ("source", "named"), [("gone/two.png", "gone/two.png"), (b"GIF", "photos[1]")]
    )
    def test_photograph_cannot_be_read(self, result, tmp_path, source, named):
        other = dataclasses.replace(result, sources=[result.sources[0], source])
        with pytest.raises(ImageReadError) as caught:
            write_report(other, tmp_path / "report.html")
        assert list(caught.value.refused) == [named]
        assert list(tmp_path.iterdir()) == []

    def test_photograph_is_another(self, result, tmp_path):
        other = dataclasses.replace(result, sources=[smear(1)[:200], smear(1)])
        with pytest.raises(ValueError, match=r"photos\[0\] has 200 x 400 pixels"):
            write_report(other, tmp_path / "report.html")
        assert list(tmp_path.iterdir()) == []

    def test_no_such_folder(self, result, tmp_path):
        with pytest.raises(FileNotFoundError, match="folder that exists"):
            write_report(result, tmp_path / "no" / "report.html")

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"n_cells": -1}, "n_cells=-1: expected an integer of at least 0"),
            ({"max_side": 2}, "max_side=2: expected an integer in"),
            ({"file": ""}, "file='': expected a path"),
            ({"result": "Ada"}, "result='Ada': expected a PatientResult"),
        ],
    )
    def test_arguments(self, result, tmp_path, parameters, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            write_report(
                **{"result": result, "file": tmp_path / "report.html"} | parameters
            )

    def test_tables_that_do_not_fit(self, result, tmp_path):
        for change, message in [
            ({"masks": []}, "result has 0 masks and 24 rows of cells"),
            ({"sources": []}, "result has 0 sources and 2 rows of photos"),
            (
                {"cells": result.cells.drop(columns=["x", "flag"])},
                "result.cells has no column x, flag",
            ),
        ]:
            other: PatientResult = dataclasses.replace(result, **change)
            with pytest.raises(ValueError, match=re.escape(message)):
                write_report(other, tmp_path / "report.html")
