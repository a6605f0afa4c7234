"""Redirection of output of native libraries."""

import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, ClassVar, Self


class StandardError:
    """Standard error of a process without the output of native libraries.

    TensorFlow and other libraries write log messages to file descriptor 2, partly
    before they read the log level. The messages are redirected to a file, which is
    shown after an unexpected error.

    Parameters
    ----------
    hidden : file
        File to which file descriptor 2 is redirected.
    terminal : int
        File descriptor of the original standard error.
    """

    _present: ClassVar["StandardError | None"] = None

    def __init__(self, hidden: IO[bytes], terminal: int) -> None:
        self._hidden, self._terminal = hidden, terminal

    @classmethod
    @contextmanager
    def of_process(cls) -> Iterator[Self]:
        """Redirect file descriptor 2 in this block. Blocks must not be nested."""
        shown = sys.stderr
        terminal = os.dup(2)
        with (
            tempfile.TemporaryFile() as hidden,
            open(
                terminal, "w", encoding=shown.encoding, errors="backslashreplace"
            ) as words,
        ):
            words.reconfigure(line_buffering=True)
            shown.flush()
            os.dup2(hidden.fileno(), 2)
            # A process that is killed by a signal cannot show the file.
            faulthandler.enable(words)
            divided = cls(hidden, terminal)
            StandardError._present, sys.stderr = divided, words
            try:
                yield divided
            finally:
                StandardError._present, sys.stderr = None, shown
                words.flush()
                faulthandler.disable()
                os.dup2(terminal, 2)

    @classmethod
    def reveal(cls) -> None:
        """Show the hidden messages, and stop the redirection."""
        if cls._present is None:
            return
        hidden, terminal = cls._present._hidden, cls._present._terminal
        os.dup2(terminal, 2)
        hidden.seek(0)
        while block := hidden.read(2**16):
            os.write(terminal, block)
        cls._present = None
