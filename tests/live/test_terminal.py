"""Keys in the terminal steer a session without a window, and the terminal is as before afterwards."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.live.test_webcam_command import RUN
from vidstyle.live import terminal as terminal_module

pty = pytest.importorskip("pty", reason="terminals of this kind are POSIX'")
termios = pytest.importorskip("termios")


class Terminal:
    """`vidstyle webcam` at a terminal of its own."""

    def __init__(self, environment: dict[str, str], folder: Path, *words: str) -> None:
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        # The terminal becomes the controlling one of a new session, as when a shell starts it.
        own = "import fcntl, os, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{own}\n{RUN}", "webcam", *words], env=environment, cwd=folder,
            stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True,
        )  # fmt: skip
        self.said = ""

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def wait_for(self, words: str, timeout: float = 40.0) -> None:
        until = time.monotonic() + timeout
        os.set_blocking(self.ours, False)
        while words not in self.said:
            assert time.monotonic() < until, f"{words!r} was not said: {self.said}"
            try:
                self.said += os.read(self.ours, 4096).decode()
            except BlockingIOError:
                time.sleep(0.02)

    def is_restored(self) -> bool:
        return termios.tcgetattr(self.theirs) == self.before


@pytest.fixture
def terminal(environment, tmp_path: Path):
    styles = ("-s", "mosaic", "-s", "waves:3")
    opened = Terminal(environment, tmp_path, *styles, "--camera", "synthetic:160x96@30", "-o", "null", "--json")
    yield opened
    opened.process.kill()
    opened.process.communicate()


def test_keys_steer_the_session_and_q_ends_it(terminal: Terminal) -> None:
    terminal.wait_for("painting with")
    terminal.wait_for("keys: h for help")
    assert not terminal.is_restored()
    terminal.press(",")
    terminal.wait_for("mosaic 50% + waves 50%")
    for key, words in {"-": "strength 0.9", "m": "mirror on", "h": "quit (Esc too)", "o": " ms  dropped"}.items():
        terminal.press(key)
        terminal.wait_for(words)
    terminal.press("\x1b[A")  # an arrow is no Esc
    terminal.press("m")
    terminal.wait_for("mirror off")
    terminal.press("q")
    values = json.loads(terminal.process.communicate(timeout=20)[0])
    assert terminal.process.returncode == 0
    assert values["strength"] == 0.9
    assert terminal.is_restored()


def test_keys_work_again_after_a_shell_had_the_terminal(terminal: Terminal) -> None:
    """Ctrl-Z and `fg`: a shell leaves the terminal in lines."""
    terminal.wait_for("painting with")
    terminal.press("m")
    terminal.wait_for("mirror on")
    terminal.process.send_signal(signal.SIGSTOP)
    termios.tcsetattr(terminal.theirs, termios.TCSANOW, terminal.before)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.press("m")
    terminal.wait_for("mirror off", timeout=5.0)
    assert not terminal.is_restored()
    terminal.press("q")
    terminal.process.communicate(timeout=20)
    assert terminal.is_restored()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_signals_leave_the_terminal_as_it_was(terminal: Terminal, number: int, code: int) -> None:
    terminal.wait_for("painting with")
    until = time.monotonic() + 5
    while terminal.is_restored():
        assert time.monotonic() < until
        time.sleep(0.02)
    terminal.process.send_signal(number)
    terminal.process.communicate(timeout=20)
    assert terminal.process.returncode == code
    assert terminal.is_restored()


def test_what_windows_sends_for_arrows_is_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page down is two characters there, of which the second one is Q."""
    typed = deque("\xe0Qm\x00;s")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(kbhit=lambda: bool(typed), getwch=typed.popleft))
    monkeypatch.setattr(sys, "platform", "win32")
    with runpy.run_path(terminal_module.__file__)["_single_keys"]() as read:
        assert [read() for _ in range(4)] == ["", "m", "", "s"]
