"""TensorFlow in the worker of a search: no more threads than are the worker's."""

import os
from contextlib import suppress

import keras

from malariafuse._workers import worker_threads


def limit_tensorflow() -> None:
    """Have TensorFlow go by the threads of this worker, if it is one.

    It is too late once TensorFlow has computed something in this process. What the
    user set by TensorFlow's own variables holds.
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
