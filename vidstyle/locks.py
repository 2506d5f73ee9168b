"""Locks on files, for what one process at a time may do."""

from __future__ import annotations

from filelock import BaseFileLock, Timeout


def take(lock: BaseFileLock, *, timeout: float = 0) -> None:
    """Acquire `lock`, waiting up to `timeout` seconds (below 0: for ever), or go on without where none can be had.

    So it is on some networks' file systems, and in a folder that may only be read. Raises Timeout while another
    process has it.
    """
    try:
        lock.acquire(timeout=timeout)
    except Timeout:  # an OSError as well
        raise
    except (OSError, NotImplementedError):
        pass
