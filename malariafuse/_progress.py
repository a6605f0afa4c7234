"""Progress bars that change nothing for the rest of the process."""

from threading import RLock

from tqdm.auto import tqdm


class Progress(tqdm):
    """A bar of tqdm with a lock of its own and without a thread.

    tqdm makes a lock between processes, also for a bar that is not shown, which decides
    for the whole program how `multiprocessing` starts processes. It also starts a
    thread that lives as long as the program.
    """

    _lock = RLock()
    monitor_interval = 0
