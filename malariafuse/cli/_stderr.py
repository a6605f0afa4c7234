"""What libraries write to the terminal behind Python's back."""

import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, ClassVar, Self


class StandardError:
    """The standard error of a process, for the words of Python alone.

    TensorFlow and its kind write log lines to the file descriptor 2, before and after
    they read how much of it is wanted. They go to a file here, which is shown if
    something unexpected happens.

    Parameters
    ----------
    hidden : file
        File that takes what is written to the file descriptor 2.
    terminal : int
        File descriptor of what was standard error.
    """

    _present: ClassVar["StandardError | None"] = None

    def __init__(self, hidden: IO[bytes], terminal: int) -> None:
        self._hidden, self._terminal = hidden, terminal

    @classmethod
    @contextmanager
    def of_process(cls) -> Iterator[Self]:
        """Divide standard error in this block, where nothing else may do so."""
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
            # Whoever is killed by a signal of its own cannot show the file.
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
        """Show what was hidden so far, and hide nothing from now on."""
        if cls._present is None:
            return
        hidden, terminal = cls._present._hidden, cls._present._terminal
        os.dup2(terminal, 2)
        hidden.seek(0)
        while block := hidden.read(2**16):
            os.write(terminal, block)
        cls._present = None
