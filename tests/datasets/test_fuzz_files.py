"""Nothing that is passed by mistake to what reads files ends in an obscure error.

Every argument is tried with values of all kinds. Either the call gives what it
documents, or an error that names the argument, or a file that cannot be read.
"""

import inspect
import re
import warnings

import pandas as pd
import pytest
from fuzzing import NASTY, anything
from hypothesis import HealthCheck, given, settings

from malariafuse.datasets import (
    ImageReadError,
    _fetch,
    fetch_malaria_cells,
    load_cell_images,
)
from malariafuse.preprocessing import ImageLoader

from .conftest import save_cell

CELLS = [
    "Parasitized/C1_a.png",
    "Parasitized/C2_a.png",
    "Uninfected/C1_b.png",
    "Uninfected/C3_a.png",
]
CONTENT = b"\x89PNG of a patient" * 1000
N_RANDOM = 20
VALUES = [
    *NASTY,
    "a\0b",
    "\ud800",
    "~\0",
    "*",
    "[",
    "a" * 300,
    CONTENT,
    memoryview(CONTENT),
    [CONTENT],
    {"Parasitized": CONTENT},
    {"Parasitized": "a\0b", "Uninfected": ["x"]},
    {"Parasitized": None},
    {None: ["x"]},
    {"label": "nowhere"},
    {"patient": ["label"]},
    pd.DataFrame({"path": ["a", "b"], "label": [1, 0], "patient": [1, "1"]}),
    pd.DataFrame({"path": [CONTENT], "label": [CONTENT]}),
]


def parameters_of(function):
    return list(inspect.signature(function).parameters)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    for seed, name in enumerate(CELLS):
        save_cell(folder / name, seed)
    return folder


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """The working directory, in which no relative path leads to a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "data"))
    return tmp_path


def error_of(call, value):
    """Return the error of a call, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(value)
    except Exception as error:
        return error
    return None


def is_taken(name, call, value):
    """Return whether a value is taken; fail unless it is, or is refused by name."""
    error = error_of(call, value)
    if error is None:
        return True
    assert isinstance(error, ValueError | TypeError | OSError), repr(error)
    assert len(str(error)) < 2000
    # A file that cannot be read is named, and what a function of the user's own raises
    # is its own.
    if not isinstance(error, ImageReadError) and not (
        name == "patient_of" and callable(value)
    ):
        assert re.search(rf"\b{name}\b", str(error)), repr(error)
    return False


def try_all(name, call):
    """Try all values and more; return whether any is taken."""

    @settings(
        max_examples=N_RANDOM,
        suppress_health_check=list(HealthCheck),
    )
    @given(anything().filter(leads_nowhere))
    def try_more(value):
        is_taken(name, call, value)

    try_more()
    return sum(is_taken(name, call, value) for value in VALUES) > 0


def leads_nowhere(value):
    """Whether no path out of the working directory is in a value."""
    return not (isinstance(value, str) and set(value) & set("/\\~.:"))


@pytest.mark.parametrize("name", parameters_of(load_cell_images))
def test_arguments_of_load_cell_images(name, folder, empty):
    def load(value):
        arguments = {"path": folder, "image_size": (8, 8), "cache": False, "n_jobs": 1}
        return load_cell_images(**arguments | {name: value})

    assert try_all(name, load) != (name in ("path", "on_error"))


@pytest.mark.parametrize("name", ["classes", "columns", "root", "patient_of", "labels"])
def test_arguments_that_go_with_a_table(name, folder, empty):
    table = pd.DataFrame({"path": CELLS, "label": [1, 1, 0, 0]})

    def load(value):
        arguments = {"root": folder, "cache": False, "n_jobs": 1}
        return load_cell_images(table, **arguments | {name: value})

    try_all(name, load)


@pytest.mark.parametrize("name", parameters_of(ImageLoader))
def test_arguments_of_image_loader(name, folder, empty):
    paths = [folder / cell for cell in CELLS]

    assert try_all(name, lambda value: ImageLoader(**{name: value}).transform(paths))


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_paths_of_image_loader(method, empty):
    try_all("X", lambda value: getattr(ImageLoader(), method)(value))


@pytest.mark.parametrize("name", parameters_of(fetch_malaria_cells))
def test_arguments_of_fetch_malaria_cells(name, empty, monkeypatch):
    downloads = []
    monkeypatch.setattr(_fetch, "_download", lambda *args, **_: downloads.append(args))

    def fetch(value):
        arguments = {"data_home": empty, "download_if_missing": False}
        try:
            fetch_malaria_cells(**arguments | {name: value})
        except OSError as error:
            # What is right leads to the archive, which is not there.
            if "The archive is not at" not in str(error) and not downloads:
                raise

    try_all(name, fetch)

    assert bool(downloads) == (name == "download_if_missing")


def test_at_least_2000_values_are_tried():
    functions = (load_cell_images, ImageLoader, fetch_malaria_cells)

    n_arguments = sum(len(parameters_of(function)) for function in functions)
    assert n_arguments * (len(VALUES) + N_RANDOM) >= 2000
