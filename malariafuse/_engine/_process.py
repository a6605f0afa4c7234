"""Process-wide state of Keras and TensorFlow, restricted to one thread."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _InPlace:
    """Something that stands in the process while any thread is inside a block.

    Each thread has a value of its own, by which the thing in place tells the threads
    that are inside from all others.

    Parameters
    ----------
    install, remove : callable
        Functions that are called as the first thread enters and as the last one
        leaves.
    """

    def __init__(self, install: Callable[[], None], remove: Callable[[], None]) -> None:
        self._install, self._remove = install, remove
        self._lock, self._n_inside = threading.Lock(), 0
        self._local = threading.local()

    @property
    def value(self) -> Any:
        """The value of this thread, None outside of all blocks."""
        return getattr(self._local, "value", None)

    @contextmanager
    def inside(self, value: Any) -> Iterator[None]:
        """Have the thing in place, with `value` for this thread."""
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
    """Draw for a thread inside of `keras_seed` from its generator, else as ever."""
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

    An initializer or a dropout layer without a seed of its own asks Python's global
    `random.randint` for one as it is made, also in a function of the user's and in a
    layer's `build`, where no seed can be given. Here it is answered by a generator of
    this thread alone: the global generator is neither read nor set, and other threads
    get from it what they would have got.
    """
    with _SEEDS.inside(random.Random(seed)):
        yield


def forget_kernels() -> None:
    """Free the kernels that TensorFlow compiled for deleted functions.

    It keeps the kernels of every function that was ever called, half a megabyte for
    each training. Those that are needed again are made again.
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

    TensorFlow counts by line of code, not by model, so every search warns that Keras
    traces its functions anew, once for each model as it has to.
    """
    with _QUIET.inside(True):
        yield
