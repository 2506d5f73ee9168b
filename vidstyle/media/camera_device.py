"""Webcams through OpenCV: what was asked, what was granted, and why one cannot be opened."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.camera import camera_names, cameras_in_words
from vidstyle.media.live_protocol import CameraInfo, CameraLost, CameraRequest, PictureUnusable, Sound

PATIENCE = 1.5
"""Seconds without a picture after which a camera that has worked counts as lost."""

FIRST_PATIENCE = 10.0
"""Seconds a camera may take for its first picture: some need a while to wake up."""

OpenCapture = Callable[[int], Any]
"""`(number) -> cv2.VideoCapture`, or what stands in for it."""


class DeviceCamera:
    """A webcam. Pictures come as the driver gives them, MJPG where it can (raw 720p does not fit USB 2)."""

    def __init__(self, capture: Any, request: CameraRequest, *, name: str, clock: Callable[[], float]) -> None:
        self._capture = capture
        self._clock = clock
        self._waiting_since = clock()
        self._patience = FIRST_PATIENCE
        self.info = _negotiate(capture, request, name)

    def read(self) -> ImageArray:
        """The next picture. Raises PictureUnusable for a broken one, CameraLost when none comes for too long."""
        ok, image = self._capture.read()
        now = self._clock()
        if ok and image is not None and image.ndim == 3:
            self._waiting_since, self._patience = now, PATIENCE
            return np.ascontiguousarray(image[:, :, ::-1])
        if now - self._waiting_since > self._patience:
            raise CameraLost(f"{self.info.name} gives no picture; is it still plugged in?")
        # Some drivers answer at once while nothing comes; asking them again without a pause eats a core.
        time.sleep(0.005)
        raise PictureUnusable(f"{self.info.name} gave a picture that cannot be decoded")

    def sounds(self) -> list[Sound]:
        return []

    def close(self) -> None:
        self._capture.release()


def open_device(
    request: CameraRequest,
    number: int,
    *,
    open_capture: OpenCapture | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> DeviceCamera:
    """Open video device `number`. Raises InputError telling missing, forbidden and busy ones apart."""
    name = camera_names().get(number, f"camera {number}")
    if not open_capture and sys.platform == "linux":
        _check_node(Path(f"/dev/video{number}"), name)
    capture = (open_capture or _open_with_opencv)(number)
    if not capture.isOpened():
        capture.release()
        raise InputError(_why_not_opened(number, name))
    return DeviceCamera(capture, request, name=name, clock=clock)


def _open_with_opencv(number: int) -> Any:
    # How long V4L2 waits for a picture: read by OpenCV at its first use; its own default is ten seconds.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    import cv2

    api = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION}
    return cv2.VideoCapture(number, api.get(sys.platform, cv2.CAP_ANY))


def _negotiate(capture: Any, request: CameraRequest, name: str) -> CameraInfo:
    """Ask for MJPG, size and rate, then read back what the driver made of it."""
    import cv2

    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if request.size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, request.size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, request.size[1])
    if request.rate:
        capture.set(cv2.CAP_PROP_FPS, float(request.rate))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    pixels = fourcc.decode("ascii", "replace").strip("\0 ") if fourcc.strip(b"\0\xff") else "unknown format"
    exact = Fraction(rate).limit_denominator(1001) if 0 < rate < 1000 else None
    granted = f"{width}x{height}, {f'{rate:g} fps' if exact else 'unknown rate'}, {pixels}"
    asked = [f"{request.size[0]}x{request.size[1]}"] if request.size and request.size != (width, height) else []
    if request.rate and exact and abs(request.rate - exact) > Fraction(1, 2):
        asked.append(f"{float(request.rate):g} fps")
    if pixels != "MJPG":
        asked.append("MJPG")
    text = granted + (f" (asked for {', '.join(asked)})" if asked else "")
    return CameraInfo(name=name, width=width, height=height, rate=exact, text=text)


def _check_node(node: Path, name: str) -> None:
    """Linux: tell a missing device and a forbidden one before OpenCV says only that it failed."""
    if not node.exists():
        raise InputError(f"no camera at {node}; {cameras_in_words()}")
    if not os.access(node, os.R_OK | os.W_OK):
        raise InputError(
            f"{node} ({name}) is forbidden for this user; run `sudo usermod -aG video $USER`, then log in again"
        )


def _why_not_opened(number: int, name: str) -> str:
    if sys.platform != "linux":
        hint = {
            "win32": "Settings > Privacy & security > Camera must allow desktop apps",
            "darwin": "System Settings > Privacy & Security > Camera must allow this terminal",
        }.get(sys.platform, "this user must be allowed to use it")
        return f"camera {number} cannot be opened: missing, used by another program, or forbidden ({hint})"
    node = f"/dev/video{number}"
    users = programs_using(node)
    if users:
        return f"{node} ({name}) is busy: used by {', '.join(users)}; close that program or choose another camera"
    try:
        os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        word = {errno.EBUSY: "is busy: another program uses it", errno.ENODEV: "was unplugged"}
        return f"{node} ({name}) {word.get(error.errno or 0, f'cannot be opened ({error.strerror})')}"
    return f"{node} ({name}) gives no pictures: perhaps its second, non-picture device; {cameras_in_words()}"


def programs_using(node: str) -> list[str]:
    """Programs that hold `node` open, as `name (pid)`; only those of users whose processes we may look at."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (process / "fd").iterdir()]
            if node in links and int(process.name) != os.getpid():
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:
            continue  # gone meanwhile, or another user's
    return found
