"""Progress bars without side effects on the process."""

from threading import RLock

from tqdm.auto import tqdm


class Progress(tqdm):
    """Progress bar of tqdm with a separate lock and without a thread.

    By default, tqdm creates a lock between processes, even for a disabled bar. This
    fixes the start method of `multiprocessing` for the whole program. tqdm also starts
    a thread that lives as long as the program.
    """

    _lock = RLock()
    monitor_interval = 0
