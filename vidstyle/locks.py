"""Locks that keep processes apart, as far as the file system has any."""

from __future__ import annotations

import errno

from filelock import FileLock

_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)


def acquire(lock: FileLock, *, timeout: float = -1) -> None:
    """Take `lock`. Where the file system has no locks, as some networks' have none, nothing is kept out.

    Raises Timeout if another has it for `timeout` seconds (-1: waits), OSError if its file cannot be made.
    """
    try:
        lock.acquire(timeout=timeout)
    except NotImplementedError:
        pass
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
