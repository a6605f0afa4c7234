"""Whatever a process has once for all code in it; importable in other processes."""

import decimal
import gc
import hashlib
import locale
import logging
import multiprocessing
import os
import pickle
import random
import signal
import socket
import sys
import tempfile
import threading
import warnings

import cv2
import matplotlib
import numpy as np
import pandas as pd
import sklearn
from PIL import Image, ImageFile


def _digest(value: object) -> str:
    return hashlib.sha256(pickle.dumps(value)).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _loggers() -> dict[str, tuple]:
    """Level, handlers and filters of each logger that somebody has set up."""
    named = logging.Logger.manager.loggerDict.items()
    loggers = {
        "root": logging.getLogger(),
        **{name: each for name, each in named if isinstance(each, logging.Logger)},
    }
    states = {
        name: (
            logger.level,
            logger.disabled,
            logger.propagate,
            [type(handler).__name__ for handler in logger.handlers],
            [repr(each) for each in logger.filters],
        )
        for name, logger in loggers.items()
    }
    untouched = (logging.NOTSET, False, True, [], [])
    return {name: state for name, state in states.items() if state != untouched}


def global_state() -> dict[str, object]:
    """Return the state of this process by what it is about."""
    return {
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "umask": _umask(),
        "signal handlers": {
            s: repr(signal.getsignal(s)) for s in signal.valid_signals()
        },
        "locale": locale.setlocale(locale.LC_ALL),
        "sys.path": list(sys.path),
        "modules that cannot be imported": [
            name for name, module in sys.modules.items() if module is None
        ],
        "import hooks": [repr(each) for each in (*sys.meta_path, *sys.path_hooks)],
        "exception hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "standard streams": (id(sys.stdin), id(sys.stdout), id(sys.stderr)),
        "recursion limit": sys.getrecursionlimit(),
        "traces": (sys.gettrace(), sys.getprofile()),
        "garbage collection": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "temporary folder": tempfile.tempdir,
        "time limit of sockets": socket.getdefaulttimeout(),
        "random": (_digest(random.getstate()), random.randint.__qualname__),
        "numpy.random": _digest(np.random.get_state()),  # noqa: NPY002
        "numpy errors": np.geterr(),
        "numpy printing": repr(np.get_printoptions()),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "decimals": repr(decimal.getcontext()),
        "logging": (logging.root.manager.disable, _loggers()),
        "multiprocessing": multiprocessing.get_start_method(allow_none=True),
        "OpenCV": (cv2.getNumThreads(), cv2.useOptimized()),
        "Pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "matplotlib": (matplotlib.get_backend(), dict(matplotlib.rcParams)),
        "pandas": {
            name: pd.get_option(name)
            for name in (
                "display.max_rows",
                "display.precision",
                "mode.sim_interactive",
            )
        },
        "scikit-learn": sklearn.get_config(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "child processes": [each.name for each in multiprocessing.active_children()],
    }


def changes(before: dict[str, object], after: dict[str, object]) -> dict[str, tuple]:
    """Return what differs, with both values."""
    return {
        name: (before[name], after[name])
        for name in before
        if before[name] != after[name]
    }
