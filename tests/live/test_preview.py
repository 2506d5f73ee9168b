"""The preview window under Xvfb: keys sent by xdotool, what is seen taken by a screenshot."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.live.live_fakes import make_control
from tests.live.x_display import Display, needs_display
from vidstyle.errors import OutputError
from vidstyle.live.keys import KEYS
from vidstyle.live.legend import help_lines
from vidstyle.media.preview import Preview, check_display

ROOT = Path(__file__).parents[2]

CLOSE_WINDOW = """
import ctypes, sys
class Message(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("sent", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("kind", ctypes.c_ulong),
                ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("rest", ctypes.c_long * 12)]
x = ctypes.CDLL("libX11.so.6")
x.XOpenDisplay.restype = ctypes.c_void_p
x.XInternAtom.restype = ctypes.c_ulong
display, window = ctypes.c_void_p(x.XOpenDisplay(None)), ctypes.c_ulong(int(sys.argv[1]))
kind, delete = (x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
message = Message(type=33, window=window, kind=kind, format=32)
message.data[0] = delete
x.XSendEvent(display, window, 0, ctypes.c_long(0), ctypes.byref(message))
x.XFlush(display)
x.XCloseDisplay(display)
"""
"""What a window manager does when the cross is clicked; none runs on the bare display."""


@pytest.fixture
def session(display: Display, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A session with a window in a process of its own, painting plain negatives with the fake engine."""
    code = (
        "import vidstyle.live\n"
        "from fractions import Fraction\n"
        "from tests.live.live_fakes import *\n"
        "from vidstyle.live.loop import LiveLoop\n"
        "from vidstyle.media.camera_synthetic import SyntheticCamera\n"
        "from vidstyle.media.outputs import make_output\n"
        "from vidstyle.media.preview import Preview\n"
        "from vidstyle.interrupts import stop_requests\n"
        "control = make_control()\n"
        "loop = LiveLoop(lambda: SyntheticCamera(width=640, height=360, rate=Fraction(30)), Painters(), control,\n"
        "                open_film=make_output)\n"
        "with stop_requests() as stop:\n"
        "    stop.finish = control.quit\n"
        "    loop.run([], window=Preview(control, loop.as_json))\n"
        "print(control.settings); print(loop.as_json())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=display.environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def finish(process: subprocess.Popen) -> str:
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    return out


@needs_display
def test_keys_steer_what_is_seen(display: Display, session: subprocess.Popen, tmp_path: Path) -> None:
    display.window(session)
    time.sleep(1.0)

    def blue() -> float:
        return float(display.screenshot("now")[250:320, 350:600, 2].mean())

    display.wait_until(lambda: abs(blue() - 60) < 8, "style 1 is tinted 60")
    display.press("n")
    display.wait_until(lambda: abs(blue() - 120) < 8, "n goes to the next style")
    display.press("3")
    display.wait_until(lambda: abs(blue() - 180) < 8, "3 chooses the third")
    display.press("p", "p")
    display.wait_until(lambda: abs(blue() - 60) < 8, "p goes back")

    display.press("f")  # frozen, so that both screenshots are of the same picture
    time.sleep(0.4)
    before = display.screenshot("overlay")
    assert before[:60, :250].max() > 200, "the overlay is written top left"
    display.press("h")
    time.sleep(0.4)
    help_ = display.screenshot("help")
    # The median: white words over a dark picture lift the mean.
    assert np.median(help_[100:260, 10:150]) < 0.5 * np.median(before[100:260, 10:150]), "a dark box"
    assert help_[100:260, 10:150].max() > 240, "with white words"
    display.press("f")
    display.press("h", "m", "c", "b", "t", "plus", "minus", "bracketright", "period", "f", "o")
    time.sleep(0.4)
    display.screenshot("many")
    display.press("s", "r")
    time.sleep(1.0)
    display.press("r")
    display.wait_until(lambda: list(tmp_path.glob("vidstyle-*.png")), "s saves a snapshot")
    display.wait_until(lambda: list(tmp_path.glob("vidstyle-*.mp4")), "r records")
    # The codes of these end in bytes that are letters: q, r, s and so on.
    display.press("Left", "Up", "Right", "Down", "Home", "Insert", "Prior", "F1")
    display.press("q")
    out = finish(session)
    assert len(list(tmp_path.glob("vidstyle-*"))) == 2, "one snapshot, one recording"
    for words in (
        "mirror=True", "keep_colors=True", "split=True", "stabilize=True", "frozen=True", "overlay=False",
        "stroke=1.4", "('blue', 0.75), ('red', 0.25)", "strength=0.9", "help=False", "recording=None",
    ):  # fmt: skip
        assert words in out, f"{words}\n{out}"


@needs_display
@pytest.mark.parametrize("ending", ["escape", "close", "interrupt", "terminate"])
def test_every_ending_is_clean(display: Display, session: subprocess.Popen, ending: str) -> None:
    window = display.window(session)
    time.sleep(0.5)
    if ending == "escape":
        display.press("Escape")
    elif ending == "close":
        display.tool(sys.executable, "-c", CLOSE_WINDOW, window)
    else:
        session.send_signal(signal.SIGINT if ending == "interrupt" else signal.SIGTERM)
    out = finish(session)
    assert "'in_flight': 0" in out


@pytest.mark.parametrize(
    ("code", "pressed"),
    [
        (ord("n"), ["n"]),
        (ord("n") | 1 << 20, ["n"]),  # with NumLock, as GTK tells it
        (27, ["\x1b"]),
        (0xFF51, []),  # Left
        (0x25 << 16, []),  # Left, as Windows tells it
        (0xFFE1 | 1 << 20, []),  # Shift
        (-1, []),
    ],
)
def test_only_plain_keys_are_pressed(monkeypatch, code: int, pressed: list[str]) -> None:
    seen: list[str] = []
    monkeypatch.setattr(cv2, "waitKeyEx", lambda delay: code)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *which: 1.0)
    monkeypatch.setattr("vidstyle.media.preview.press", lambda key, control: seen.append(key))
    preview = Preview(make_control(), dict)
    preview._is_open = True
    preview.tend()
    assert seen == pressed


def test_without_a_display_the_error_says_what_to_use(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OutputError, match=r"no display.*-o http://127\.0\.0\.1:8080"):
        check_display()
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(OutputError, match=r":4711 cannot be reached"):
        check_display()


def test_the_help_names_every_key_and_style() -> None:
    text = "\n".join(help_lines(make_control().names))
    assert all(f"{key}\t{words}" in text for key, (words, _) in KEYS.items())
    assert "1 blue" in text
    assert "3 green" in text
