"""Process-wide state of Keras and TensorFlow, restricted to one thread."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _InPlace:
    """Process-wide replacement that is installed while any thread is inside a block.

    Each thread has a separate value, by which the replacement distinguishes threads
    inside a block from others.

    Parameters
    ----------
    install, remove : callable
        Functions that are called when the first thread enters and the last one leaves.
    """

    def __init__(self, install: Callable[[], None], remove: Callable[[], None]) -> None:
        self._install, self._remove = install, remove
        self._lock, self._n_inside = threading.Lock(), 0
        self._local = threading.local()

    @property
    def value(self) -> Any:
        """Value of this thread, or None outside of all blocks."""
        return getattr(self._local, "value", None)

    @contextmanager
    def inside(self, value: Any) -> Iterator[None]:
        """Install the replacement, with `value` for this thread."""
        outer, self._local.value = self.value, value
        with self._lock:
            if self._n_inside == 0:
                self._install()
            self._n_inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    self._remove()
            self._local.value = outer


_randint = random.randint


def _randint_of_thread(a: int, b: int) -> int:
    """Draw from the generator of this thread, or from the global generator."""
    generator = _SEEDS.value
    return (_randint if generator is None else generator.randint)(a, b)


def _replace_randint() -> None:
    global _randint
    _randint, random.randint = random.randint, _randint_of_thread


def _restore_randint() -> None:
    random.randint = _randint


_SEEDS = _InPlace(_replace_randint, _restore_randint)


@contextmanager
def keras_seed(seed: int) -> Iterator[None]:
    """Make Keras draw its default seeds from `seed` in this block, in this thread.

    An initializer or a dropout layer without a seed draws one from Python's global
    `random.randint` when it is created. This also happens in functions of the user and
    in `build` of layers, where no seed can be passed. In this block, the seed is drawn
    from a generator of this thread. The global generator is not used, and other threads
    are not affected.
    """
    with _SEEDS.inside(random.Random(seed)):
        yield


def forget_kernels() -> None:
    """Free the kernels that TensorFlow compiled for deleted functions.

    TensorFlow keeps the kernels of every function that was called, half a megabyte for
    each training. Required kernels are compiled again.
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def _is_other_advice(record: logging.LogRecord) -> bool:
    return (
        not _QUIET.value or "triggered tf.function retracing" not in record.getMessage()
    )


_QUIET = _InPlace(
    lambda: logging.getLogger("tensorflow").addFilter(_is_other_advice),
    lambda: logging.getLogger("tensorflow").removeFilter(_is_other_advice),
)


@contextmanager
def without_retracing_advice() -> Iterator[None]:
    """Suppress the warning about repeated retracing in this thread.

    TensorFlow counts retracing by line of code, not by model. A search would therefore
    always warn, because Keras traces its functions once for each model.
    """
    with _QUIET.inside(True):
        yield
