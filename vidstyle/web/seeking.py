"""Finds the end of a film, and the frame at a moment: films may end earlier than they say, or say nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.demux import choose_film, time_base_of
from vidstyle.media.opening import open_container
from vidstyle.media.reader import open_reader

_SEARCH_BACK = (Fraction(2), Fraction(10), Fraction(60))
"""Seconds before its end in which a film's last packet or frame is looked for, before the whole film is searched."""


def seconds_of(path: Path, said: Fraction | None) -> Fraction | None:
    """How long a film lasts: what it says, unless its packets end earlier, as where it was cut short, or it says
    nothing, as browsers record; None where its packets have no times either."""
    with open_container(path) as film:
        stream = choose_film(film, name=str(path))
        tick = time_base_of(stream)
        if not said:
            times = [pts for pts, _ in _times_of_packets(film, stream)]
            return (max(times) - min(times)) * tick if times else None
        if film.format.name.startswith("mpeg"):  # found in what is there; and its clock may be set anew on the way
            return said
        origin = Fraction(film.start_time or 0, av.time_base)
        for back in (*_SEARCH_BACK, said):
            with suppress(av.error.FFmpegError):  # where the film cannot be searched, all is read
                film.seek(int((origin + max(Fraction(0), said - back)) / tick), stream=stream)
            if times := [pts + duration for pts, duration in _times_of_packets(film, stream)]:
                end = max(Fraction(0), max(times) * tick - origin)
                return end if end < said - _SEARCH_BACK[0] else said
        return said


def frame_at(path: Path, at: Fraction, check: Callable[[], None]) -> ImageArray:
    """The first frame from this moment on, or the last one before it: a film may end earlier than it says.

    The search calls `check` with every frame, and ends with what that raises.
    """
    try:
        with open_reader(path, start=at or None) as reader:
            for frame in reader:
                return frame.image
    except InputError:
        if not at:
            raise
    for back in (*_SEARCH_BACK, at):
        image = _last_frame(path, max(Fraction(0), at - back), check)
        if image is not None:
            return image
    raise InputError(f"cannot read '{path}': no frame of it can be decoded")


def _last_frame(path: Path, start: Fraction, check: Callable[[], None]) -> ImageArray | None:
    """The last frame of all from `start` on; None if there is none there."""
    image = None
    check()
    try:
        with open_reader(path, start=start or None) as reader:
            for frame in reader:
                check()
                image = frame.image
    except InputError:
        if not start:
            raise
    return image


def _times_of_packets(film: InputContainer, stream: VideoStream) -> Iterator[tuple[int, int]]:
    """pts and duration, in ticks, from where the film stands as far as it can be read: its end may be damaged."""
    with suppress(av.error.FFmpegError, IndexError):
        for packet in film.demux(stream):
            if packet.pts is not None:
                yield packet.pts, packet.duration or 0
