"""Selection of rows of data that may be too large for memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from malariafuse._files._scratch import scratch_folder

_BLOCK_BYTES = 2**24


@contextmanager
def rows_of(X: Any, rows: NDArray[np.int64]) -> Iterator[Any]:
    """Yield some rows of `X`: memory-mapped if `X` is, otherwise in memory.

    The file of the memory map is deleted at the end.
    """
    if not isinstance(X, np.memmap) or not len(rows):
        yield _safe_indexing(X, rows)
        return
    # A classifier may keep its training data, and Windows does not delete open files.
    # The next call deletes what is left.
    with scratch_folder(Path(gettempdir())) as folder:
        file = folder / "rows.npy"
        copied = np.lib.format.open_memmap(
            file, mode="w+", dtype=X.dtype, shape=(len(rows), *X.shape[1:])
        )
        step = max(1, _BLOCK_BYTES // max(1, X[0].nbytes))
        for start in range(0, len(rows), step):
            copied[start : start + step] = X[rows[start : start + step]]
        copied.flush()
        del copied
        yield np.load(file, mmap_mode="r")
