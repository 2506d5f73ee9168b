"""The file loop: read, paint and write in three threads, every frame once and in order.

Bounded channels between the threads hold the fast ones back; sound and other packets travel in the
same channels, so the writer gets everything in the order of the file. Whatever stage fails first
stops the others, and its exception is the one that `render` raises.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from vidstyle.channel import Channel, ChannelClosed
from vidstyle.errors import InputError, OutputError
from vidstyle.frames import DeviceFrame, Frame, VideoInfo
from vidstyle.interrupts import TICK, StopRequest
from vidstyle.media.protocol import CopiedPacket, FrameSource, Writer
from vidstyle.media.scale import resize
from vidstyle.report import StageTime

CHANNEL_BYTES = 64 << 20
CHANNEL_BATCHES = 3
"""A channel holds `CHANNEL_BYTES`, but at least this many batches, so that no stage starves."""

MOST_WAITING = 256
"""Packets that may wait for a batch to fill before it is painted as it is."""

Event = Frame | CopiedPacket
F = TypeVar("F", Frame, DeviceFrame)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a rendering is. `frames` done of `total` (None where unknown) after `seconds`."""

    frames: int
    total: int | None
    seconds: float

    @property
    def fps(self) -> float:
        """Frames a second so far."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the mean speed; None where the total is unknown or nothing is done yet."""
        if self.total is None or not self.frames:
            return None
        return max(0, self.total - self.frames) * self.seconds / self.frames


class FileLoop(Generic[F]):
    """One run from `reader` through `paint` to `writer`; opening and closing them is the caller's.

    `paint` gets frames of one size and gives the same moments painted. Before, frames in host memory are scaled to
    `size` (width, height). `batch` is asked before every batch: the painter may lower it.
    """

    def __init__(
        self,
        reader: FrameSource[F],
        paint: Callable[[Sequence[F]], Iterable[Frame]],
        writer: Writer,
        *,
        size: tuple[int, int] | None = None,
        batch: Callable[[], int] = lambda: 1,
    ) -> None:
        self.reader: FrameSource[F] = reader
        self.paint: Callable[[Sequence[F]], Iterable[Frame]] = paint
        self.writer = writer
        self.batch = batch
        self.width, self.height = size or (reader.info.width, reader.info.height)
        self._scaled = size is not None
        frame_bytes = self.width * self.height * 3
        capacity = max(CHANNEL_BYTES, CHANNEL_BATCHES * batch() * frame_bytes)
        self.decoded: Channel[F | CopiedPacket] = Channel(capacity)
        self.painted: Channel[Event] = Channel(capacity)
        self.frames_in = 0
        self.frames_out = 0
        self.seconds = self.cpu_seconds = 0.0
        self.stages: dict[str, StageTime] = {}
        # Not `Thread.is_alive`: before Python 3.13 that is False for ever once a signal's exception interrupted `join`.
        self._ended: dict[str, threading.Event] = {}
        self._request = StopRequest()
        self._failure: BaseException | None = None
        self._committed = False

    def run(self, progress: Callable[[Progress], None], *, stop: StopRequest | None = None) -> None:
        """Run to the end. Raises what the failing stage raised, or Interrupted; then nothing is committed."""
        began, cpu = time.perf_counter(), time.process_time()
        total = expected_frames(self.reader.info)
        works = {"read": self._read, "paint": self._paint, "write": self._write}
        self._request = stop or StopRequest()
        # Cutting the first channel ends the run after the batch in hand, even where the reader hangs.
        self._request.finish = self.decoded.cut
        if self._request.error:
            self.decoded.cut()  # asked before there was anything to cut
        with self._stopping():
            for name, work in works.items():
                self._ended[name] = threading.Event()
                thread = threading.Thread(target=self._stage, args=(name, work), name=f"vidstyle-{name}", daemon=True)
                thread.start()
            running = True
            while running:  # and once more: also a film that is over at once has made progress
                self._ended["write"].wait(TICK)
                running = not (self._ended["write"].is_set() and self._ended["paint"].is_set())
                progress(Progress(frames=self.frames_out, total=total, seconds=time.perf_counter() - began))
        self.seconds, self.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        if self._failure:
            raise self._failure
        if self._request.error and not self._committed:
            raise type(self._request.error)(f"{self._request.error} after {self.frames_out} frames")

    @property
    def abandoned(self) -> bool:
        """Whether a stage still hangs in a library call, so that what it uses must not be closed."""
        return not all(ended.is_set() for ended in self._ended.values())

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._break_off()
            raise
        finally:
            for ended in self._ended.values():
                ended.wait(1.0)

    def _stage(self, name: str, work: Callable[[], float]) -> None:
        wall, cpu, waited = time.perf_counter(), time.thread_time(), 0.0
        try:
            waited = work()
        except ChannelClosed:
            pass  # another stage failed or the user stopped: that is what the main thread raises
        except BaseException as error:  # whatever it is, the main thread raises it
            self._failure = self._failure or error
            self._break_off()
        busy = time.perf_counter() - wall - waited
        self.stages[name] = StageTime(busy_seconds=busy, cpu_seconds=time.thread_time() - cpu)
        self._ended[name].set()

    def _break_off(self) -> None:
        self.decoded.break_off()
        self.painted.break_off()

    def _read(self) -> float:
        for event in self.reader.events():
            if isinstance(event, CopiedPacket):
                self.decoded.put(event, event.packet.size)
                continue
            frame = self._fit(event)
            self.decoded.put(frame, frame.image.nbytes)
            self.frames_in += 1
        self.decoded.end()
        return self.decoded.waited_to_put

    def _fit(self, frame: F) -> F:
        if not self._scaled or not isinstance(frame, Frame):
            return frame
        return scaled(frame, width=self.width, height=self.height)

    def _paint(self) -> float:
        waiting: list[F | CopiedPacket] = []
        for event in self.decoded:
            frames = [e for e in waiting if not isinstance(e, CopiedPacket)]
            if not isinstance(event, CopiedPacket):
                if frames and frames[0].image.shape != event.image.shape:
                    self._paint_batch(waiting, frames)
                    waiting, frames = [], []
                frames.append(event)
            waiting.append(event)
            if not frames or len(frames) >= self.batch() or len(waiting) > MOST_WAITING:
                self._paint_batch(waiting, frames)
                waiting = []
        self._paint_batch(waiting, [e for e in waiting if not isinstance(e, CopiedPacket)])
        self.painted.end()
        return self.decoded.waited_to_take + self.painted.waited_to_put

    def _paint_batch(self, events: Sequence[F | CopiedPacket], frames: Sequence[F]) -> None:
        """Paint the frames among `events` and pass everything on in the order it came."""
        painted = iter(self.paint(frames)) if frames else iter(())
        for event in events:
            if isinstance(event, CopiedPacket):
                self.painted.put(event, event.packet.size)
            else:
                frame = next(painted)
                self.painted.put(frame, frame.image.nbytes)

    def _write(self) -> float:
        for event in self.painted:
            if isinstance(event, Frame):
                self.writer.write(event)
                self.frames_out = self.writer.frames_written
            else:
                self.writer.copy(event)
        self._finish()
        return self.painted.waited_to_take

    def _finish(self) -> None:
        """Close the writer; commit only what is whole."""
        interrupted = self._request.error is not None
        if not interrupted and not self.frames_in:
            raise InputError("no frame of the film could be decoded; nothing was written")
        if not interrupted and self.frames_out != self.frames_in:
            raise OutputError(
                f"{self.frames_in} frames were read but {self.frames_out} written; "
                "the result is not kept: please report this as a bug"
            )
        self.writer.close(commit=not interrupted)
        self._committed = not interrupted


def scaled(frame: Frame, *, width: int, height: int) -> Frame:
    """The frame, and its alpha, at another size."""
    alpha = None if frame.alpha is None else resize(frame.alpha, width=width, height=height)
    return replace(frame, image=resize(frame.image, width=width, height=height), alpha=alpha)


def expected_frames(info: VideoInfo) -> int | None:
    """How many frames will come, as far as the container tells."""
    if info.frames:
        return info.frames
    return round(info.duration * info.rate) if info.duration and info.rate else None
