"""`render`: a film in, the same film out, painted. Puts reader, painter and writer together."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from vidstyle.backends.protocol import Say
from vidstyle.fileloop import FileLoop, Progress
from vidstyle.frames import FrameBatch, ImageArray, VideoInfo
from vidstyle.media.protocol import Reader, Writer
from vidstyle.media.reader import open_reader
from vidstyle.media.writer import check_target, open_writer
from vidstyle.painter import Look, Painter
from vidstyle.report import RenderReport
from vidstyle.settings import RenderOptions
from vidstyle.styles import Library

if TYPE_CHECKING:
    from vidstyle.motion.stabiliser import Stabiliser

DEFAULT_BATCH = 1
"""Frames painted at once where nobody asked: on CPUs a larger batch gains nothing and costs memory."""


def render(
    source: str,
    target: str,
    *,
    options: RenderOptions | None = None,
    library: Library | None = None,
    say: Say = lambda line: None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> RenderReport:
    """Paint the film `source` into `target` and tell what was done.

    Both are file names, `-`, pictures or numbered sequences. The target is checked before anything
    is loaded, and holds a complete film or nothing. Raises the errors of `vidstyle.errors`:
    UsageError, InputError, OutputError, StyleError, BackendError, Interrupted.
    """
    options = options or RenderOptions()
    check_target(source, target, options=options)
    if options.mode == "gatys":
        from vidstyle import gatys

        return gatys.render(source, target, options=options, library=library, say=say, progress=progress)
    library = library or Library()
    network = library.network(options.network)
    look = Look(
        mix=library.mix(options.styles, network, options.strength),
        keep_colors=options.keep_colors,
        stroke=options.stroke,
    )
    painter = Painter(
        network,
        backend=options.backend,
        device=options.device,
        precision=options.precision,
        batch=options.batch or DEFAULT_BATCH,
        say=say,
    )
    with ExitStack() as stack:
        reader = open_reader(source, start=options.start, end=options.end)
        loop = FileLoop(
            reader,
            _paint(painter, look, stabilize=options.stabilize),
            _writer_opener(reader, target, options),
            size=options.size,
            batch=lambda: painter.batch,
        )
        # A stage that hangs in a library call still uses what it has: then leave it to the process's end.
        stack.callback(lambda: None if loop.abandoned else _close(painter, reader))
        painter.prepare(loop.info.width, loop.info.height, look=look)
        cpu = time.process_time()
        loop.run(progress)
        cpu = time.process_time() - cpu
        warnings = [*reader.warnings, *painter.warnings, *loop.warnings]
    return _report(source, target, options, loop=loop, painter=painter, cpu=cpu, warnings=warnings)


def _close(painter: Painter, reader: Reader) -> None:
    painter.close()
    reader.__exit__(None, None, None)


def _paint(painter: Painter, look: Look, *, stabilize: bool) -> Callable[[FrameBatch], ImageArray]:
    """What the loop calls for every batch: the painter, then the stabiliser where it is asked for."""
    if not stabilize:
        return lambda batch: painter.paint(batch.images, look)
    from vidstyle.motion.stabiliser import Stabiliser

    stabiliser: Stabiliser = Stabiliser()

    def paint(batch: FrameBatch) -> ImageArray:
        painted = painter.paint(batch.images, look)
        return np.stack([stabiliser.apply(film, paint) for film, paint in zip(batch.images, painted, strict=True)])

    return paint


def _writer_opener(reader: Reader, target: str, options: RenderOptions) -> Callable[[VideoInfo], Writer]:
    return lambda info: open_writer(target, info, reader=reader, options=options)


def _report(
    source: str,
    target: str,
    options: RenderOptions,
    *,
    loop: FileLoop,
    painter: Painter,
    cpu: float,
    warnings: list[str],
) -> RenderReport:
    engine = painter.engine_info
    return RenderReport(
        input=source,
        output=target,
        frames_in=loop.frames_in,
        frames_out=loop.frames_out,
        width=loop.info.width,
        height=loop.info.height,
        seconds=loop.seconds,
        fps=loop.frames_out / loop.seconds,
        backend=engine.backend if engine else None,
        device=engine.device if engine else None,
        precision=engine.precision if engine else None,
        styles=dict(options.styles),
        strength=options.strength,
        network=options.network,
        warnings=warnings,
        notes=painter.notes,
        cpu_seconds=cpu,
        stages=loop.stages,
    )
