import pytest

from malariafuse.datasets import image_paths, load_cell_images


def test_they_are_those_that_load_cell_images_reads(cell_folder):
    (cell_folder / ".hidden").touch()
    expected = load_cell_images(cell_folder, labels=False, cache=False).filenames
    assert image_paths(cell_folder) == list(expected)


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        (3, TypeError, "folder=3: expected the path of a folder"),
        ("none", FileNotFoundError, "folder='none' is not a folder"),
        (".", ValueError, "folder='.' has no files"),
    ],
)
def test_wrong_folders(folder, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        image_paths(folder)
