"""The download is tried against a server on this machine that misbehaves on demand."""

import hashlib
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pooch
import pytest

from malariafuse.datasets import (
    _download,
    _fetch,
    fetch_malaria_cells,
    load_cell_images,
)

SIZE = (16, 12)


class Server(ThreadingHTTPServer):
    """Answers with the archive, each time in the way that `behaviors` tells next."""

    def __init__(self, archive):
        super().__init__(("127.0.0.1", 0), Handler)
        self.archive = archive
        self.behaviors = []
        self.requests = 0
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/cell_images.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data = self.server.archive
        behavior = self.server.behaviors[self.server.requests]
        self.server.requests += 1
        if behavior == "missing":
            self.send_error(404)
            return
        if behavior == "drip headers":
            self.drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + bytes(1000))
            return
        if behavior == "truncate":
            data = data[: len(data) // 2]
        if behavior == "corrupt":
            data = bytes([*data[:100], data[100] ^ 1, *data[101:]])
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if behavior == "drip":
            self.drip(data)
            return
        if behavior == "slow":
            for start in range(0, len(data), 1000):
                self.wfile.write(data[start : start + 1000])
                self.server.ended.wait(0.05)
            return
        self.wfile.write(data[: len(data) // 2] if behavior == "break" else data)

    def drip(self, data):
        """Send a byte at a time, until nobody listens or the test ends."""
        with suppress(OSError):
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.server.ended.wait(0.05):
                    return

    def log_message(self, *args):
        pass


@pytest.fixture
def server(cell_folder, zip_folder, monkeypatch):
    """A server for a small archive that passes as the official one."""
    archive = zip_folder(cell_folder).read_bytes()
    monkeypatch.setattr(_fetch, "_SIZE", len(archive))
    monkeypatch.setattr(_fetch, "_SHA256", hashlib.sha256(archive).hexdigest())
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(archive) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


def fetch(server, home, **options):
    options = {"image_size": SIZE, "url": server.url, "verbose": False, **options}
    return fetch_malaria_cells(data_home=home, **options)


def test_the_archive_is_downloaded_once_and_loaded(server, tmp_path, cell_folder):
    server.behaviors = ["good"]

    for _ in range(2):  # the second call finds the file and would fail on the server
        cells = fetch(server, tmp_path / "home")

    assert server.requests == 1
    expected = load_cell_images(cell_folder, image_size=SIZE, cache=False)
    np.testing.assert_array_equal(cells.images, expected.images)
    np.testing.assert_array_equal(cells.groups, expected.groups)
    assert cells.path == str(tmp_path / "home" / "cell_images.zip")
    assert "5 images" in cells.DESCR
    assert "Rajaraman" in cells.DESCR


@pytest.mark.parametrize("trouble", ["break", "truncate", "corrupt", "missing"])
def test_a_failed_download_is_tried_again(server, tmp_path, trouble):
    server.behaviors = [trouble, trouble, "good"]

    cells = fetch(server, tmp_path)

    assert server.requests == 3
    assert len(cells.images) == 5


@pytest.mark.parametrize("trouble", ["break", "truncate", "corrupt", "missing"])
def test_a_download_that_keeps_failing_leaves_nothing(server, tmp_path, trouble):
    server.behaviors = [trouble] * 4

    with pytest.raises(OSError, match=r"Could not download http.* after 4 attempts"):
        fetch(server, tmp_path / "home")

    assert server.requests == 4
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("trouble", ["drip", "drip headers"])
def test_a_download_that_drips_fails_in_a_bounded_time(
    server, tmp_path, monkeypatch, trouble
):
    monkeypatch.setattr(_download, "_WINDOW", 0.3)
    server.behaviors = [trouble] * 4
    start = time.monotonic()

    # On a busy machine a single byte may come too late as well.
    too_slow = r"after 4 attempts: (received only 0 bytes in 0\.3 seconds|.*timed out)"
    with pytest.raises(OSError, match=too_slow):
        fetch(server, tmp_path / "home")

    assert 4 * 0.3 <= time.monotonic() - start < 30
    assert list((tmp_path / "home").iterdir()) == []


def test_a_download_that_drips_is_tried_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_WINDOW", 0.3)
    server.behaviors = ["drip", "good", "good", "good"]

    assert len(fetch(server, tmp_path).images) == 5


def test_a_download_that_is_slow_but_steady_succeeds(server, tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_WINDOW", 0.5)
    monkeypatch.setattr(_download, "_LEAST_RATE", 2_000)
    monkeypatch.setattr(_download, "_CHUNK", 500)
    server.archive += bytes(20_000)  # 20,000 bytes a second last longer than a window
    monkeypatch.setattr(_fetch, "_SIZE", len(server.archive))
    sha256 = hashlib.sha256(server.archive).hexdigest()
    monkeypatch.setattr(_fetch, "_SHA256", sha256)
    server.behaviors = ["slow"]
    start = time.monotonic()

    _fetch._download(server.url, tmp_path / "cell_images.zip", verbose=False)

    assert time.monotonic() - start > 2 * 0.5
    assert (tmp_path / "cell_images.zip").read_bytes() == server.archive


def test_the_slowest_download_takes_less_than_a_day():
    assert _fetch._SIZE / _download._LEAST_RATE < 24 * 3600


def test_a_full_disk_is_not_blamed_on_the_server(server, tmp_path):
    resource = pytest.importorskip("resource")
    server.behaviors = ["good"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            OSError, match=r"Cannot write to the folder '.*/home'.*by `data_home` or"
        ):
            fetch(server, tmp_path / "home")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "home").iterdir()) == []


def test_a_folder_that_cannot_be_read_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "cell_images.zip").write_bytes(server.archive)

    def forbid(file, algorithm):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_fetch, "file_digest", forbid)

    with pytest.raises(OSError, match=r"Cannot read the folder.*by `data_home` or"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("home", "error", "message"),
    [
        ("", ValueError, "data_home='' is not a folder"),
        (3, TypeError, "data_home=3: expected the path of a folder"),
        ("a\0b", ValueError, "data_home='a.*b' is not a valid path of a folder"),
    ],
)
def test_what_is_no_folder_is_named(server, home, error, message):
    with pytest.raises(error, match=message):
        fetch(server, home)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("image_size", 48),
        ("keep_aspect", "yes"),
        ("n_jobs", 0),
        ("verbose", 2.5),
        ("download_if_missing", np.array([True, False])),
        ("url", 3),
        ("url", "ftp://somewhere/cell_images.zip"),
    ],
)
def test_arguments_are_checked_before_the_download(server, tmp_path, option, value):
    with pytest.raises((ValueError, TypeError), match=f"^{option}=.*: expected"):
        fetch(server, tmp_path, **{option: value})

    assert server.requests == 0


def test_a_server_that_is_not_there_is_an_error(server, tmp_path):
    server.behaviors = []
    url = server.url.replace(str(server.server_port), "9")

    with pytest.raises(OSError, match="put the archive there yourself"):
        fetch(server, tmp_path, url=url)


def test_a_file_that_is_already_there_needs_no_network(server, tmp_path):
    (tmp_path / "cell_images.zip").write_bytes(server.archive)

    cells = fetch(server, tmp_path, download_if_missing=False)

    assert len(cells.images) == 5
    assert server.requests == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[:-1], "bytes instead of"),
        (lambda data: data[:-1] + b"?", "wrong SHA-256"),
    ],
)
def test_a_wrong_file_is_replaced_with_a_warning(server, tmp_path, change, problem):
    archive = tmp_path / "cell_images.zip"
    archive.write_bytes(change(server.archive))
    server.behaviors = ["good"]

    with pytest.raises(OSError, match=f"{problem}.*download_if_missing=False"):
        fetch(server, tmp_path, download_if_missing=False)
    with pytest.warns(UserWarning, match=f"{problem}.*downloading it again"):
        fetch(server, tmp_path)

    assert archive.read_bytes() == server.archive


def test_a_missing_file_may_be_an_error(server, tmp_path):
    with pytest.raises(OSError, match="is not at"):
        fetch(server, tmp_path, download_if_missing=False)

    assert server.requests == 0


def test_the_folder_is_named_by_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MALARIAFUSE_DATA", str(tmp_path / "data"))
    server.behaviors = ["good"]

    cells = fetch(server, None)

    assert cells.path == str(tmp_path / "data" / "cell_images.zip")


def test_progress_is_shown_unless_declined(server, tmp_path, capfd):
    server.behaviors = ["good", "good"]
    level = pooch.get_logger().level

    fetch(server, tmp_path / "quiet")
    assert capfd.readouterr().err == ""
    fetch(server, tmp_path / "loud", verbose=True)
    assert "100%" in capfd.readouterr().err
    assert pooch.get_logger().level == level


def test_the_official_archive_is_the_one_that_is_asked_for():
    assert _fetch._SIZE == 353_452_851
    assert _fetch._SHA256.startswith("0a949556b2414159")
    assert _fetch._URL.startswith("https://data.lhncbc.nlm.nih.gov/")


def test_what_a_killed_download_left_is_deleted_by_the_next_one(server, tmp_path):
    server.behaviors = ["good"]
    home = tmp_path / "home"
    content = home / ".malariafuse-abandoned" / "content"
    content.mkdir(parents=True)
    (content.parent / "lock").write_text("")
    (content / "half.zip").write_bytes(bytes(1000))

    fetch(server, home)

    names = sorted(path.name.partition("-")[0] for path in home.iterdir())
    assert names == ["cell_images.zip", "cells"]
