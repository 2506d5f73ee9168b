"""Linux' virtual camera: a v4l2loopback device, written through FFmpeg's v4l2 muxer; no other library."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from vidstyle.errors import OutputError
from vidstyle.frames import ColourInfo
from vidstyle.media.camera_device import programs_using
from vidstyle.media.frame_converter import FrameConverter
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound

PIXEL_FORMATS = ("yuyv422", "yuv420p", "nv12", "uyvy422", "rgb24")
"""Tried in this order: YUYV is what every program that reads webcams understands."""

_MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=vidstyle"
_INSTALL = {
    "debian": "sudo apt install v4l2loopback-dkms",
    "ubuntu": "sudo apt install v4l2loopback-dkms",
    "fedora": "sudo dnf install akmod-v4l2loopback  (from RPM Fusion)",
    "arch": "sudo pacman -S v4l2loopback-dkms",
    "suse": "sudo zypper install v4l2loopback-kmp-default",
}

# <linux/videodev2.h>: VIDIOC_S_PARM is _IOWR('V', 22, struct v4l2_streamparm), which has 204 bytes:
# type, then of the output's parameters capability, mode, time per frame (numerator, denominator) and more.
_VIDIOC_S_PARM = 0xC0CC5616
_BUF_TYPE_VIDEO_OUTPUT = 2
_CAP_TIMEPERFRAME = 0x1000
_STREAMPARM = struct.Struct("=5I184x")


class V4l2Camera:
    """A v4l2loopback device; `device` None takes the first that there is."""

    steady = True

    def __init__(self, device: str | None = None) -> None:
        self.name = f"virtual:{device}" if device else "virtual"
        self.pixel_format = ""
        self._wanted = device
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._converter: FrameConverter | None = None
        self._count = 0

    def open(self, picture: PictureFormat) -> None:
        """Agree with the device about pixels, size and rate. Raises OutputError with the exact remedy."""
        device = self._wanted or find_device()
        if not os.path.exists(device):
            raise OutputError(f"there is no {device}; {how_to_get_a_device()}")
        if not os.access(device, os.R_OK | os.W_OK):
            raise OutputError(
                f"{device} is forbidden for this user; run `sudo usermod -aG video $USER`, then log in again"
            )
        _set_rate(device, picture.rate)
        refusals = []
        for pixel_format in PIXEL_FORMATS:
            try:
                self._start(device, picture, pixel_format)
            except (av.error.FFmpegError, OSError) as error:
                self.close()
                if error.errno == errno.EBUSY:
                    raise _busy(device) from error
                refusals.append(f"{pixel_format}: {error.strerror}")
            else:
                self.pixel_format = pixel_format
                # Webcams are BT.601 in limited range, and that is what their readers assume.
                colour = ColourInfo(matrix=0, full_range=True) if pixel_format == "rgb24" else ColourInfo(matrix=6)
                self._converter = FrameConverter(pixel_format=pixel_format, colour=colour, alpha=False)
                return
        size = f"{picture.width}x{picture.height}"
        raise OutputError(f"{device} takes no pictures of {size} ({'; '.join(refusals)}); is it v4l2loopback's?")

    def write(self, frame: LiveFrame) -> None:
        """Show one picture. Raises OutputError."""
        assert self._container
        assert self._stream
        assert self._converter
        picture = self._converter.convert(frame.image)
        picture.pts, picture.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        try:
            self._container.mux(self._stream.encode(picture))
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(f"{self.name}: {error.strerror or error}") from error

    def hear(self, sound: Sound) -> None:
        """Cameras carry no sound."""

    def close(self) -> None:
        container, self._container = self._container, None
        self._stream = None
        if container:
            container.close()

    def _start(self, device: str, picture: PictureFormat, pixel_format: str) -> None:
        self._container = av.open(device, "w", format="v4l2")
        self._stream = self._container.add_stream("rawvideo", rate=picture.rate)
        self._stream.width, self._stream.height = picture.width, picture.height
        self._stream.pix_fmt = pixel_format
        self._stream.codec_context.time_base = 1 / picture.rate
        self._container.start_encoding()


def find_device() -> str:
    """The first v4l2loopback device. Raises OutputError with the command that makes one."""
    for folder in sorted(Path("/sys/devices/virtual/video4linux").glob("video*"), key=lambda f: int(f.name[5:])):
        return f"/dev/{folder.name}"
    raise OutputError(f"there is no virtual camera; {how_to_get_a_device()}")


def how_to_get_a_device(
    *, os_release: Path = Path("/etc/os-release"), modules: Path | None = None, loaded: Path = Path("/sys/module")
) -> str:
    """What to type on this system to get a v4l2loopback device."""
    modules = modules or Path("/lib/modules") / os.uname().release
    if (loaded / "v4l2loopback").exists():
        return f"v4l2loopback is loaded without that device: run `sudo modprobe -r v4l2loopback; {_MODPROBE}`"
    if any(modules.rglob("v4l2loopback.ko*")):
        return f"run `{_MODPROBE}`"
    words = ""
    if os_release.exists():
        fields = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
        words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "")
    install = next((command for name, command in _INSTALL.items() if name in words), "install v4l2loopback")
    return f"run `{install}`, then `{_MODPROBE}`"


def _busy(device: str) -> OutputError:
    users = ", ".join(programs_using(device)) or "another program"
    return OutputError(f"{device} is busy: used by {users}; close it or name another device")


def _set_rate(device: str, rate: Fraction) -> None:
    """Tell the device the rate, which FFmpeg's muxer does not; one that does not care is left alone."""
    request = bytearray(
        _STREAMPARM.pack(_BUF_TYPE_VIDEO_OUTPUT, _CAP_TIMEPERFRAME, 0, rate.denominator, rate.numerator)
    )
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _busy(device) from error
        raise OutputError(f"{device} cannot be opened: {error.strerror}") from error
    try:
        fcntl.ioctl(descriptor, _VIDIOC_S_PARM, request)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise OutputError(f"{device} does not take {float(rate):g} pictures a second: {error.strerror}") from error
    finally:
        os.close(descriptor)
