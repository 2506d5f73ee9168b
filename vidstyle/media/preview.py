"""A window with the painted picture, an overlay, and keys."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2

from vidstyle.errors import OutputError, VidstyleError
from vidstyle.live.canvas import write_box
from vidstyle.live.control import Control
from vidstyle.live.keys import press
from vidstyle.live.legend import help_lines, status_lines
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound

TITLE = "vidstyle"

REFRESH = 0.25
"""Seconds between two states of the overlay."""

INSTEAD = "use -o http://127.0.0.1:8080 for a page in the browser, -o virtual, -o FILE or -o null instead"


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
        # Above 16 bits are modifiers, such as NumLock. Only whole codes tell an arrow (X's 0xFF51) from a Q (0x51);
        # -1, no key, becomes 0xFFFF, and an arrow of Windows' 0.
        code = cv2.waitKeyEx(1) & 0xFFFF
        if 0 < code < 128:
            self._press(chr(code))
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
        try:
            press(key, self._control)
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
