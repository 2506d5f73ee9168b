"""The keys of a live session that has no window, taken from the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from vidstyle.backends.protocol import Say
from vidstyle.errors import VidstyleError
from vidstyle.live.control import Control
from vidstyle.live.keys import press
from vidstyle.live.legend import help_lines, mix_in_words

LOOK_EVERY = 0.1
"""Seconds between two looks for a key."""

_SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O.)")
"""What arrows and function keys send: it begins like Esc and is none."""

ReadKeys = Callable[[], str]
"""Gives the keys that were pressed; none where none was within `LOOK_EVERY`."""


@contextlib.contextmanager
def terminal_keys(control: Control, say: Say, status: Callable[[], list[str]]) -> Iterator[None]:
    """Within it, keys pressed in the terminal steer the session; what they changed is said. The terminal is restored.

    `status` gives what `o` is to tell. Without a terminal, or in the background, nothing is read.
    """
    with contextlib.ExitStack() as stack:
        if _is_terminal():
            read = stack.enter_context(_single_keys())
            done = threading.Event()
            thread = threading.Thread(target=_listen, args=(read, done, control, say, status), daemon=True)
            thread.start()
            stack.callback(thread.join, 1.0)
            stack.callback(done.set)
            say("keys: h for help, q to quit")
        yield


def _listen(read: ReadKeys, done: threading.Event, control: Control, say: Say, status: Callable[[], list[str]]) -> None:
    while not done.is_set():
        try:
            keys = read()
        except OSError:
            return  # the terminal is gone
        for key in _SEQUENCE.sub("", keys):
            before = control.as_json()
            try:
                press(key, control)
            except VidstyleError as error:
                say(str(error))
            for line in _told(before, control.as_json(), control.names, status):
                say(line)


def _told(
    before: dict[str, Any], after: dict[str, Any], names: tuple[str, ...], status: Callable[[], list[str]]
) -> Iterator[str]:
    """What a key has changed, in words; help and statistics as often as they are asked for."""
    for name, value in after.items():
        if value == before[name]:
            continue
        if name == "help":
            yield from help_lines(names)
        elif name == "overlay":
            yield from status()
        elif name == "styles":
            yield mix_in_words(value)
        elif name != "recording":  # the recorder speaks for itself
            words = ("off", "on")[value] if isinstance(value, bool) else f"{value:g}"
            yield f"{name.replace('_', ' ')} {words}"


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


if sys.platform == "win32":
    import msvcrt

    _BEGINS_TWO = ("\x00", "\xe0")
    """Arrows and function keys come as two, of which the second one looks like a letter."""

    @contextlib.contextmanager
    def _single_keys() -> Iterator[ReadKeys]:
        """Keys one by one."""

        def read() -> str:
            if not msvcrt.kbhit():
                time.sleep(LOOK_EVERY)
                return ""
            key = msvcrt.getwch()
            if key in _BEGINS_TWO:
                msvcrt.getwch()
                return ""
            return key

        yield read

else:
    import select
    import termios
    import tty

    @contextlib.contextmanager
    def _single_keys() -> Iterator[ReadKeys]:
        """Keys one by one and unseen; Ctrl-C stays what it is."""
        terminal = sys.stdin.fileno()
        before: list[Any] | None = None

        def read() -> str:
            nonlocal before
            if os.tcgetpgrp(terminal) != os.getpgrp():  # who reads in the background is stopped
                time.sleep(LOOK_EVERY)
                return ""
            now = termios.tcgetattr(terminal)
            if before is None or now[tty.LFLAG] & termios.ICANON:  # after Ctrl-Z and `fg` shells leave lines on
                before = now
                tty.setcbreak(terminal, termios.TCSANOW)
            if not select.select([terminal], [], [], LOOK_EVERY)[0]:
                return ""
            keys = os.read(terminal, 32).decode("utf-8", "replace")
            if not keys:
                raise OSError("the terminal was closed")
            return keys

        try:
            yield read
        finally:
            with contextlib.suppress(OSError, termios.error):  # it may be gone
                if before is not None and os.tcgetpgrp(terminal) == os.getpgrp():
                    termios.tcsetattr(terminal, termios.TCSANOW, before)
