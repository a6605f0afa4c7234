"""Files that would hang, fill the memory or fail: each is refused by its name."""

import os
import socket
import struct
import threading
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

from malariafuse._files import _read
from malariafuse._files._damage import RefusedImageError
from malariafuse._files._decode import MAX_BYTES
from malariafuse._files._read import read_bounded, read_file
from malariafuse.datasets import ImageReadError, _zip, load_cell_images
from malariafuse.preprocessing import ImageLoader

from .conftest import CELLS, save_cell

posix = pytest.mark.skipif(os.name != "posix", reason="needs the files of POSIX")


def load(path, **options):
    return load_cell_images(path, **{"image_size": (8, 8), "cache": False, **options})


def check_refused(source, name, reason, n_good=5):
    """The one bad file is refused by its name; all others are read."""
    with pytest.raises(ImageReadError, match=reason) as caught:
        load(source)
    assert [key.endswith(name) for key in caught.value.refused] == [True]
    with pytest.warns(UserWarning, match=r"Skipped: 1 image\(s\)"):
        cells = load(source, on_error="skip")
    assert len(cells.images) == n_good


# --- what is no regular file -------------------------------------------------------


def make_pipe(path):
    os.mkfifo(path)

    def end_a_reader_that_waits():
        with suppress(OSError):  # nobody waits
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    rescue = threading.Timer(5, end_a_reader_that_waits)
    rescue.daemon = True
    rescue.start()


def make_socket(path):
    folder = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(folder)


KINDS = {
    "a named pipe": make_pipe,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
}


@posix
@pytest.mark.parametrize("kind", list(KINDS))
def test_only_regular_files_are_read(cell_folder, kind):
    bad = cell_folder / "cell_images/Uninfected/C9.png"
    KINDS[kind](bad)
    reason = f"is {kind}, expected a regular file"

    with pytest.raises(ImageReadError, match=reason):
        ImageLoader().transform([bad])
    paths = [cell_folder / "cell_images" / name for name in CELLS]
    table = pd.DataFrame({"path": [*paths, bad], "label": [1, 1, 0, 0, 0, 0]})
    check_refused(table, "C9.png", reason)
    if kind != "a folder":
        check_refused(cell_folder, "C9.png", reason)


@posix
@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
@pytest.mark.parametrize("name", ["cells.zip", "cells.csv"])
def test_the_source_itself_must_be_a_regular_file_or_a_folder(tmp_path, kind, name):
    KINDS[kind](tmp_path / name)

    with pytest.raises(ValueError, match=r"path=.*is not a folder, a zip file"):
        load(tmp_path / name)


@posix
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    save_cell(tmp_path / "C1.png", 0)
    make_pipe(tmp_path / "pipe")
    pipe, file = str(tmp_path / "pipe"), tmp_path / "C1.png"
    look = os.stat

    def look_too_early(path, **options):
        return look(file if path == pipe else path, **options)

    monkeypatch.setattr(os, "stat", look_too_early)

    with pytest.raises(RefusedImageError, match="is a named pipe"):
        read_file(pipe)


def test_a_file_that_grows_while_it_is_read_is_bounded():
    asked = []

    def read(size):
        asked.append(size)
        return bytes(size)

    with pytest.raises(RefusedImageError, match="is larger than 67,108,864 bytes"):
        read_bounded(read)
    assert sum(asked) == MAX_BYTES + 1


def test_a_file_is_read_whole_however_it_comes():
    pieces = iter([b"a", b"bc", b"d", b""])

    assert read_bounded(lambda size: next(pieces)) == b"abcd"


# --- links -------------------------------------------------------------------------


@posix
def test_a_link_to_itself_is_refused(cell_folder):
    link = cell_folder / "cell_images/Uninfected/C9.png"
    link.symlink_to(link)

    check_refused(cell_folder, "C9.png", "Too many levels of symbolic links")


@posix
def test_links_in_a_circle_are_refused(cell_folder):
    folder = cell_folder / "cell_images/Uninfected"
    (folder / "C9.png").symlink_to(folder / ".back.png")
    (folder / ".back.png").symlink_to(folder / "C9.png")

    check_refused(cell_folder, "C9.png", "Too many levels of symbolic links")


@posix
@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_back_to_a_folder_above_is_one_refused_file(cell_folder, target):
    (cell_folder / "cell_images/Parasitized/parasitized").symlink_to(target)

    check_refused(cell_folder, "Parasitized/parasitized", "is a folder")


@posix
@pytest.mark.parametrize("target", [".", ".."])
def test_an_outer_folder_that_holds_itself_is_read_once(cell_folder, target):
    (cell_folder / "cell_images/cell_images").symlink_to(target)

    assert len(load(cell_folder).images) == len(CELLS)


@posix
def test_a_link_to_another_folder_is_followed(cell_folder, tmp_path):
    folder = cell_folder / "cell_images/Parasitized"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    assert len(load(cell_folder).images) == len(CELLS)


# --- names -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["C9\0.png", "C9\ud800.png", "C9" * 5000])
def test_names_that_no_file_can_have_are_refused(cell_folder, tmp_path, name):
    paths = [str(cell_folder / "cell_images" / cell) for cell in CELLS]
    # pandas keeps text in Arrow, which refuses surrogates.
    names = pd.Series([*paths, name], dtype=object)
    table = pd.DataFrame({"path": names, "label": [1, 1, 0, 0, 0, 0]})

    check_refused(table, name, "not a file name|File name too long")
    with pytest.raises(ImageReadError) as caught:
        ImageLoader().transform([name])
    str(caught.value).encode()  # can be printed
    assert len(str(caught.value)) < 500
    with pytest.warns(UserWarning, match="Skipped"):
        cells = load(table, on_error="skip", cache=tmp_path / "cache")
    assert cells.refused.keys() == {name}


@posix
def test_a_name_that_is_no_text_is_read(cell_folder):
    folder = os.fsencode(cell_folder / "cell_images/Parasitized")
    os.rename(
        os.path.join(folder, b"C1P1ThinF_cell_1.png"), os.path.join(folder, b"C1\xff")
    )

    assert load(cell_folder).filenames[0].endswith("C1\udcff")


def test_a_file_that_may_not_be_read_is_refused(cell_folder, monkeypatch):
    real_open = os.open

    def forbid(path, *arguments, **options):
        if str(path).endswith(CELLS[0]):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", forbid)

    check_refused(cell_folder, CELLS[0], "Permission denied", n_good=len(CELLS) - 1)


# --- zip files ---------------------------------------------------------------------


def pack(cell_folder, method=zipfile.ZIP_DEFLATED, **extra):
    """Zip the cells and one more file."""
    path = cell_folder.parent / "cells.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in CELLS:
            archive.write(cell_folder / "cell_images" / name, name)
        for content in extra.values():
            archive.writestr("Uninfected/C9.png", content)
    return path


def change_last(path, part, offset, form, value):
    """Change a field of the last member, in the directory or in its own header."""
    data = bytearray(path.read_bytes())
    signature = {"directory": b"PK\1\2", "header": b"PK\3\4"}[part]
    struct.pack_into(form, data, data.rindex(signature) + offset, value)
    path.write_bytes(data)


METHODS = [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("said", ["the truth", "a lie"])
@pytest.mark.parametrize("method", METHODS)
def test_a_member_that_unpacks_to_too_much_is_refused(
    cell_folder, method, said, monkeypatch
):
    limit = 2**20
    monkeypatch.setattr(_read, "MAX_BYTES", limit)
    monkeypatch.setattr(_zip, "MAX_BYTES", limit)
    packed = pack(cell_folder, method, bomb=bytes(64 * limit))
    if said == "a lie":
        change_last(packed, "directory", 24, "<I", 1000)
    assert packed.stat().st_size < limit / 4

    tracemalloc.start()
    try:
        check_refused(packed, "C9.png", "is larger than 1,048,576 bytes")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * limit


@pytest.mark.parametrize("size", [0, 1000, 2**32 - 2])
def test_a_directory_that_lies_about_a_size_is_seen(cell_folder, size):
    packed = pack(cell_folder, zipfile.ZIP_DEFLATED, content=bytes(50_000))
    change_last(packed, "directory", 24, "<I", size)

    check_refused(packed, "C9.png", f"decompresses to 50,000 bytes instead of {size:,}")


def test_a_large_file_that_is_no_cell_is_not_looked_at(cell_folder):
    packed = pack(cell_folder)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("measurements.csv", bytes(MAX_BYTES + 1))

    assert len(load(packed).images) == len(CELLS)


@pytest.mark.parametrize(
    "flag", [pytest.param(1, id="encrypted"), pytest.param(0x40, id="strongly"), 0x20]
)
def test_an_encrypted_member_is_a_failure_of_its_file(cell_folder, flag):
    packed = pack(cell_folder, content=b"content")
    change_last(packed, "directory", 8, "<H", flag)

    check_refused(packed, "C9.png", "cannot be unpacked from the zip: ")


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        pytest.param(0, "<I", 0, id="signature"),
        pytest.param(6, "<H", 0x800, id="name not in UTF-8"),
        pytest.param(26, "<H", 65_535, id="length of the name"),
        pytest.param(30, "<B", 255, id="name"),
    ],
)
def test_a_damaged_header_is_a_failure_of_its_file(cell_folder, offset, form, value):
    packed = pack(cell_folder, content=b"content")
    change_last(packed, "header", 30, "<B", 255)
    change_last(packed, "header", offset, form, value)

    check_refused(packed, "C9.png", "damaged in the zip")


@pytest.mark.parametrize("method", [9, 97, 99])
def test_an_unknown_method_is_a_failure_of_its_file(cell_folder, method):
    packed = pack(cell_folder, content=b"content")
    change_last(packed, "directory", 10, "<H", method)

    check_refused(packed, "C9.png", f"by method {method}, which is not supported")


@pytest.mark.parametrize("place", [2**31 - 1, 2**32 - 2])
def test_a_member_that_lies_nowhere_is_a_failure_of_its_file(cell_folder, place):
    packed = pack(cell_folder, content=b"content")
    change_last(packed, "directory", 42, "<I", place)

    check_refused(packed, "C9.png", "damaged in the zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, *METHODS])
def test_members_are_read_however_they_are_packed(cell_folder, method):
    np.testing.assert_array_equal(
        load(pack(cell_folder, method)).images, load(cell_folder).images
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, *METHODS])
def test_a_changed_byte_of_a_member_is_seen_or_changes_nothing(cell_folder, method):
    content = bytes(range(250))
    packed = pack(cell_folder, method, content=content)
    data = packed.read_bytes()
    start = data.rindex(b"PK\3\4") + 30 + len("Uninfected/C9.png")
    end = data.index(b"PK\1\2")
    seen = 0

    for position in range(start, end):
        changed = bytearray(data)
        changed[position] ^= 16
        packed.write_bytes(changed)
        with _zip.ZipSource(str(packed)).reader() as read:
            try:
                assert read("Uninfected/C9.png") == content
            except RefusedImageError:
                seen += 1

    # Padding, the version of a program and the size of a dictionary change nothing.
    assert seen >= end - start - 8


def spoil_directory(data):
    start = data.rindex(b"PK\1\2")
    data[start : start + 4] = b"????"


def name_a_future_version(data):
    data[data.rindex(b"PK\1\2") + 6] = 99


def spoil_a_name(data):
    start = data.rindex(b"PK\1\2")
    data[start + 9] |= 8  # the name is UTF-8
    data[start + 46] = 255


@pytest.mark.parametrize(
    "spoil", [spoil_directory, name_a_future_version, spoil_a_name]
)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_damaged_directory_is_an_error_that_names_the_archive(
    cell_folder, spoil, on_error
):
    packed = pack(cell_folder)
    data = bytearray(packed.read_bytes())
    spoil(data)
    packed.write_bytes(data)

    with pytest.raises(
        ValueError, match=r"path='.*cells.zip' is a damaged or unsupported zip file"
    ):
        load(packed, on_error=on_error)


def test_an_archive_that_may_not_be_read_is_an_error_that_names_it(
    cell_folder, monkeypatch
):
    packed = pack(cell_folder)

    def forbid(file):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "is_zipfile", forbid)

    with pytest.raises(OSError, match=r"path='.*cells.zip' cannot be read"):
        load(packed)
