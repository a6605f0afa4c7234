"""What other processes do with a cache, for its tests; importable in them."""

import warnings

from malariafuse.datasets import _cache, load_cell_images

_shared = []


def share(*objects):
    """Keep what a pool gives to each of its processes."""
    _shared[:] = objects


def load_together(folder, size, cache):
    """Load when all processes are ready; images, and the number of warnings."""
    [barrier] = _shared
    barrier.wait(60)
    return _load(folder, size, cache)


def load_when_repaired(folder, size, cache):
    """Load, but pause between seeing that an entry is damaged and acting on it."""
    seen, repaired = _shared

    locked = _cache.locked

    def locked_late(*arguments, **options):
        seen.set()
        assert repaired.wait(60)
        return locked(*arguments, **options)

    _cache.locked = locked_late
    return _load(folder, size, cache)


def _load(folder, size, cache):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cells = load_cell_images(folder, image_size=size, cache=cache)
    return cells.images.copy(), len(caught)
