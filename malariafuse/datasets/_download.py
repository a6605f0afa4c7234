"""A file over HTTP that comes at a least rate, and so in a bounded time, or fails."""

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
_LEAST_RATE = 5_000  # bytes a second, on average over a window
_WAIT = 1  # seconds, after which a thread looks whether it is still needed

# An int is the size of the whole file, None its end.
_Message = bytes | int | Exception | None


def download(url: str, path: str, *, verbose: bool) -> None:
    """Write what `url` gives to `path`.

    A time limit of `requests` starts again with each byte, so that a server which sends
    one byte a minute would keep a call for centuries. Here the average counts.

    Raises
    ------
    requests.RequestException
        If there is no answer, the answer is an error, or bytes come too slowly.
    """
    with (
        open(path, "wb") as file,
        Progress(unit="B", unit_scale=True, disable=not verbose) as progress,
    ):
        _write(url, file, progress)


def _write(url: str, file: BinaryIO, progress: Progress) -> None:
    messages: Queue[_Message] = Queue(maxsize=64)
    ended = Event()
    # A thread that waits for a byte cannot be stopped. This one is left to itself, and
    # holds no file.
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
    except Exception as error:  # raised by the thread that waits for the file
        send(error)


def _at_least_rate(messages: "Queue[_Message]") -> Iterator[_Message]:
    """Yield messages while each window of time brings enough bytes."""
    start, received = time.monotonic(), 0
    while True:
        left = start + _WINDOW - time.monotonic()
        if left <= 0:
            if received < _LEAST_RATE * _WINDOW:
                raise requests.ReadTimeout(
                    f"only {received:,} bytes came in {_WINDOW} seconds; at least "
                    f"{_LEAST_RATE * _WINDOW:,.0f} are expected"
                )
            start, received = time.monotonic(), 0
            continue
        with suppress(Empty):
            message = messages.get(timeout=left)
            if isinstance(message, bytes):
                received += len(message)
            yield message
