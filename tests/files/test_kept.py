"""Results in a memory: the ones that were kept, or made again with a warning."""

import os
import shutil

import numpy as np
import pytest
from joblib import Memory

from malariafuse._files import _kept
from malariafuse._files._kept import KeptResults, as_memory

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def kept(tmp_path):
    return KeptResults(as_memory(tmp_path), "things")


def entry(folder, key=KEY):
    return folder / "joblib" / "malariafuse" / "things" / key / "output.pkl"


def make():
    return {"weights": np.arange(100.0)}


def fail():
    raise AssertionError("it should have been kept")


@pytest.mark.parametrize("method", ["find_or_make", "find_or_make_once"])
def test_a_result_is_made_once(kept, tmp_path, method):
    for maker in (make, fail):
        found = getattr(kept, method)(KEY, maker)
        np.testing.assert_array_equal(found["weights"], np.arange(100.0))
    # Neither a lock nor a file in the making is left.
    assert [path.name for path in (tmp_path / "joblib" / "malariafuse").iterdir()] == [
        "things"
    ]


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def empty(file):
    file.write_bytes(b"")


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(content)


def replace_by_another_pickle(file):
    import pickle

    file.write_bytes(pickle.dumps("something else"))


def replace_by_another_entry(file):
    other = entry(file.parents[4], OTHER)
    KeptResults(as_memory(file.parents[4]), "things").find_or_make(OTHER, lambda: 3)
    shutil.copy(other, file)


@pytest.mark.parametrize(
    "damage",
    [cut, empty, flip_a_bit, replace_by_another_pickle, replace_by_another_entry],
)
@pytest.mark.parametrize("method", ["find_or_make", "find_or_make_once"])
def test_a_damaged_entry_is_made_again_with_one_warning(kept, tmp_path, method, damage):
    kept.find_or_make(KEY, make)
    damage(entry(tmp_path))
    with pytest.warns(UserWarning, match=r"memory='.*output\.pkl' cannot be r") as seen:
        found = getattr(kept, method)(KEY, make)
    assert len(seen) == 1
    np.testing.assert_array_equal(found["weights"], np.arange(100.0))
    assert kept.find_or_make(KEY, fail).keys() == {"weights"}


def test_what_cannot_be_kept_is_returned_with_a_warning(kept, tmp_path, monkeypatch):
    with pytest.warns(
        UserWarning, match="memory='.*a result could not be cached.*pickl"
    ):
        assert kept.find_or_make(KEY, lambda: fail.__class__ and (lambda: 3))() == 3

    def write(*arguments, **options):
        raise OSError(28, "No space left on device", "entry")

    monkeypatch.setattr(_kept, "whole_file", write)
    with pytest.warns(
        UserWarning, match=r"memory='.*could not be cached.*No space left"
    ):
        assert kept.find_or_make_once(KEY, make).keys() == {"weights"}
    assert not entry(tmp_path).exists()


def test_a_folder_that_cannot_be_written_to_is_read(kept, tmp_path, monkeypatch):
    kept.find_or_make(KEY, make)

    def refuse(file):
        raise OSError(30, "Read-only file system", str(file))

    monkeypatch.setattr(_kept, "locked", refuse)
    assert kept.find_or_make_once(KEY, fail).keys() == {"weights"}
    with pytest.raises(OSError, match=r"^memory='.*' is not a writable folder"):
        kept.find_or_make_once(OTHER, fail)


def test_joblib_clears_and_reduces_what_is_kept(kept, tmp_path):
    memory = Memory(tmp_path, verbose=0)
    for key in (KEY, OTHER):
        kept.find_or_make(key, make)
    os.utime(entry(tmp_path), (0, 0))
    memory.reduce_size(items_limit=1)
    assert not entry(tmp_path).exists()
    assert entry(tmp_path, OTHER).exists()
    memory.clear(warn=False)
    assert not entry(tmp_path, OTHER).exists()
    assert kept.find_or_make(OTHER, make).keys() == {"weights"}


def test_what_a_killed_process_left_is_deleted_before_a_result_is_found(kept, tmp_path):
    kept.find_or_make(KEY, make)
    folder = tmp_path / "joblib" / "malariafuse"
    (folder / ".malariafuse-abandoned").mkdir()
    (folder / ".malariafuse-abandoned" / "lock").write_text("")
    (folder / f"{OTHER}.lock").write_text("")

    assert KeptResults(as_memory(tmp_path), "things").find_or_make(KEY, fail)

    assert [path.name for path in folder.iterdir()] == ["things"]


def test_nothing_is_kept_without_a_folder():
    kept = KeptResults(as_memory(None), "things")
    assert not kept.keeps
    assert kept.find_or_make(KEY, lambda: 1) == 1
    assert kept.find_or_make_once(KEY, lambda: 2) == 2
