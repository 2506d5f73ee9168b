"""The one OpenVINO core of this process, which lives as long as the process.

OpenVINO's CPU plugin gives the thread that makes a core a signal stack of the core's own (AMX's
state is too large for an ordinary one), and puts the one before it back when the core goes. Of two
cores that go in another order than they came, or in another thread, the last one puts back a stack
that is unmapped by then, and the next signal, a Ctrl-C for instance, ends the process with a
segmentation fault. A core that never goes puts nothing back.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING

from vidstyle.backends import cpu
from vidstyle.errors import BackendError

if TYPE_CHECKING:
    import openvino


_lock = threading.Lock()


def openvino_core() -> openvino.Core:
    """The core, made at the first call; any thread may use it. Nothing is set on it: others use it too.

    Raises BackendError in a process that was forked from one with a core: its threads are not there, and whoever waits
    for them waits for ever.
    """
    with _lock:  # two threads at once would make two
        core, owner = _core()
    if owner != os.getpid():
        raise BackendError(
            "OpenVINO does not work in a process forked from one that has used it; "
            "start processes by 'spawn': multiprocessing.get_context('spawn')"
        )
    return core


@cache
def _core() -> tuple[openvino.Core, int]:
    """The core and the process that made it."""
    cpu.guard()
    import openvino

    return openvino.Core(), os.getpid()
