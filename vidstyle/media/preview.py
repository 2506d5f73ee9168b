"""A window with the painted picture, an overlay, and keys."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2

from vidstyle.errors import OutputError, VidstyleError
from vidstyle.live.canvas import write_box
from vidstyle.live.control import Control
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound

TITLE = "vidstyle"

REFRESH = 0.25
"""Seconds between two states of the overlay."""

INSTEAD = "use -o http://127.0.0.1:8080 for a page in the browser, -o virtual, -o FILE or -o null instead"

KEYS: Mapping[str, tuple[str, Callable[[Control], None]]] = {
    "n": ("next style", Control.next_style),
    "p": ("previous style", Control.previous_style),
    "+": ("stronger", lambda c: c.stronger(0.1)),
    "-": ("weaker", lambda c: c.stronger(-0.1)),
    ".": ("mix in the next style", lambda c: c.mix_more(0.25)),
    ",": ("mix less of it", lambda c: c.mix_more(-0.25)),
    "]": ("coarser strokes", lambda c: c.step_stroke(1)),
    "[": ("finer strokes", lambda c: c.step_stroke(-1)),
    "c": ("keep the camera's colours", Control.keep_colors),
    "t": ("hold strokes still", Control.stabilize),
    "m": ("mirror", Control.mirror),
    "b": ("before / after", Control.split),
    "f": ("freeze", Control.freeze),
    "s": ("snapshot", Control.snapshot),
    "r": ("record, stop recording", Control.record),
    "o": ("statistics", Control.overlay),
    "h": ("this help", Control.help),
    "q": ("quit (Esc too)", Control.quit),
}
"""Key to what it does, in words and in deed; digits choose a style by its number."""

_ALIASES = {"=": "+", "_": "-", "\x1b": "q", "?": "h"}


class Preview:
    """A window of OpenCV's; it must be opened, fed, tended and closed in the main thread.

    `status` gives the session's statistics for the overlay. Closing the window quits the session.
    """

    name = "preview"
    steady = False

    def __init__(self, control: Control, status: Callable[[], dict[str, Any]]) -> None:
        self._control = control
        self._status = status
        self._is_open = False
        self._trouble = ""
        self._shown: LiveFrame | None = None
        self._drawn: object = None
        self._text: list[str] = []
        self._written = 0.0

    def open(self, picture: PictureFormat) -> None:
        """Show an empty window. Raises OutputError where there is no display."""
        check_display()
        loaded = list(sys.modules)
        if sys.platform == "linux" and "av" in loaded and loaded.index("av") < loaded.index("cv2"):
            # The window would hang: see vidstyle.live.
            raise OutputError("no window can be opened, because PyAV was imported before OpenCV; import cv2 first")
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(TITLE, picture.width, picture.height)
        except cv2.error as error:
            raise OutputError(f"no window can be opened ({error.err or error}); {INSTEAD}") from error
        self._is_open = True

    def write(self, frame: LiveFrame) -> None:
        """Show one picture with what belongs upon it."""
        self._shown = frame
        self._draw()

    def hear(self, sound: Sound) -> None:
        """Windows carry no sound."""

    def tend(self) -> None:
        """Look after keys and the window itself."""
        if not self._is_open:
            return
        code = cv2.waitKey(1)
        if code >= 0:
            self._press(chr(code & 0xFF))
        try:
            visible = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt's way of saying that the last window is gone
            visible = False
        if not visible:
            self._is_open = False
            self._control.quit()
        elif self._shown and self._settings() != self._drawn:
            self._draw()  # the picture may pause (a film's end, a stalled camera), the keys do not

    def close(self) -> None:
        if self._is_open:
            with contextlib.suppress(cv2.error):  # the user may have closed it this very moment
                cv2.destroyWindow(TITLE)
                cv2.waitKey(1)
        self._is_open = False

    def _press(self, key: str) -> None:
        """What a key does; a wish that cannot be met is shown, not raised."""
        self._trouble = ""
        key = _ALIASES.get(key, key.lower())
        try:
            if key in "123456789":
                self._control.choose(int(key))
            elif key in KEYS:
                KEYS[key][1](self._control)
        except VidstyleError as error:
            self._trouble = str(error)

    def _settings(self) -> object:
        return self._control.settings, self._trouble

    def _lines(self) -> list[str]:
        """The overlay's text, new a few times a second: digits that race cannot be read."""
        now = time.monotonic()
        if now - self._written > REFRESH or self._drawn != self._settings():
            self._text, self._written = status_lines(self._status()), now
        return self._text

    def _draw(self) -> None:
        assert self._shown
        image = cv2.cvtColor(self._shown.image, cv2.COLOR_RGB2BGR)
        settings = self._control.settings
        if settings.help:
            write_box(image, help_lines(self._control.names))
        elif settings.overlay:
            write_box(image, [*self._lines(), *([self._trouble] if self._trouble else [])])
        elif self._trouble:
            write_box(image, [self._trouble])
        if settings.recording:
            radius = max(4, image.shape[0] // 60)
            cv2.circle(image, (image.shape[1] - 2 * radius, 2 * radius), radius, (40, 40, 230), -1, cv2.LINE_AA)
        cv2.imshow(TITLE, image)
        self._drawn = self._settings()


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """The overlay: what is painted, how fast, how late, with what."""
    total = sum(weight for _, weight in status["styles"]) or 1
    mix = " + ".join(
        name if weight == total else f"{name} {weight / total:.0%}" for name, weight in status["styles"] if weight
    )
    latency = status["latency_ms"]["p50"]
    late = f"{latency:.0f} ms" if latency is not None else "-"
    lines = [
        f"{mix}  strength {status['strength']:.0%}",
        f"{status['fps_now']:.1f} fps  latency {late}  dropped {status['dropped']}",
    ]
    if status["backend"] and status["working_size"]:
        width, height = status["working_size"]
        lines.append(f"{status['backend']} {status['device']} {status['precision']}  {width}x{height}")
    if status["camera_state"] != "live":
        lines.append(f"camera {status['camera_state']}: {status['camera_message']}")
    lines += [f"{name}: {trouble}" for name, trouble in status["trouble"].items()]
    return lines


def help_lines(names: Sequence[str]) -> list[str]:
    """The help: every key, and the styles by their numbers."""
    keys = [f"{key}   {words}" for key, (words, _) in KEYS.items()]
    styles = [f"{number} {name}" for number, name in enumerate(names[:9], 1)]
    rows = [styles[i : i + 3] for i in range(0, len(styles), 3)]
    return [*keys, *["   ".join(row) for row in rows]]


def check_display() -> None:
    """Raise OutputError where no window can be shown: OpenCV's toolkit would end the whole process."""
    if sys.platform != "linux":
        return
    display = os.environ.get("DISPLAY", "")
    if not display and not os.environ.get("WAYLAND_DISPLAY"):
        raise OutputError(f"there is no display for a preview window; {INSTEAD}")
    if display and not os.environ.get("WAYLAND_DISPLAY") and not _x_server_answers(display):
        raise OutputError(f"the display {display} cannot be reached; {INSTEAD}")


def _x_server_answers(display: str) -> bool:
    """Whether something listens at an X display's socket (`:0`, `unix:0`, `host:10.0`)."""
    host, _, number = display.rpartition(":")
    number = number.partition(".")[0]
    if not number.isdecimal():
        return False
    if host and host != "unix":
        try:
            socket.create_connection((host, 6000 + int(number)), 2.0).close()
        except OSError:
            return False
        return True
    for address in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(address)
            except OSError:
                continue
            return True
    return False
