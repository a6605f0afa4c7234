import cv2
import numpy as np
import pytest
from drawn_smears import draw_photo, on_grid
from joblib import Memory
from numpy.testing import assert_array_equal

from malariafuse.datasets import ImageReadError
from malariafuse.smears import CellSegmenter, _one, load_smear_photos


@pytest.fixture
def searched(monkeypatch):
    """List the shapes of the photographs in which cells are looked for."""
    shapes = []
    find = _one.find_cells

    def spy(views, *arguments, **options):
        shapes.append(views.shape)
        return find(views, *arguments, **options)

    monkeypatch.setattr(_one, "find_cells", spy)
    return shapes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), draw_photo(on_grid()))
    return path


@pytest.mark.parametrize("as_memory", [str, lambda path: path, Memory])
def test_cells_come_from_the_cache_the_second_time(file, tmp_path, searched, as_memory):
    folder = tmp_path / "cache"
    options = {"keep_flagged": True, "n_jobs": 2}
    first = load_smear_photos(file, memory=as_memory(folder), **options)
    again = load_smear_photos(file, memory=as_memory(folder), **options)
    fresh = load_smear_photos(file, **options)
    assert len(searched) == 2
    for cells in (first, again):
        assert_array_equal(cells.images, fresh.images)
        assert_array_equal(cells.boxes, fresh.boxes)
        assert_array_equal(cells.masks[3], fresh.masks[3])
        assert cells.photos.equals(fresh.photos)


@pytest.mark.parametrize(
    "changed",
    [
        {"image_size": (32, 32)},
        {"keep_aspect": True},
        {"keep_flagged": True},
        {"upright": True},
        {"on_problem": "keep"},
        {"segmenter": CellSegmenter(60)},
        {"segmenter": CellSegmenter(resolution=40)},
    ],
)
def test_other_parameters_find_other_cells(file, tmp_path, searched, changed):
    load_smear_photos(file, memory=tmp_path)
    cells = load_smear_photos(file, memory=tmp_path, **changed)
    assert len(searched) == 2
    assert cells.images.shape[1:3] == changed.get("image_size", (48, 48))


def test_parameters_of_the_call_alone_change_nothing(file, tmp_path, searched):
    load_smear_photos(file, memory=tmp_path, n_jobs=1)
    load_smear_photos({"Ada": file}, memory=tmp_path, on_problem="raise")
    load_smear_photos([file.read_bytes()], memory=tmp_path, on_error="skip")
    assert len(searched) == 1


def test_the_content_of_a_file_counts_not_its_name(file, tmp_path, searched):
    load_smear_photos(file, memory=tmp_path)
    cv2.imwrite(str(file), draw_photo(on_grid(rows=2)))
    assert len(load_smear_photos(file, memory=tmp_path).images) == 8
    assert len(searched) == 2


def test_arrays_are_kept_by_shape_and_pixels(tmp_path, searched):
    photo = draw_photo(on_grid(3, 3), shape=(300, 300))
    turned = np.ascontiguousarray(np.rot90(photo))
    for given in (photo, turned, photo.copy()):
        load_smear_photos([given], memory=tmp_path)
    assert len(searched) == 2


def test_functions_and_subclasses_are_called_each_time(file, tmp_path):
    calls = []

    def segment(photo):
        calls.append("function")
        return CellSegmenter().segment(photo)

    class Segmenter(CellSegmenter):
        def segment(self, photo):
            calls.append("subclass")
            return super().segment(photo)

    for segmenter in (segment, segment, Segmenter(), Segmenter()):
        load_smear_photos(file, segmenter=segmenter, memory=tmp_path)
    assert calls == ["function"] * 2 + ["subclass"] * 2


def test_photographs_that_cannot_be_read_are_not_kept(file, tmp_path):
    content = file.read_bytes()
    file.write_bytes(content[:300])
    folder = tmp_path / "cache"
    with pytest.raises(ImageReadError, match=r"truncated|damaged"):
        load_smear_photos(file, memory=folder)
    file.write_bytes(content)
    assert len(load_smear_photos(file, memory=folder).images) == 12


def test_what_is_no_cache_is_named():
    photo = draw_photo(on_grid())
    for memory in (3, ""):
        with pytest.raises(
            ValueError, match=f"memory={memory!r}: expected None, a path"
        ):
            load_smear_photos([photo], memory=memory)
