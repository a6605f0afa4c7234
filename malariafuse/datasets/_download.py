"""Download over HTTP with a minimum rate, and therefore in a bounded time."""

import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import BinaryIO

import requests

from malariafuse._progress import Progress

_CHUNK = 2**14
_WINDOW = 60  # seconds
_LEAST_RATE = 5_000  # bytes per second, on average over a window
_WAIT = 1  # seconds, after which a thread checks whether it is still needed

# Messages: an int is the size of the whole file, and None is its end.
_Message = bytes | int | Exception | None


def download(url: str, path: str, *, verbose: bool) -> None:
    """Download `url` to `path`.

    A timeout of `requests` restarts with each byte, so a server that sends one byte per
    minute would block for years. This function limits the average rate instead.

    Raises
    ------
    requests.RequestException
        If there is no response, the response is an error, or the download is too slow.
    """
    with (
        open(path, "wb") as file,
        Progress(unit="B", unit_scale=True, disable=not verbose) as progress,
    ):
        _write(url, file, progress)


def _write(url: str, file: BinaryIO, progress: Progress) -> None:
    messages: Queue[_Message] = Queue(maxsize=64)
    ended = Event()
    # A thread that waits for data cannot be stopped. It is abandoned, and holds no
    # file.
    Thread(target=_receive, args=(url, messages, ended), daemon=True).start()
    try:
        for message in _at_least_rate(messages):
            if isinstance(message, Exception):
                raise message
            if isinstance(message, int):
                progress.reset(message)
            elif message is None:
                return
            else:
                file.write(message)
                progress.update(len(message))
    finally:
        ended.set()


def _receive(url: str, messages: "Queue[_Message]", ended: Event) -> None:
    def send(message: _Message) -> None:
        while not ended.is_set():
            with suppress(Full):
                messages.put(message, timeout=_WAIT)
                return

    try:
        with requests.get(url, stream=True, timeout=_WINDOW) as response:
            response.raise_for_status()
            send(int(response.headers.get("content-length", 0)))
            for chunk in response.iter_content(_CHUNK):
                send(chunk)
                if ended.is_set():
                    return
        send(None)
    except Exception as error:  # raised in the thread that waits for the file
        send(error)


def _at_least_rate(messages: "Queue[_Message]") -> Iterator[_Message]:
    """Yield messages while each time window has enough bytes."""
    start, received = time.monotonic(), 0
    while True:
        left = start + _WINDOW - time.monotonic()
        if left <= 0:
            if received < _LEAST_RATE * _WINDOW:
                raise requests.ReadTimeout(
                    f"received only {received:,} bytes in {_WINDOW} seconds, expected "
                    f"at least {_LEAST_RATE * _WINDOW:,.0f}"
                )
            start, received = time.monotonic(), 0
            continue
        with suppress(Empty):
            message = messages.get(timeout=left)
            if isinstance(message, bytes):
                received += len(message)
            yield message
