"""Files in the making: gone with their processes, never half-written, never locked."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from malariafuse._files._lock import locked, remove_free_locks
from malariafuse._files._scratch import remove_abandoned, scratch_folder
from malariafuse._files._write import (
    whole_file,
    whole_files,
    whole_folder,
    write_whole,
)

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")

KILLED = """
import os, signal, sys
from pathlib import Path
from malariafuse._files._lock import locked
from malariafuse._files._scratch import scratch_folder

place = Path(sys.argv[1])
with scratch_folder(place) as folder, locked(place / "work.lock"):
    (folder / "half").write_text("written")
    print("begins", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path):
    """Another process, in the middle of its work."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout.readline() == "begins\n"
        yield started
        started.kill()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@posix
def test_a_folder_is_left_alone_while_its_process_lives_and_deleted_afterwards(
    process, tmp_path
):
    (folder,) = tmp_path.glob(".malariafuse-*")

    remove_abandoned(tmp_path)
    remove_free_locks(tmp_path, "*.lock")
    assert names(tmp_path) == [folder.name, "work.lock"]
    with pytest.raises(TimeoutError), locked(tmp_path / "work.lock", timeout=0):
        pass

    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "content" / "half").read_text() == "written"
    remove_free_locks(tmp_path, "*.lock")
    with scratch_folder(tmp_path) as new:
        assert names(tmp_path) == [new.parent.name]
    assert names(tmp_path) == []


def test_what_is_no_folder_of_this_package_stays(tmp_path):
    (tmp_path / ".malariafuse-file").write_text("of the user")
    (tmp_path / ".malariafuse-folder").mkdir()
    (tmp_path / ".malariafuse-folder" / "file").write_text("of the user")
    # What was made a moment ago, and is not locked yet, looks like this one.
    (tmp_path / ".malariafuse-empty").mkdir()

    remove_abandoned(tmp_path)

    assert names(tmp_path) == [".malariafuse-file", ".malariafuse-folder"]


def test_folders_of_threads_are_apart(tmp_path):
    found, barrier = [], threading.Barrier(4)

    def work():
        with scratch_folder(tmp_path) as folder:
            (folder / "file").write_text(folder.parent.name)
            barrier.wait(10)
            remove_abandoned(tmp_path)
            barrier.wait(10)
            found.append((folder / "file").read_text())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 4
    assert names(tmp_path) == []


def test_the_file_of_a_lock_is_there_while_it_is_held(tmp_path):
    file = tmp_path / "work.lock"
    for _ in range(2):
        with locked(file):
            assert names(tmp_path) == ["work.lock"]
        assert names(tmp_path) == []


def test_threads_hold_a_lock_one_after_the_other(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(tmp_path / "work.lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 60
    assert names(tmp_path) == []


class BreaksError(Exception):
    """Something that ends a block early."""


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, b"old")
    with suppress(BreaksError), whole_file(path) as file:
        file.write(b"new, but")
        file.flush()
        assert path.read_bytes() == b"old"
        raise BreaksError
    assert path.read_bytes() == b"old"

    write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["report.html"]


def test_the_last_of_several_files_is_replaced_when_all_others_are(tmp_path):
    for name in ("a", "card", "z"):
        (tmp_path / name).write_text("old")
    (tmp_path / "other").write_text("of the user")
    with suppress(BreaksError), whole_files(tmp_path, last="card") as folder:
        (folder / "a").write_text("new")
        raise BreaksError
    assert (tmp_path / "a").read_text() == "old"

    seen = []
    replace = Path.replace

    def watched(path, target):
        seen.append(path.name)
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", watched)
        with whole_files(tmp_path, last="card") as folder:
            for name in ("card", "a", "z"):
                (folder / name).write_text("new")

    assert seen[-1] == "card"
    assert [(tmp_path / name).read_text() for name in "az"] == ["new", "new"]
    assert names(tmp_path) == ["a", "card", "other", "z"]


@pytest.mark.parametrize("before", [None, "old"])
def test_a_folder_is_the_old_one_until_the_new_one_is_whole(tmp_path, before):
    path = tmp_path / "model"
    if before:
        path.mkdir()
        (path / before).write_text("file")
    with suppress(BreaksError), whole_folder(path) as folder:
        (folder / "new").write_text("half")
        raise BreaksError
    assert path.exists() == bool(before)

    with whole_folder(path) as folder:
        (folder / "new").write_text("file")

    assert names(path) == ["new"]
    assert names(tmp_path) == ["model"]


def test_a_full_disk_names_the_file(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "report.html"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: .*report\.html'"):
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []


def test_a_path_that_is_too_long_is_left_to_who_writes_there():
    folder = Path("a" * 300)
    remove_abandoned(folder)
    remove_free_locks(folder, "*.lock")
    with pytest.raises(OSError, match="too long"), scratch_folder(folder):
        pass
