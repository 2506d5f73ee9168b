from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest

from vidstyle.errors import InputError, Interrupted, OutputError
from vidstyle.fileloop import Event, FileLoop, Progress, expected_frames
from vidstyle.frames import Frame, FrameBatch, ImageArray, VideoInfo
from vidstyle.interrupts import stop_requests
from vidstyle.media.protocol import CopiedPacket

TICKS = Fraction(1, 1000)


@dataclass
class FakeReader:
    """Gives the events it was made of; `at_end` runs after them."""

    given: Sequence[Event]
    at_end: Callable[[], None] = lambda: None
    info: VideoInfo = field(default_factory=lambda: VideoInfo(width=8, height=6, time_base=TICKS, frames=10))
    warnings: list[str] = field(default_factory=list)

    def events(self) -> Iterator[Event]:
        yield from self.given
        self.at_end()


@dataclass
class FakeWriter:
    """Remembers what it was given, in order."""

    fails_at: int | None = None
    forgets: int | None = None
    events: list[Event] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    frames_written: int = 0

    def write(self, frame: Frame) -> None:
        if frame.index == self.fails_at:
            raise OutputError("no space left")
        self.events.append(frame)
        self.frames_written += frame.index != self.forgets

    def copy(self, packet: CopiedPacket) -> None:
        self.events.append(packet)

    def close(self, commit: bool) -> None:
        self.closed.append(commit)


def frame(index: int, *, width: int = 8) -> Frame:
    image = np.full((6, width, 3), index % 256, np.uint8)
    return Frame(image=image, pts=index * 7, time_base=TICKS, index=index)


def packet(stream: int = 1) -> CopiedPacket:
    return CopiedPacket(packet=av.Packet(b"sound"), stream=stream)


def invert(batch: FrameBatch) -> ImageArray:
    return 255 - batch.images


Paint = Callable[[FrameBatch], ImageArray]


def by_batch(paint: Paint) -> Callable[[Sequence[Frame]], Sequence[Frame]]:
    """A painter of arrays as the loop wants it, of frames."""

    def paint_frames(frames: Sequence[Frame]) -> Sequence[Frame]:
        batch = FrameBatch.stack(frames)
        return batch.with_images(paint(batch))

    return paint_frames


def run(reader: FakeReader, writer: FakeWriter, *, paint: Paint = invert, batch: int = 1) -> FileLoop:
    loop = FileLoop(reader, by_batch(paint), writer, batch=lambda: batch)  # type: ignore[arg-type]
    loop.run(lambda progress: None)
    return loop


def no_thread_is_left() -> bool:
    """Or within a second: a stage says that it has ended a moment before its thread has."""
    stages = [thread for thread in threading.enumerate() if thread.name.startswith("vidstyle-")]
    for thread in stages:
        thread.join(1.0)
    return not any(thread.is_alive() for thread in stages)


@pytest.mark.parametrize("batch", [1, 3, 4, 100])
def test_frames_and_packets_keep_the_order_of_the_file(batch: int) -> None:
    events: list[Event] = [packet(), packet()]
    for index in range(10):
        events += [frame(index)] if index % 3 else [frame(index), packet(), packet()]
    writer = FakeWriter()
    loop = run(FakeReader(events), writer, batch=batch)
    assert [type(event) for event in writer.events] == [type(event) for event in events]
    for given, came in zip(events, writer.events, strict=True):
        if isinstance(given, Frame):
            assert isinstance(came, Frame)
            assert (came.pts, came.index) == (given.pts, given.index)
            assert np.array_equal(came.image, 255 - given.image)
        else:
            assert came is given
    assert (loop.frames_in, loop.frames_out, writer.closed) == (10, 10, [True])
    assert set(loop.stages) == {"read", "paint", "write"}
    assert no_thread_is_left()


def test_batches_are_of_one_size_and_no_larger_than_asked() -> None:
    sizes = [8, 8, 8, 10, 10, 8]
    seen: list[tuple[int, ...]] = []

    def paint(batch: FrameBatch) -> ImageArray:
        seen.append(batch.images.shape[:3:2])
        return batch.images

    writer = FakeWriter()
    run(FakeReader([frame(i, width=w) for i, w in enumerate(sizes)]), writer, paint=paint, batch=2)
    assert seen == [(2, 8), (1, 8), (2, 10), (1, 8)]
    assert [event.image.shape[1] for event in writer.events if isinstance(event, Frame)] == sizes


def test_packets_do_not_pile_up_behind_a_batch_that_never_fills() -> None:
    passed: list[int] = []
    writer = FakeWriter()

    def at_end() -> None:
        for _ in range(100):
            if len(writer.events) >= 1000:
                break
            threading.Event().wait(0.05)
        passed.append(len(writer.events))

    run(FakeReader([frame(0), *[packet() for _ in range(2000)]], at_end=at_end), writer, batch=8)
    assert passed[0] >= 1000
    assert len(writer.events) == 2001


def test_a_fast_reader_is_held_back() -> None:
    ahead: list[int] = []
    writer = FakeWriter()
    loop: FileLoop

    def paint(batch: FrameBatch) -> ImageArray:
        ahead.append(loop.frames_in - batch.frames[0].index)
        return batch.images

    big = [Frame(image=np.zeros((600, 800, 3), np.uint8), pts=i, time_base=TICKS, index=i) for i in range(120)]
    loop = FileLoop(FakeReader(big), by_batch(paint), writer)  # type: ignore[arg-type]
    loop.run(lambda progress: None)
    assert max(ahead) <= 64 * 2**20 // big[0].image.nbytes + 2
    assert len(writer.events) == 120


def fail_with(error: Exception) -> Callable[..., ImageArray]:
    def fail(*_: object) -> ImageArray:
        raise error

    return fail


def test_a_reader_that_fails_is_what_is_raised() -> None:
    error = InputError("torn")
    writer = FakeWriter()
    with pytest.raises(InputError) as caught:
        run(FakeReader([frame(0), frame(1)], at_end=fail_with(error)), writer)
    assert caught.value is error
    assert True not in writer.closed
    assert no_thread_is_left()


def test_a_painter_that_fails_is_what_is_raised() -> None:
    error = ZeroDivisionError("engine")
    writer = FakeWriter()
    with pytest.raises(ZeroDivisionError) as caught:
        run(FakeReader([frame(i) for i in range(1000)]), writer, paint=fail_with(error))
    assert caught.value is error
    assert True not in writer.closed
    assert no_thread_is_left()


def test_a_writer_that_fails_is_what_is_raised_while_others_wait_for_room() -> None:
    writer = FakeWriter(fails_at=2)
    big = [Frame(image=np.zeros((600, 800, 3), np.uint8), pts=i, time_base=TICKS, index=i) for i in range(200)]
    with pytest.raises(OutputError, match="no space left"):
        run(FakeReader(big), writer)
    assert True not in writer.closed
    assert no_thread_is_left()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_stage_that_hangs_is_abandoned_at_the_second_signal() -> None:
    """Before Python 3.13 a thread whose `join` was interrupted by an exception counts as dead ever after."""
    hangs, go_on = threading.Event(), threading.Event()
    writer = FakeWriter()

    def hang(frame: Frame) -> None:
        hangs.set()
        go_on.wait(20)

    def send_signals() -> None:
        hangs.wait(20)
        for _ in range(2):
            time.sleep(0.25)
            os.kill(os.getpid(), signal.SIGINT)

    writer.write = hang  # type: ignore[method-assign]
    loop = FileLoop(FakeReader([frame(0)]), by_batch(invert), writer)
    sender = threading.Thread(target=send_signals)
    sender.start()
    with stop_requests() as stop, pytest.raises(Interrupted):
        loop.run(lambda progress: None, stop=stop)
    sender.join()
    assert loop.abandoned
    go_on.set()
    assert no_thread_is_left()
    assert writer.closed == []  # nor does it go on with what the others still hold


def test_a_film_without_frames_is_an_error() -> None:
    writer = FakeWriter()
    with pytest.raises(InputError, match="no frame"):
        run(FakeReader([packet()]), writer)
    assert True not in writer.closed


def test_a_frame_that_gets_lost_is_never_reported_as_success() -> None:
    writer = FakeWriter(forgets=3)
    with pytest.raises(OutputError, match="6 frames were read but 5 written"):
        run(FakeReader([frame(i) for i in range(6)]), writer)
    assert True not in writer.closed


def test_frames_are_scaled_with_their_alpha_before_painting() -> None:
    original = Frame(
        image=np.full((6, 8, 3), 9, np.uint8), pts=0, time_base=TICKS, index=0, alpha=np.full((6, 8), 77, np.uint8)
    )
    writer = FakeWriter()
    FileLoop(FakeReader([original]), by_batch(invert), writer, size=(16, 12)).run(lambda p: None)  # type: ignore[arg-type]
    [scaled] = writer.events
    assert isinstance(scaled, Frame)
    assert scaled.image.shape == (12, 16, 3)
    assert scaled.alpha is not None
    assert scaled.alpha.shape == (12, 16)
    assert (scaled.alpha == 77).all()


def test_progress_estimates_from_frames_done() -> None:
    assert Progress(frames=50, total=200, seconds=10).fps == 5
    assert Progress(frames=50, total=200, seconds=10).seconds_left == 30
    assert Progress(frames=250, total=200, seconds=10).seconds_left == 0
    assert Progress(frames=0, total=200, seconds=10).seconds_left is None
    assert Progress(frames=5, total=None, seconds=10).seconds_left is None


def test_expected_frames_come_from_the_count_or_the_duration() -> None:
    def info(frames: int | None = None, duration: Fraction | None = None) -> VideoInfo:
        return VideoInfo(
            width=8, height=8, time_base=TICKS, frames=frames, duration=duration, rate=Fraction(30000, 1001)
        )

    assert expected_frames(info(frames=12)) == 12
    assert expected_frames(info(duration=Fraction(1001, 1000))) == 30
    assert expected_frames(info()) is None
