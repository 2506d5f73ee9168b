"""Numbered pictures as a film: `f_%04d.png`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vidstyle.errors import InputError
from vidstyle.frames import Frame, VideoInfo
from vidstyle.media.notes import Notes
from vidstyle.media.numbered import numbered_name
from vidstyle.media.protocol import CopiedPacket, Reader
from vidstyle.media.scale import resize
from vidstyle.media.window import TimeWindow

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it

SEQUENCE_RATE = Fraction(25)
"""Frames a second of numbered pictures, which have no time of their own, unless told otherwise."""


@dataclass(frozen=True)
class Sequence:
    """The pictures that a pattern matches, by number, in order."""

    pattern: Path
    pictures: dict[int, Path]

    @property
    def gaps(self) -> list[range]:
        """The runs of numbers between the first and the last that no picture has."""
        return [range(a + 1, b) for a, b in pairwise(self.pictures) if b > a + 1]


def find_sequence(source: str | Path) -> Sequence | None:
    """The numbered pictures that `source` means; None if it has no `%d` in its name or is itself a file.

    Raises InputError if it is a pattern and nothing matches it, or two pictures have one number (f_1.png, f_01.png).
    """
    path = Path(source)
    name = numbered_name(path)
    if name is None or path.exists():
        return None
    try:
        found = name.existing()
    except OSError as error:
        raise InputError(f"cannot read '{source}': {error.strerror}") from error
    if not found:
        raise InputError(f"cannot read '{source}': no picture in '{path.parent}' has such a name")
    for (number, one), (next_number, other) in pairwise(found):
        if number == next_number:
            why = f"{one.name} and {other.name} are both number {number}; rename one"
            raise InputError(f"cannot read '{source}': {why}")
    return Sequence(path, dict(found))


class SequenceReader:
    """A numbered sequence as a film of `rate` frames a second. A missing number leaves the picture before it standing.

    `open_picture` opens one still picture. See `Reader` for the contract; there is no container.
    """

    def __init__(
        self,
        sequence: Sequence,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        rate: Fraction = SEQUENCE_RATE,
        open_picture: Callable[[Path], Reader],
    ) -> None:
        self._notes = Notes()
        self._open_picture = open_picture
        self._rate = rate
        self._window = TimeWindow(origin=Fraction(0), tick=1 / rate, start=start, end=end)
        self._base = self._window.tick
        zero = next(iter(sequence.pictures))
        self._part = {
            number - zero: path
            for number, path in sequence.pictures.items()
            if self._window.holds((number - zero) * self._base)
        }
        if not self._part:
            raise InputError(f"cannot read '{sequence.pattern}': no frames in the part that was asked for")
        self._note_numbers(sequence)
        self._info = self._describe(zero)
        self._events = self._run()

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame; size and colour are those of the first picture that opens."""
        return self._info

    @property
    def container(self) -> None:
        """A sequence has no container."""
        return None

    @property
    def video_stream(self) -> None:
        """A sequence has no streams."""
        return None

    @property
    def chapters(self) -> list[Chapter]:
        """A sequence has no chapters."""
        return []

    @property
    def warnings(self) -> list[str]:
        """Everything missing, repaired or lost so far, one line each."""
        return self._notes.lines()

    def __iter__(self) -> Iterator[Frame]:
        """Every picture once, in the order of their numbers."""
        return self._events

    def events(self) -> Iterator[Frame | CopiedPacket]:
        """The same: a sequence has no other streams."""
        return self._events

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._events.close()

    def _note_numbers(self, sequence: Sequence) -> None:
        numbers, gaps = list(sequence.pictures), sequence.gaps
        if gaps or numbers[0] > 1:
            self._notes.add(f"the sequence has {len(numbers)} pictures, {numbers[0]} to {numbers[-1]}")
        if gaps:
            runs = [str(gap[0]) if gap[0] == gap[-1] else f"{gap[0]} to {gap[-1]}" for gap in gaps]
            shown = ", ".join(runs[:10]) + (", ..." if len(runs) > 10 else "")
            missing = sum(gap.stop - gap.start for gap in gaps)
            self._notes.add(f"{missing} missing from the sequence ({shown}): the picture before stays")

    def _describe(self, zero: int) -> VideoInfo:
        ticks = list(self._part)
        return replace(
            self._first_info(),
            time_base=self._base,
            rate=self._rate,
            frames=len(self._part),
            duration=(ticks[-1] + 1 - ticks[0]) * self._base,
            container="sequence",
            first_number=zero + ticks[0],
        )

    def _first_info(self) -> VideoInfo:
        """That of the first picture that opens. Raises the first one's InputError if none does."""
        first_error: InputError | None = None
        for path in self._part.values():
            try:
                with self._open_picture(path) as picture:
                    return picture.info
            except InputError as error:  # noted where the frames are read, like every other damaged picture's
                first_error = first_error or error
        assert first_error is not None  # a part has pictures
        raise first_error

    def _run(self) -> Generator[Frame, None, None]:
        ticks = list(self._part)
        durations = [later - earlier for earlier, later in zip(ticks, [*ticks[1:], ticks[-1] + 1], strict=True)]
        index = 0
        for (tick, path), duration in zip(self._part.items(), durations, strict=True):
            try:
                with self._open_picture(path) as reader:
                    frame = self._scaled(next(iter(reader)))
                    self._note_losses(frame, reader.warnings)
            except InputError as error:
                self._notes.add(str(error))
                continue
            yield replace(frame, pts=tick - ticks[0], time_base=self._base, duration=duration, index=index)
            index += 1
        if index == 0:
            raise InputError("cannot read the sequence: no frames; none of its pictures could be decoded")

    def _note_losses(self, frame: Frame, warnings: list[str]) -> None:
        for line in warnings:
            self._notes.add(line)
        if frame.alpha is not None and not self._info.has_alpha and frame.alpha.min() < 255:
            self._notes.count("pictures with transparency, laid on black because the first one has none")

    def _scaled(self, frame: Frame) -> Frame:
        """The picture at the size of the first."""
        width, height = self._info.width, self._info.height
        if frame.image.shape[:2] == (height, width):
            return frame
        self._notes.count(f"pictures of another size, scaled to the first one's {width}x{height}")
        return replace(
            frame,
            image=resize(frame.image, width=width, height=height),
            alpha=None if frame.alpha is None else resize(frame.alpha, width=width, height=height),
        )
