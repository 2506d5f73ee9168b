"""`render --mode gatys`: paint every shot into the store, then write the film from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidstyle import __version__
from vidstyle.backends.cpu import processor
from vidstyle.backends.protocol import Say
from vidstyle.backends.torch import find_device
from vidstyle.compositing import cross_fade, keep_chroma
from vidstyle.errors import BackendError, InputError, UsageError
from vidstyle.fileloop import Progress, scaled
from vidstyle.frames import Frame, ImageArray
from vidstyle.gatys.memory import room_for
from vidstyle.gatys.options import GatysOptions, parse_gatys
from vidstyle.gatys.palette import Painting, find_paintings, luma, make_palette
from vidstyle.gatys.progress import Account
from vidstyle.gatys.shots import find_shots
from vidstyle.gatys.stills import StillPainter, quick_copy, to_image, to_tensor
from vidstyle.gatys.store import Shot, Store
from vidstyle.gatys.through_time import ShotPainter, in_turn
from vidstyle.interrupts import stop_requests
from vidstyle.media.pictures import refuse_several
from vidstyle.media.protocol import Reader, Writer
from vidstyle.media.reader import open_reader
from vidstyle.media.writer import EncodeOptions, open_writer
from vidstyle.motion.flow import DisFlow, FlowEstimator
from vidstyle.networks.network import Network
from vidstyle.networks.vgg import load_vgg
from vidstyle.painter import Look, Painter
from vidstyle.report import RenderReport, total_weights
from vidstyle.settings import RenderOptions
from vidstyle.style_library import Library
from vidstyle.styles import DEFAULT_NETWORK


class GatysJob:
    """One `render --mode gatys`, from the source to the finished film."""

    def __init__(
        self,
        source: str,
        target: str,
        *,
        options: RenderOptions,
        library: Library | None,
        say: Say,
        progress: Callable[[Progress], None],
    ) -> None:
        if target == "-" or source == "-":
            raise UsageError("Gatys mode goes through the film twice and keeps checkpoints: give it file names, not -")
        self.source, self.target, self.options = source, target, options
        self.gatys: GatysOptions = parse_gatys(options.gatys)
        if options.backend != "auto" and self.gatys.start != "fast":
            raise UsageError(
                f"backend {options.backend} is for the network, which Gatys mode uses with --gatys start=fast only: "
                "leave it out, or say auto"
            )
        self._say, self._progress = say, progress
        self._start: tuple[Network, Look] | None = None
        library = library or Library()
        if self.gatys.start == "fast":
            network = library.network(options.network)
            self._start = network, Look(mix=library.mix([(self.gatys.fast, 1.0)], network))
        elif options.network != DEFAULT_NETWORK:  # one that was named has to be there, though only start=fast uses it
            library.network(options.network)
        self._store = Store(target)
        self._paintings: list[Painting] = []
        self._began, self._cpu_began = time.monotonic(), time.process_time()
        self._device = _device(options.device)
        self._precision = _precision(options.precision, self._device)

    def run(self) -> RenderReport:
        """Paint what is not painted yet and write the film; with `shots`, only paint that part."""
        if self.options.stabilize:
            self._say("Gatys mode holds frames steady by its own loss: --stabilize adds nothing")
        with stop_requests(), room_for(*self._size):
            self._paintings = find_paintings(self.options.styles)
            with self._open() as reader:  # what cannot be written is refused now, not when everything is painted
                self._open_writer(reader).close(commit=False)
            if not (self.options.strength or self.gatys.shots):  # the film as it is: nothing has to be painted
                return replace(self._write_film(), backend=None, device=None, precision=None)
            # What is missing is refused before the film is gone through and an older rendering given up. Where one is
            # gone on with, all may be painted, for which neither is needed.
            if not (self.options.resume and self._store.folder.exists()):
                _ = self._stills, self._flow
            shots, checksum = self._find_shots()
            refuse_several(Path(self.target), shots[-1].last + 1)
            self._store.open(
                self._description(shots, checksum),
                resume=self.options.resume,
                overwrite=self.options.overwrite,
            )
            number, count = self.gatys.share
            mine = shots[number - 1 :: count]
            try:
                self._paint_shots([shot for shot in mine if not self._finished(shot)])
            finally:
                if not self.gatys.shots:  # others may be about to write their first frames into it
                    self._store.leave()
            if self.gatys.shots:
                self._say(f"part {self.gatys.shots} is done; --resume without shots joins all parts")
                return self._report(painted=sum(len(s.frames) for s in mine), written=0, warnings=[])
            report = self._write_film()
            self._store.remove()
            return report

    def _open(self) -> Reader:
        return open_reader(self.source, start=self.options.start, end=self.options.end, rate=self.options.rate)

    @cached_property
    def _size(self) -> tuple[int, int]:
        """The painted frames' (width, height)."""
        with self._open() as reader:
            size = (reader.info.width, reader.info.height)
        return self.options.size.apply(*size) if self.options.size else size

    def _scaled(self, frame: Frame) -> Frame:
        return scaled(frame, width=self._size[0], height=self._size[1])

    def _find_shots(self) -> tuple[list[Shot], int]:
        with self._open() as reader:
            shots, checksum = find_shots(reader, rate=reader.info.rate)
        if not shots:
            raise InputError(f"{self.source}: no frame could be read")
        return shots, checksum

    def _description(self, shots: list[Shot], checksum: int) -> dict[str, Any]:
        """What must be the same for a rendering to be gone on with. `shots` and machine do not count."""
        gatys = asdict(self.gatys)
        gatys.pop("shots")
        start, end, rate = self.options.start, self.options.end, self.options.rate
        return {
            "vidstyle": __version__,
            "source": Path(self.source).name,
            "source_checksum": f"{checksum:08x}",
            "size": list(self._size),
            "part": [str(start), str(end), *([str(rate)] if rate else [])],
            "paintings": [[p.weight, p.sha256] for p in self._paintings],
            "stroke": self.options.stroke,
            "keep_colors": self.options.keep_colors,
            "precision": self._precision,
            "shots": [[s.first, s.last] for s in shots],
            **({"network": self.options.network} if self.gatys.start == "fast" else {}),
            **gatys,
        }

    @cached_property
    def _stills(self) -> StillPainter:
        options = self.gatys
        vgg = load_vgg(options.vgg, pooling=options.pooling, say=self._say).to(self._device)
        palette = make_palette(self._paintings, options.masks, grey=self.options.keep_colors, device=self._device)
        quick = quick_copy(vgg) if self._precision == "bf16" else None
        return StillPainter(vgg, palette, options, quick=quick, stroke=self.options.stroke)

    @contextmanager
    def _base(self) -> Iterator[Callable[[ImageArray], ImageArray]]:
        """What new regions start from: the network's painting, or the film."""
        if self._start is None:
            yield lambda film: film
            return
        network, look = self._start
        with closing(Painter(network, backend=self.options.backend, say=self._say)) as painter:
            yield lambda film: painter.paint(film[None], look)[0]

    @cached_property
    def _flow(self) -> FlowEstimator:
        if self.gatys.flow == "dis":
            return DisFlow("medium")
        from vidstyle.motion.raft import load_raft

        return load_raft(self._device)

    def _finished(self, shot: Shot) -> bool:
        return all(self._store.load(number, turn=self.gatys.passes) is not None for number in shot.frames)

    def _paint_shots(self, shots: list[Shot]) -> None:
        if not shots:
            return
        frames_wanted = sum(len(shot.frames) for shot in shots)
        if frames_wanted > 1:
            self._say(f"{frames_wanted} frames to paint in {len(shots)} shot{'s' if len(shots) > 1 else ''}")
        account = self._account(shots)
        with self._base() as base, self._open() as reader:
            frames = map(self._scaled, reader)
            for shot in shots:
                films = self._films(frames, shot)
                for turn in range(1, self.gatys.passes + 1):
                    painter = ShotPainter(self._stills, self._flow, base)
                    order = in_turn(shot.frames, turn)
                    for place, number in enumerate(order):
                        film = next(films) if turn == 1 else self._store.film(number)
                        if film is None:
                            raise InputError(f"{self._store.folder}: frame {number} of the film is damaged; start over")
                        self._frame(painter, number, film, before=order[:place], turn=turn, account=account)
                    self._store.forget_pairs(order, turn=turn)
        frames_now = "1 frame" if account.painted == 1 else f"{account.painted} frames"
        self._say(f"{frames_now} painted now, {account.iterations} iterations")

    def _account(self, shots: list[Shot]) -> Account:
        """Only a shot's first frame in its first pass takes all iterations."""
        frames = self.gatys.passes * sum(len(shot.frames) for shot in shots)
        others = frames - len(shots)
        return Account(
            self._store,
            self.gatys,
            size=self._size,
            firsts=len(shots),
            others=others,
            say=self._say,
            progress=self._progress,
        )

    def _films(self, frames: Iterator[Frame], shot: Shot) -> Iterator[ImageArray]:
        """The shot's film frames, grey where colours are kept, stored where passes need them."""
        for frame in frames:
            if frame.index < shot.first:
                continue
            film = frame.image
            if self.options.keep_colors:
                film = to_image(luma(to_tensor(film)))
            if self.gatys.passes > 1:
                self._store.save_film(frame.index, film)
            yield film
            if frame.index == shot.last:
                return

    def _frame(
        self,
        painter: ShotPainter,
        number: int,
        film: ImageArray,
        *,
        before: range,
        turn: int,
        account: Account,
    ) -> None:
        """Paint frame `number`, or find it painted; `before` are the shot's frames that are done."""
        first = turn == 1 and not painter.begun
        result = self._store.load(number, turn=turn)
        if result is not None and result.shape == film.shape:
            painter.skip(film, result)
            account.found(first=first)
        else:
            earlier = self._store.load(number, turn=turn - 1) if turn > 1 else None
            if not painter.pairs:
                kept = self._store.load_pairs(before, turn=turn)
                painter.pairs = [(moved.to(self._device), change.to(self._device)) for moved, change in kept]
            painted = painter.paint(film, earlier=earlier, on_step=partial(account.step, first=first))
            if painted.outcome is not None and painter.pairs:
                self._store.save_pairs(number, painter.pairs, turn=turn, before=before)
            self._store.save(number, painted.image, turn=turn)
            account.frame(number, painted, first=first)

    def _open_writer(self, reader: Reader) -> Writer:
        options = self.options
        encode = EncodeOptions(
            codec=options.codec, crf=options.crf, audio=options.audio, bit_depth=options.bit_depth, size=self._size
        )
        return open_writer(self.target, source=reader, options=encode, overwrite=options.overwrite)

    def _write_film(self) -> RenderReport:
        """Second time through the source: its sound and times, the store's pictures."""
        with self._open() as reader, self._open_writer(reader) as writer:
            for event in reader.events():
                if isinstance(event, Frame):
                    writer.write(self._finish(event))
                else:
                    writer.copy(event)
            warnings = [*reader.warnings, *writer.warnings]
        return self._report(painted=writer.frames_written, written=writer.frames_written, warnings=warnings)

    def _painted(self, number: int, film: ImageArray) -> ImageArray:
        """What the film shows in place of its own frame `number`."""
        if not self.options.strength:
            return film
        result = self._store.load(number, turn=self.gatys.passes)
        if result is None:
            raise InputError(f"{self._store.folder}: frame {number} is not painted; run its part, or --resume")
        if self.options.keep_colors:
            result = keep_chroma(film[None], result[None])[0]
        if self.options.strength < 1:
            result = cross_fade(film[None], result[None], self.options.strength)[0]
        return result

    def _finish(self, frame: Frame) -> Frame:
        frame = self._scaled(frame)
        return frame.with_image(np.ascontiguousarray(self._painted(frame.index, frame.image)))

    def _report(self, *, painted: int, written: int, warnings: list[str]) -> RenderReport:
        seconds = time.monotonic() - self._began
        return RenderReport(
            input=self.source,
            output=self.target,
            frames_in=painted,
            frames_out=written,
            width=self._size[0],
            height=self._size[1],
            seconds=seconds,
            fps=painted / seconds,
            backend="gatys",
            device=str(self._device),
            precision=self._precision,
            styles=total_weights(self.options.styles),
            strength=self.options.strength,
            network=self.gatys.vgg,
            warnings=warnings,
            cpu_seconds=time.process_time() - self._cpu_began,
        )


def _device(name: str) -> torch.device:
    """The torch device that `--device` means; by itself none but those that were tried. Raises BackendError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(find_device(name))


def _precision(asked: str, device: torch.device) -> str:
    """fp32 or bf16: what `--precision` asks for, or the device is good at. Raises BackendError."""
    if asked in ("fp16", "int8"):
        raise BackendError(f"Gatys mode computes in fp32 or bf16, not {asked}")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if processor().bf16 else "fp32"
