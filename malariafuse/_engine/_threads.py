"""Limit of the threads of TensorFlow in a worker of a search."""

import os
from contextlib import suppress

import keras

from malariafuse._workers import worker_threads


def limit_tensorflow() -> None:
    """Limit TensorFlow to the threads of this worker, if it is one.

    The limit has no effect after the first computation of TensorFlow in this process.
    Environment variables of TensorFlow that are set by the user have priority.
    """
    n_threads = worker_threads()
    if n_threads is None or keras.backend.backend() != "tensorflow":
        return
    from tensorflow.config import threading

    with suppress(RuntimeError):
        if "TF_NUM_INTRAOP_THREADS" not in os.environ:
            threading.set_intra_op_parallelism_threads(n_threads)
        if "TF_NUM_INTEROP_THREADS" not in os.environ:
            threading.set_inter_op_parallelism_threads(n_threads)
