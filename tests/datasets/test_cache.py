"""What the cache gives is what was read, or an error that says what can be done."""

import json
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import cache_process
import numpy as np
import pandas as pd
import pytest

from malariafuse._files._read import CellIndex
from malariafuse.datasets import ImageReadError, _cache, load_cell_images
from malariafuse.datasets._cache import through_cache

from .conftest import CELLS, save_cell

SIZE = (16, 12)
posix = pytest.mark.skipif(os.name != "posix", reason="needs the rights of POSIX")
WAY_OUT = "Set another folder by `cache`.*MALARIAFUSE_DATA, or pass cache=False"


def load(path, **options):
    return load_cell_images(path, **{"image_size": SIZE, "cache": False, **options})


def flip(path, position, bit=0):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def fill_from(folder):
    """What `through_cache` calls to write an entry."""
    cells = load(folder)

    def fill(take):
        take(cells.images)
        return CellIndex(cells.filenames.tolist(), {}, [], [])

    return fill


@pytest.fixture
def cached(tmp_path):
    """Load through a cache; the entries of the cache."""
    cache = tmp_path / "cache"

    def load_cached(path, **options):
        return load(path, cache=cache, **options)

    def entries():
        return sorted(cache.iterdir())

    return load_cached, entries


@pytest.mark.parametrize("kind", ["folder", "zip", "table"])
def test_the_second_call_maps_the_images_without_reading_files(
    cell_folder, zip_folder, cached, monkeypatch, kind
):
    load_cached, _ = cached
    plain = load(cell_folder)
    source = {
        "folder": cell_folder,
        "zip": zip_folder(cell_folder),
        "table": pd.DataFrame({"path": plain.filenames, "label": plain.target}),
    }[kind]
    first = load_cached(source)
    monkeypatch.setattr("malariafuse.datasets._reading.decode_image", None)

    second = load_cached(source)

    for cells in (first, second):
        assert isinstance(cells.images, np.memmap)
        assert not cells.images.flags.writeable
        np.testing.assert_array_equal(cells.images, plain.images)
    assert first.keys() == second.keys()
    np.testing.assert_array_equal(first.filenames, second.filenames)
    np.testing.assert_array_equal(first.groups, second.groups)


def test_other_parameters_are_other_entries(cell_folder, cached):
    load_cached, entries = cached
    for options in ({}, {"keep_aspect": True}, {"image_size": (12, 16)}):
        load_cached(cell_folder, **options)

    assert len(entries()) == 3


def test_a_changed_file_is_read_again(cell_folder, cached):
    load_cached, _ = cached
    before = load_cached(cell_folder).images.copy()
    save_cell(cell_folder / "cell_images" / CELLS[0], seed=99)

    after = load_cached(cell_folder).images

    assert (before[0] != after[0]).any()
    np.testing.assert_array_equal(before[1:], after[1:])


def test_a_new_file_is_read(cell_folder, cached):
    load_cached, _ = cached
    load_cached(cell_folder)
    save_cell(cell_folder / "cell_images" / "Parasitized" / "C3_new.png", seed=9)

    assert load_cached(cell_folder).groups.tolist() == [1, 2, 3, 1, 30, 30]


def cut(entry):
    with open(entry / "images.npy", "r+b") as file:
        file.truncate(1000)


def flip_a_bit(entry):
    flip(entry / "images.npy", 500)


def add_a_duplicate(entry):
    text = (entry / "index.json").read_text()
    (entry / "index.json").write_text(
        text.replace('"same_pixels": []', '"same_pixels": [[0, 1]]')
    )


def swap_a_name(entry):
    text = (entry / "index.json").read_text()
    (entry / "index.json").write_text(text.replace("C30N", "C31N"))


def swap_height_and_width(entry):
    data = (entry / "images.npy").read_bytes()
    (entry / "images.npy").write_bytes(data.replace(b"16, 12", b"12, 16"))


def remove_images(entry):
    (entry / "images.npy").unlink()


def remove_index(entry):
    (entry / "index.json").unlink()


def garble_index(entry):
    (entry / "index.json").write_bytes(b"\xff{")


def shorten_index(entry):
    index = json.loads((entry / "index.json").read_text())
    index["cells"]["filenames"].pop()
    (entry / "index.json").write_text(json.dumps(index))


def replace_index(entry):
    (entry / "index.json").write_text("[]")


def nest_index(entry):
    (entry / "index.json").write_text("[" * 100_000)


def replace_entry(entry):
    shutil.rmtree(entry)
    entry.write_bytes(b"no folder")


def empty_entry(entry):
    remove_images(entry)
    remove_index(entry)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flip_a_bit,
        add_a_duplicate,
        swap_a_name,
        swap_height_and_width,
        remove_images,
        remove_index,
        garble_index,
        shorten_index,
        replace_index,
        nest_index,
        replace_entry,
        empty_entry,
    ],
)
def test_a_damaged_entry_is_rebuilt_with_a_warning(cell_folder, cached, damage):
    load_cached, entries = cached
    expected = load_cached(cell_folder).images.copy()
    damage(entries()[0])

    with pytest.warns(UserWarning, match="are damaged: .* are read again") as seen:
        cells = load_cached(cell_folder)

    assert seen[0].filename == __file__
    np.testing.assert_array_equal(cells.images, expected)
    np.testing.assert_array_equal(load_cached(cell_folder).images, expected)


def test_any_single_changed_bit_is_seen(cell_folder, tmp_path):
    entry = tmp_path / "cells-1"
    through_cache(entry, (*SIZE, 3), fill_from(cell_folder))
    rng = np.random.default_rng(0)

    for name in ("index.json", "images.npy"):
        whole = (entry / name).read_bytes()
        for position in rng.choice(len(whole), 300, replace=False):
            flip(entry / name, position, bit=int(rng.integers(8)))
            with pytest.raises(_cache._DamagedEntryError):
                _cache._read_entry(entry)
            (entry / name).write_bytes(whole)

    assert _cache._read_entry(entry) is not None


def test_a_copy_of_a_cache_is_a_cache(cell_folder, tmp_path, monkeypatch):
    expected = load(cell_folder, cache=tmp_path / "cache")
    shutil.copytree(tmp_path / "cache", tmp_path / "copy", copy_function=shutil.copy)
    monkeypatch.setattr("malariafuse.datasets._reading.decode_image", None)

    cells = load(cell_folder, cache=tmp_path / "copy")

    np.testing.assert_array_equal(cells.images, expected.images)


def test_a_failed_call_leaves_nothing_in_the_cache(cell_folder, cached):
    load_cached, entries = cached
    (cell_folder / "cell_images/Uninfected/C9.png").write_bytes(b"no image")

    with pytest.raises(ImageReadError):
        load_cached(cell_folder)

    assert entries() == []


def test_an_entry_that_another_process_wrote_meanwhile_is_used(
    cell_folder, cached, monkeypatch
):
    load_cached, entries = cached
    rename = Path.rename

    def lose_the_race(new, entry):
        shutil.copytree(new, entry)
        return rename(new, entry)

    monkeypatch.setattr(Path, "rename", lose_the_race)

    cells = load_cached(cell_folder)

    np.testing.assert_array_equal(cells.images, load(cell_folder).images)
    assert len(entries()) == 1


def test_the_default_cache_is_named_by_the_environment(
    cell_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "data"))

    load(cell_folder, cache=True)

    assert len(list((tmp_path / "data").glob("cells-*"))) == 1


def test_the_default_cache_is_that_of_the_user(cell_folder, tmp_path, monkeypatch):
    monkeypatch.delenv("MALARIAFUSE_DATA", raising=False)
    monkeypatch.setattr(
        "malariafuse.datasets._home.user_cache_path", lambda name: tmp_path / name
    )

    load(cell_folder, cache=True)

    assert len(list((tmp_path / "malariafuse").glob("cells-*"))) == 1


# --- disks that are full, read-only or not to be read ------------------------------


@pytest.fixture
def own_folder(cell_folder):
    """A folder with cells, all below a place that other users may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(cell_folder, folder / "cells")
        load(folder / "cells", cache=folder / "warm")  # imports, before rights are lost
        (folder / "cache").mkdir()
        yield folder
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o700)


@contextmanager
def no_superuser():
    """Lose the right to read and write everything, if we have it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


@posix
def test_a_file_that_could_not_be_opened_is_read_by_the_next_call(own_folder):
    closed = own_folder / "cells/cell_images" / CELLS[0]
    status = closed.stat()
    (own_folder / "cache").chmod(0o777)
    closed.chmod(0)
    options = {"cache": own_folder / "cache", "on_error": "skip"}
    with no_superuser(), pytest.warns(UserWarning, match="C1P1.*: Permission denied"):
        skipped = load(own_folder / "cells", **options)
    closed.chmod(0o644)
    # As a disk that fails for a moment leaves it.
    assert closed.stat().st_mtime_ns == status.st_mtime_ns

    assert list((own_folder / "cache").iterdir()) == []
    expected = load(own_folder / "cells")
    np.testing.assert_array_equal(skipped.images, expected.images[1:])
    assert not isinstance(skipped.images, np.memmap)
    cells = load(own_folder / "cells", **options)
    assert cells.refused == {}
    np.testing.assert_array_equal(cells.images, expected.images)


def test_files_without_an_image_are_kept_as_refused(cell_folder, cached):
    load_cached, entries = cached
    (cell_folder / "cell_images/Uninfected/C9.png").write_bytes(b"no image")

    for _ in range(2):
        with pytest.warns(UserWarning, match="Skipped: 1 image"):
            load_cached(cell_folder, on_error="skip")

    assert len(entries()) == 1


@posix
def test_a_cache_that_may_not_be_written_names_argument_folder_and_way_out(own_folder):
    (own_folder / "cache").chmod(0o555)

    with (
        no_superuser(),
        pytest.raises(OSError, match=f"Cannot write.*/cache'.*denied.*{WAY_OUT}"),
    ):
        load(own_folder / "cells", cache=own_folder / "cache")


def test_a_cache_below_a_file_names_argument_folder_and_way_out(cell_folder, tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(OSError, match=f"Cannot write to.*file/cache'.*{WAY_OUT}"):
        load(cell_folder, cache=tmp_path / "file" / "cache")


@posix
def test_a_cache_that_may_not_be_written_is_read(own_folder):
    expected = load(own_folder / "cells", cache=own_folder / "cache")
    (own_folder / "cache").chmod(0o555)

    with no_superuser():
        cells = load(own_folder / "cells", cache=own_folder / "cache")

    assert isinstance(cells.images, np.memmap)
    np.testing.assert_array_equal(cells.images, expected.images)


@posix
@pytest.mark.parametrize("level", ["cache", "entry", "index.json", "images.npy"])
def test_a_cache_that_may_not_be_read_names_argument_folder_and_way_out(
    own_folder, level
):
    load(own_folder / "cells", cache=own_folder / "cache")
    [entry] = (own_folder / "cache").iterdir()
    locked = {"cache": own_folder / "cache", "entry": entry}.get(level, entry / level)
    locked.chmod(0)

    with (
        no_superuser(),
        pytest.raises(OSError, match=f"Cannot .*/cache.*denied.*{WAY_OUT}"),
    ):
        load(own_folder / "cells", cache=own_folder / "cache")


@posix
def test_a_damaged_entry_that_may_not_be_removed_says_so(own_folder):
    load(own_folder / "cells", cache=own_folder / "cache")
    [entry] = (own_folder / "cache").iterdir()
    flip(entry / "images.npy", 500)
    (own_folder / "cache").chmod(0o555)

    with (
        no_superuser(),
        pytest.raises(
            OSError,
            match=f"images in .*/cache.* are damaged: they differ from the SHA-256.*"
            f"They cannot be removed: .*denied.*{WAY_OUT}",
        ),
    ):
        load(own_folder / "cells", cache=own_folder / "cache")
    assert entry.exists()


@contextmanager
def small_disk(limit):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [0, 100, 1000, 3000])  # of 3,008 bytes
def test_a_full_disk_names_argument_folder_and_way_out(cell_folder, cached, limit):
    load_cached, entries = cached

    with (
        small_disk(limit),
        pytest.raises(OSError, match=f"Cannot write to.*/cache'.*{WAY_OUT}"),
    ):
        load_cached(cell_folder)

    assert entries() == []
    assert len(load_cached(cell_folder).images) == len(CELLS)


def test_a_disk_that_fills_up_is_named(cell_folder, cached, monkeypatch):
    def write(file, images):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cache, "_write_all", write)

    with pytest.raises(OSError, match=f"No space left.*Free space there.*{WAY_OUT}"):
        cached[0](cell_folder)


def test_errors_of_the_image_files_are_none_of_the_cache(tmp_path):
    def fill(take):
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match=r"^\[Errno 5\] Input/output error$"):
        through_cache(tmp_path / "cells-1", (*SIZE, 3), fill)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cache", "error", "message"),
    [
        ("", ValueError, "cache='' is not a folder. Pass '.'"),
        (3, TypeError, "cache=3: expected the path of a folder"),
        (1.0, TypeError, "cache=1.0: expected"),
        (None, TypeError, "cache=None: expected True, False or the path"),
        (b"cache", TypeError, "cache=<5 bytes>: expected"),
        ("a\0b", ValueError, "cache='a.*b' is not a valid path of a folder: .*NUL"),
        ("a\ud800b", ValueError, "cache='a.*b' is not a valid path of a folder"),
        (
            "~nobody-of-this-name/x",
            ValueError,
            "cache='~.*' is not a valid path of a folder",
        ),
    ],
)
def test_what_is_no_cache_is_named(
    cell_folder, tmp_path, monkeypatch, cache, error, message
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error, match=message):
        load(cell_folder, cache=cache)
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


def test_a_boolean_of_numpy_is_one(cell_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "data"))

    load(cell_folder, cache=np.False_)
    assert not (tmp_path / "data").exists()
    load(cell_folder, cache=np.True_)
    assert len(list((tmp_path / "data").glob("cells-*"))) == 1


# --- other processes ---------------------------------------------------------------


def test_what_killed_processes_left_is_deleted_when_images_are_found(
    cell_folder, cached
):
    load_cached, entries = cached
    load_cached(cell_folder)
    (entry,) = entries()
    abandoned = entry.with_name(".malariafuse-abandoned")
    (abandoned / "content").mkdir(parents=True)
    (abandoned / "content" / "images.npy").write_text("half")
    (abandoned / "lock").write_text("")
    entry.with_name(f"{entry.name}.lock").write_text("")
    of_others = entry.with_name("other.lock")
    of_others.write_text("")

    load_cached(cell_folder)

    assert entries() == sorted([entry, of_others])


def test_an_entry_that_is_removed_before_it_is_read_is_written_again(
    cell_folder, tmp_path, monkeypatch
):
    entry = tmp_path / "cells-1"
    write, removals = _cache._write_entry, iter([True, True, False])

    def write_and_lose(*arguments):
        write(*arguments)
        if next(removals):
            shutil.rmtree(entry)

    monkeypatch.setattr(_cache, "_write_entry", write_and_lose)

    images, _ = through_cache(entry, (*SIZE, 3), fill_from(cell_folder))

    np.testing.assert_array_equal(images, load(cell_folder).images)


def test_an_entry_that_is_always_removed_is_an_error(
    cell_folder, tmp_path, monkeypatch
):
    entry = tmp_path / "cells-1"
    write = _cache._write_entry

    def write_and_lose(*arguments):
        write(*arguments)
        shutil.rmtree(entry)

    monkeypatch.setattr(_cache, "_write_entry", write_and_lose)

    with pytest.raises(OSError, match=f"removed 3 times.*{WAY_OUT}"):
        through_cache(entry, (*SIZE, 3), fill_from(cell_folder))


def test_a_damaged_entry_that_somebody_else_removes_is_no_error(
    cell_folder, cached, monkeypatch
):
    load_cached, entries = cached
    expected = load_cached(cell_folder).images.copy()
    [entry] = entries()
    flip(entry / "images.npy", 500)
    rename = Path.rename

    def lose_the_race(source, target):
        if source == entry:
            shutil.rmtree(entry)
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", lose_the_race)

    with pytest.warns(UserWarning, match="are damaged"):
        cells = load_cached(cell_folder)
    np.testing.assert_array_equal(cells.images, expected)


def test_a_good_entry_is_not_removed_for_the_damage_of_the_one_before(
    cell_folder, tmp_path
):
    """Another process sees the damage first, and acts only after it was repaired."""
    cache = tmp_path / "cache"
    expected = load(cell_folder, cache=cache).images.copy()
    [entry] = cache.iterdir()
    flip(entry / "images.npy", 500)
    context = get_context("spawn")
    seen, repaired = context.Event(), context.Event()
    with context.Pool(1, cache_process.share, [seen, repaired]) as pool:
        result = pool.apply_async(
            cache_process.load_when_repaired, [cell_folder, SIZE, cache]
        )
        assert seen.wait(60)
        with pytest.warns(UserWarning, match="are damaged"):
            load(cell_folder, cache=cache)
        inode = (entry / "images.npy").stat().st_ino
        repaired.set()
        images, n_warnings = result.get(60)

    assert n_warnings == 0
    np.testing.assert_array_equal(images, expected)
    assert (entry / "images.npy").stat().st_ino == inode


@pytest.mark.slow
def test_processes_that_meet_one_damaged_entry_all_get_the_images(
    cell_folder, tmp_path
):
    cache = tmp_path / "cache"
    expected = load(cell_folder, cache=cache).images.copy()
    [entry] = cache.iterdir()
    context = get_context("spawn")
    with ProcessPoolExecutor(
        4, context, cache_process.share, [context.Barrier(4)]
    ) as pool:
        for _ in range(3):
            flip(entry / "images.npy", 500)
            loads = [
                pool.submit(cache_process.load_together, cell_folder, SIZE, cache)
                for _ in range(4)
            ]
            results = [load.result(60) for load in loads]
            for images, _ in results:
                np.testing.assert_array_equal(images, expected)
            # One of them removes the entry; the others find it good, or gone.
            assert sum(n_warnings for _, n_warnings in results) == 1
