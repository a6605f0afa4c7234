"""Number of threads of a worker of joblib or Dask."""

import multiprocessing
import os
import sys

import cv2


def worker_threads() -> int | None:
    """Return the number of threads of this process, or None if it is not a worker.

    The backend loky of joblib limits the cores of each process by the variable
    ``OMP_NUM_THREADS``, or by ``inner_max_num_threads``. A worker of Dask gets its
    threads at the start. Libraries that ignore both, such as TensorFlow, would use all
    cores in each process.
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
    # Without a nanny, the worker may run in a process of the user.
    return int(worker.state.nthreads) if worker.nanny else None


def limit_opencv() -> None:
    """Limit OpenCV to the threads of this worker, if it is one."""
    n_threads = worker_threads()
    if n_threads is not None:
        cv2.setNumThreads(n_threads)
