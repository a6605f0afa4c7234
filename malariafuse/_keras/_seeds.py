"""Keras objects that are reproducible and leave every global seed alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

# Building a network may load another one, which comes here again.
_LOCK = RLock()


@contextmanager
def keras_seed(seed: int) -> Iterator[None]:
    """Make Keras draw its default seeds from `seed` in this block.

    An initializer or a dropout layer without a seed of its own asks Python's global
    `random` for one as it is made. The state of that generator is put back afterwards.
    The lock keeps fits in other threads from drawing in between.
    """
    with _LOCK:
        state = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
