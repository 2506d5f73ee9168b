"""The virtual camera: what other programs see as a webcam.

On Linux v4l2loopback's device, through FFmpeg's own v4l2 muxer (`virtual_camera_v4l2`); on Windows and
macOS, and on Linux by choice, pyvirtualcam (extra `live`), which speaks to OBS's virtual camera.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from vidstyle.errors import OutputError
from vidstyle.media.live_protocol import LiveFrame, LiveOutput, PictureFormat, Sound

_HOW_TO_GET_ONE = {
    "win32": "install OBS Studio (`winget install OBSProject.OBSStudio`), start it once, press Start Virtual Camera, "
    "then Stop Virtual Camera",
    "darwin": "install OBS Studio (`brew install --cask obs`), start it once, press Start Virtual Camera, allow its "
    "extension in System Settings, then Stop Virtual Camera",
    "linux": "load v4l2loopback; plain `-o virtual` says how",
}


def virtual_camera(choice: str | None) -> LiveOutput:
    """The virtual camera of this system.

    `choice` None leaves it to the system; a path is a v4l2loopback device (Linux); any other word a back-end
    of pyvirtualcam's (`obs`, `unitycapture`, `v4l2loopback`).
    """
    if sys.platform == "linux" and (choice is None or "/" in choice):
        from vidstyle.media.virtual_camera_v4l2 import V4l2Camera

        return V4l2Camera(choice)
    return PyVirtualCamera(choice)


class PyVirtualCamera:
    """A virtual camera through pyvirtualcam, which finds the driver and converts to its pixel format."""

    steady = True

    def __init__(self, backend: str | None = None) -> None:
        self.name = f"virtual:{backend}" if backend else "virtual"
        self._backend = backend
        self._camera: Any = None

    def open(self, picture: PictureFormat) -> None:
        """Open the camera. Raises OutputError with what to install."""
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputError(
                f"{self.name} needs pyvirtualcam ({error}); run `pip install 'vidstyle[live]'`"
            ) from error
        if self._backend and self._backend not in pyvirtualcam.camera.BACKENDS:
            known = ", ".join(pyvirtualcam.camera.BACKENDS)
            raise OutputError(f"{self.name}: pyvirtualcam has no back-end {self._backend!r} here; it has: {known}")
        try:
            self._camera = pyvirtualcam.Camera(
                width=picture.width,
                height=picture.height,
                fps=float(picture.rate),
                fmt=pyvirtualcam.PixelFormat.RGB,
                backend=self._backend,
            )
        except (RuntimeError, ValueError, OSError) as error:
            reasons = "; ".join(str(error).splitlines())
            hint = _HOW_TO_GET_ONE.get(sys.platform, "")
            raise OutputError(f"no virtual camera: {reasons}; {hint}") from error

    def write(self, frame: LiveFrame) -> None:
        """Show one picture. Raises OutputError."""
        assert self._camera
        try:
            self._camera.send(np.ascontiguousarray(frame.image))
        except (RuntimeError, OSError) as error:
            raise OutputError(f"{self.name}: {error}") from error

    def hear(self, sound: Sound) -> None:
        """Cameras carry no sound."""

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera:
            camera.close()
