"""The threads that are a worker's, of joblib or of Dask."""

import multiprocessing
import os
import sys

import cv2


def worker_threads() -> int | None:
    """Return how many threads this process may use, None if it is no worker.

    The backend of joblib that is called loky gives each of its processes a share of
    the cores by the variable ``OMP_NUM_THREADS``, or what ``inner_max_num_threads``
    says. A worker of Dask is given its threads when it is started. Libraries that go
    by neither, such as TensorFlow, would take all cores in each process.
    """
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        limit = os.environ.get("OMP_NUM_THREADS", "")
        return int(limit) if limit.isdecimal() and int(limit) > 0 else None
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        worker = distributed.get_worker()
    except ValueError:
        return None
    # Without a nanny, the worker may live in a process of the user's.
    return int(worker.state.nthreads) if worker.nanny else None


def limit_opencv() -> None:
    """Have OpenCV go by the threads of this worker, if it is one."""
    n_threads = worker_threads()
    if n_threads is not None:
        cv2.setNumThreads(n_threads)
