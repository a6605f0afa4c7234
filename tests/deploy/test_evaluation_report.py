import re
import warnings
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from malariafuse.datasets import make_cell_images
from malariafuse.deploy import write_evaluation_report
from malariafuse.evaluation import summarize

CELLS = make_cell_images(90, 8, image_size=(16, 16), random_state=0)


def probabilities():
    """Of the parasitized cells, 5 are missed; of the others, 2 are false alarms."""
    y_prob = np.where(CELLS.target, 0.8, 0.1) + np.arange(90) / 1000
    y_prob[np.flatnonzero(CELLS.target == 1)[:5]] = 0.2
    y_prob[np.flatnonzero(CELLS.target == 0)[:2]] = 0.6
    return y_prob


Y_PROB = probabilities()


def written(tmp_path, y_prob=Y_PROB, **parameters):
    file = tmp_path / "report.html"
    write_evaluation_report(file, CELLS.target, y_prob, CELLS.groups, **parameters)
    return file.read_text(encoding="utf-8")


def words(html):
    without_style = re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", without_style).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return written(
        tmp_path_factory.mktemp("report"),
        images=CELLS.images,
        name="<small>",
        data="ward 3",
        card={"task": "To be tried.", "limits": ["Drawn cells."]},
        n_images=3,
    )


def test_the_cells(page):
    text = words(page)
    assert "90 cells of 8 patients. Data: ward 3." in text
    assert "Parasitized cells 45 Uninfected cells 45 Infected patients 6 of 8" in text
    assert "only if the model was trained on none of these patients" in text


def test_decisions(page):
    """Of 45 each, 5 are missed and 2 are false alarms."""
    assert (
        "called parasitized called uninfected parasitized 40 5 uninfected 2 43"
        in words(page)
    )


def test_metrics_with_intervals(page):
    table = summarize(CELLS.target, Y_PROB, CELLS.groups, random_state=0)
    low, high = table.loc["recall", ["low", "high"]]
    # 40 of 45.
    assert f"Recall 0.889 {low:.3f} to {high:.3f}" in words(page)


def test_each_patient(page):
    rows = re.findall(r'<tr><th scope="row">(\d+)</th>', page)
    assert sorted(rows, key=int) == list(map(str, range(1, 9)))


def test_names_are_no_code(page):
    assert "Model &lt;small&gt;" in re.sub("</?strong>", "", page)
    assert "<small>" not in page


def test_model_card(page, tmp_path):
    assert "Task To be tried. Limits Drawn cells." in words(page)
    assert "has no model card" in written(tmp_path)


def test_pictures_have_words(page):
    pictures = re.findall(
        r'<img src="data:([^;]*);base64,([^"]*)" alt="([^"]*)">', page
    )
    assert [kind for kind, _, _ in pictures] == ["image/svg+xml"] * 2 + [
        "image/png"
    ] * 2
    _, _, misses, alarms = [alt for _, _, alt in pictures]
    assert misses.startswith("Worst missed parasites. 3 of 5 missed parasites")
    assert alarms.startswith("Worst false alarms. 2 of 2 false alarms")
    for kind, data, _ in pictures:
        content = b64decode(data)
        if kind == "image/png":
            assert Image.open(BytesIO(content)).width > 500
        else:
            assert content.lstrip().startswith(b"<?xml")


def test_nothing_is_loaded_from_elsewhere(page):
    assert "default-src 'none'" in page
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert all(link.startswith(("#", "data:")) for link in links)


def test_the_same_evaluation_gives_the_same_bytes(page, tmp_path):
    first, second = (written(tmp_path, images=CELLS.images) for _ in range(2))
    assert first == second


def test_without_errors_and_without_images(tmp_path):
    right = np.where(CELLS.target, 0.9, 0.1) + np.arange(90) / 10000
    text = words(written(tmp_path, right, images=CELLS.images))
    assert "Worst missed parasites No missed parasites." in text
    assert "Worst false alarms No false alarms." in text
    text = words(written(tmp_path))
    assert "Worst missed parasites There are 5 missed parasites." in text


def test_threshold(tmp_path):
    """All 45 parasitized cells reach 0.15, and so do the two false alarms."""
    y_prob = np.where(CELLS.target, Y_PROB, np.minimum(Y_PROB, 0.14))
    text = words(written(tmp_path, y_prob, threshold=0.15))
    assert "Decisions at the threshold 0.15" in text
    assert "parasitized 45 0 uninfected 0 45" in text


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"threshold": 2}, ValueError, "threshold=2"),
        ({"n_images": 0}, ValueError, "n_images=0"),
        ({"card": "good"}, TypeError, "card='good'"),
        ({"images": CELLS.images[:3]}, ValueError, "images"),
    ],
)
def test_wrong_arguments(tmp_path, parameters, error, message):
    with pytest.raises(error, match=message):
        written(tmp_path, **parameters)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="a folder that exists"):
        written(tmp_path / "none")


def test_no_figure_stays_open(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    with warnings.catch_warnings():
        written(tmp_path)
    assert pyplot.get_fignums() == before
