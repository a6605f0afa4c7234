import os
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from malariafuse.datasets import ImageReadError, load_cell_images
from malariafuse.preprocessing import ImageLoader


@pytest.fixture
def paths(tmp_path):
    """Twelve cells, of which the parasitized ones are darker, in two class folders."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(12):
        name = ["Uninfected", "Parasitized"][number % 2]
        path = tmp_path / name / f"C{number}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(200, 256, size=(20 + number, 25, 3)) - 100 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_images_are_those_of_load_cell_images(paths, tmp_path, keep_aspect, n_jobs):
    cells = load_cell_images(
        tmp_path, image_size=(16, 12), keep_aspect=keep_aspect, cache=False
    )

    loader = ImageLoader((16, 12), keep_aspect=keep_aspect, n_jobs=n_jobs)

    images = loader.fit_transform(cells.filenames)
    assert images.shape == (12, 16, 12, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, cells.images)


def test_paths_come_in_many_containers(paths):
    names = [str(path) for path in paths]
    expected = ImageLoader().transform(names)

    for X in (
        paths,
        tuple(paths),
        np.array(names),
        np.array(paths, dtype=object),
        np.array(names)[:, None],
        pd.Series(names, index=range(12, 0, -1)),
        pd.DataFrame({"path": names}),
    ):
        np.testing.assert_array_equal(ImageLoader().fit(X).transform(X), expected)


def test_it_is_stateless(paths):
    images = ImageLoader((8, 8)).transform(paths)

    np.testing.assert_array_equal(
        clone(ImageLoader((8, 8))).fit_transform(paths), images
    )
    assert not get_tags(ImageLoader()).requires_fit
    unpickled = pickle.loads(pickle.dumps(ImageLoader((8, 8))))
    np.testing.assert_array_equal(unpickled.transform(paths), images)


def test_a_search_over_a_pipeline_starts_from_paths_and_predicts_one_file(paths):
    pipeline = make_pipeline(
        ImageLoader(),
        FunctionTransformer(flatten),
        LogisticRegression(),
    )
    search = GridSearchCV(
        pipeline,
        {"imageloader__image_size": [(4, 4), (8, 8)]},
        cv=2,
        error_score="raise",
    )

    search.fit(paths, [number % 2 for number in range(12)])

    assert search.best_score_ == 1
    assert search.predict([paths[3]]).tolist() == [1]


def flatten(images):
    return images.reshape(len(images), -1) / 255


def test_all_unreadable_files_are_named_in_one_error(paths):
    paths[1].write_bytes(paths[1].read_bytes()[:50])
    missing = paths[0].with_name("nowhere.png")

    with pytest.raises(ImageReadError, match=r"2 image\(s\)") as caught:
        ImageLoader().transform([paths[0], missing, paths[1]])

    assert caught.value.refused[str(missing)] == "No such file or directory"
    assert "truncated" in caught.value.refused[str(paths[1])]


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(ImageReadError, match="is a folder, expected a regular file"):
        ImageLoader().transform([tmp_path])


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            "cell.png",
            TypeError,
            "X is a single path, 'cell.png': expected a list of paths or images. Pass ",
        ),
        ([], ValueError, "X is empty"),
        (["a.png", 3], TypeError, "X[1] is 3, of type int"),
        (["a.png", None], TypeError, "X[1] is None"),
        (np.zeros((2, 3)), ValueError, "X has shape (2, 3)"),
        ([["a.png", "b.png"]], TypeError, "X[0] is ['a.png', 'b.png'], of type list"),
        (np.array([["a.png", "b.png"]]), ValueError, "X has shape (1, 2)"),
        (iter(["a.png"]), TypeError, "of type list_iterator: expected the path of"),
        ("a" * 10_000, TypeError, "X is a single path, 'aaaa"),
    ],
)
def test_what_is_no_list_of_paths_is_refused(method, X, error, message):
    with pytest.raises(error, match=re.escape(message)):
        getattr(ImageLoader(), method)(X)


CONTENT = b"\x89PNG of a patient" * 1000


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a.png", [CONTENT]], "X[1] is [<17,000 bytes>], of type list"),
        ([{"image": CONTENT}], "X[0] is {'image': <17,000 bytes>}, of type dict"),
        (np.array([CONTENT]), "X has dtype |S17000, which drops trailing zeros"),
        (CONTENT, "X: not a BMP, "),
        (bytearray(CONTENT), "X: not a BMP, "),
        ([memoryview(CONTENT)], "X[0]: not a BMP, "),
        (np.array([CONTENT], dtype=object), "X[0]: not a BMP, "),
    ],
)
def test_the_content_of_a_file_is_not_shown(X, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        ImageLoader().transform(X)
    assert len(str(caught.value)) < 300
    assert "patient" not in str(caught.value)


def test_a_path_object_may_hold_bytes(paths):
    with os.scandir(os.fsencode(paths[0].parent)) as entries:
        entry = next(entry for entry in entries if entry.path == os.fsencode(paths[0]))

    np.testing.assert_array_equal(
        ImageLoader().transform([entry]), ImageLoader().transform(paths[:1])
    )


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_a_wrong_size_is_refused_when_used_not_before(method):
    loader = ImageLoader(image_size=48)

    with pytest.raises(ValueError, match="image_size=48"):
        getattr(loader, method)(["a.png"])


@pytest.mark.real_data
def test_real_cells_are_the_same_from_a_zip_and_from_files(real_cells_zip, tmp_path):
    with zipfile.ZipFile(real_cells_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")][::500]
        archive.extractall(tmp_path, names)
    cells = load_cell_images(tmp_path, image_size=(48, 48), cache=False)
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as part:
        for name in names:
            part.write(tmp_path / name, name)
    zipped = load_cell_images(tmp_path / "part.zip", image_size=(48, 48), cache=False)

    np.testing.assert_array_equal(zipped.images, cells.images)
    np.testing.assert_array_equal(
        ImageLoader().transform(cells.filenames), cells.images
    )
