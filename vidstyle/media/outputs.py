"""From what `--output` says to a live output."""

from __future__ import annotations

from vidstyle.errors import UsageError
from vidstyle.media.live_protocol import LiveFrame, LiveOutput, PictureFormat, Sound
from vidstyle.media.part_file import is_picture


class NullOutput:
    """Takes everything and keeps nothing: for measuring."""

    steady = False
    name = "null"

    def open(self, picture: PictureFormat) -> None: ...

    def write(self, frame: LiveFrame) -> None: ...

    def hear(self, sound: Sound) -> None: ...

    def close(self) -> None: ...


def make_output(text: str) -> LiveOutput:
    """The output that `text` names, not yet opened: null, virtual[:DEVICE], a stream's URL or a film's file name.

    Windows and pages, which need the session's control, are made elsewhere. Raises UsageError.
    """
    scheme = text.split("://", 1)[0] if "://" in text else ""
    if text == "null":
        return NullOutput()
    if text == "virtual" or text.startswith("virtual:"):
        from vidstyle.media.virtual_camera import virtual_camera

        return virtual_camera(text.partition(":")[2] or None)
    if scheme in ("udp", "tcp", "rtmp", "rtmps", "srt"):
        from vidstyle.media.streams import TransportStream

        return TransportStream(text)
    if scheme:
        raise UsageError(f"output {text!r}: {scheme}:// is none of udp, tcp, srt, rtmp, http")
    if is_picture(text):
        raise UsageError(f"output {text!r}: a picture holds no film; name a film, such as out.mp4, or use out_%04d.png")
    from vidstyle.media.live_film import LiveFilm

    return LiveFilm(text)
