"""Opens whatever `--camera` names: a device, a film, a URL, a capture device of FFmpeg's, a synthetic one."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from vidstyle.errors import InputError
from vidstyle.media.live_protocol import Camera, CameraRequest

CAPTURE_FORMATS = ("v4l2", "dshow", "avfoundation", "lavfi", "x11grab", "gdigrab", "kmsgrab", "fbdev", "alsa", "pulse")
"""FFmpeg's capture devices, written `FORMAT:DEVICE` as in `v4l2:/dev/video0` or `dshow:video=Webcam`."""

SYNTHETIC = "synthetic"


def open_camera(request: CameraRequest) -> Camera:
    """Open the camera that `request.source` names.

    A number or `/dev/...` is a device; `synthetic` or `synthetic:WxH@FPS` a made-up one; `FORMAT:DEVICE`
    a capture device of FFmpeg's; what has `://` a URL; an existing file a film; anything else is looked
    for among the names of the cameras. Raises InputError saying what is wrong: missing, busy, forbidden.
    """
    source = request.source
    if source == SYNTHETIC or source.startswith(SYNTHETIC + ":"):
        from vidstyle.media.camera_synthetic import SyntheticCamera

        return SyntheticCamera.from_request(request)
    if source.isdecimal() or re.fullmatch(r"/dev/.*", source):
        from vidstyle.media.camera_device import open_device

        return open_device(request, device_number(source))
    if "://" in source or (source.split(":", 1)[0] in CAPTURE_FORMATS and not Path(source).exists()):
        from vidstyle.media.camera_stream import open_stream

        return open_stream(request)
    if Path(source).exists():
        from vidstyle.media.camera_stream import open_film

        return open_film(request)
    return _open_by_name(request)


def device_number(source: str) -> int:
    """`0` or `/dev/video0` (or a link to it, as in `/dev/v4l/by-id`) as 0. Raises InputError."""
    if source.isdecimal():
        return int(source)
    if not Path(source).exists():
        raise InputError(f"no camera at {source}; {cameras_in_words()}")
    found = re.fullmatch(r"/dev/video(\d+)", os.path.realpath(source))
    if not found:
        raise InputError(f"{source} is not a video device; {cameras_in_words()}")
    return int(found[1])


def has_returned(source: str) -> bool:
    """A quick look whether a lost camera is back: its device node exists. False wherever there is no quick way to tell.

    Networks are not looked at: whoever serves only one connection would have spent it on the look.
    """
    if source.isdecimal() and Path("/dev").is_dir():
        return Path(f"/dev/video{source}").exists()
    return source.startswith("/dev/") and Path(source).exists()


def camera_names() -> dict[int, str]:
    """The names of the video devices by their numbers; empty where the system does not tell (not Linux)."""
    names: dict[int, str] = {}
    for folder in sorted(Path("/sys/class/video4linux").glob("video*"), key=lambda f: int(f.name[5:])):
        names[int(folder.name[5:])] = (folder / "name").read_text(encoding="utf-8", errors="replace").strip()
    return names


def cameras_in_words() -> str:
    """What cameras there are, as the end of a message."""
    names = camera_names()
    if names:
        return "cameras here: " + ", ".join(f"{number} ({name})" for number, name in names.items())
    if sys.platform == "linux":
        return "no camera is attached (no /dev/video*); a film works too: --camera FILE --loop"
    return "try another number, or a film: --camera FILE --loop"


def _open_by_name(request: CameraRequest) -> Camera:
    """A camera by (part of) its name; where OpenCV knows no names, FFmpeg's own devices do."""
    wanted = request.source.casefold()
    matches = [number for number, name in camera_names().items() if wanted in name.casefold()]
    if matches:
        from vidstyle.media.camera_device import open_device

        return open_device(request, matches[0])
    if sys.platform == "linux" or "." in Path(request.source).name:
        raise InputError(f"{request.source}: no such file, and no camera of that name; {cameras_in_words()}")
    from dataclasses import replace

    from vidstyle.media.camera_stream import open_stream

    prefix = "dshow:video=" if sys.platform == "win32" else "avfoundation:"
    return open_stream(replace(request, source=prefix + request.source))
