"""Import and use of TensorFlow without its log messages."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_LOGGED = re.compile(
    rb"WARNING: All log messages before absl|To enable the following instructions:"
    rb"|[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
)


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Import or use TensorFlow in this block without log messages.

    Its messages about missing GPUs look like errors. Some of its libraries read the log
    level once, on their first message, and others not at all. So the level is set and
    the messages are filtered, and both end with the block. Nothing changes if the user
    has set the level. Other output is shown at the end of the block.
    """
    if _LEVEL in os.environ:
        yield
        return
    os.environ[_LEVEL] = "3"
    try:
        with _without_log():
            yield
    finally:
        del os.environ[_LEVEL]


@contextmanager
def _without_log() -> Iterator[None]:
    """Redirect file descriptor 2 in this block, and write the rest at its end."""
    try:
        shown = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            file.seek(0)
            for line in file:
                if not _LOGGED.match(line):
                    os.write(2, line)
