"""`render`: a film in, the same film out, painted. Puts reader, painter and writer together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidstyle.backends.cpu import processor
from vidstyle.backends.protocol import Say
from vidstyle.backends.registry import check_backend
from vidstyle.errors import BackendError, UsageError
from vidstyle.fileloop import FileLoop, Progress
from vidstyle.frames import DeviceFrame, Frame, FrameBatch, ImageArray
from vidstyle.gatys.options import parse_painting
from vidstyle.interrupts import StopRequest, interruptible, stop_requests
from vidstyle.media import nvdec
from vidstyle.media.protocol import FrameSource, Reader, Writer
from vidstyle.media.reader import FilmReader, open_reader
from vidstyle.media.writer import EncodeOptions, check_target, open_writer
from vidstyle.networks.network import Network
from vidstyle.painter import Look, Painter
from vidstyle.report import RenderReport, total_weights
from vidstyle.settings import RenderOptions
from vidstyle.style_library import Library
from vidstyle.styles import parse_style

LARGEST_DEFAULT_BATCH = 4
"""Most frames painted at once where nobody asked: more cost memory and gain little."""

Loop = FileLoop[Frame] | FileLoop[DeviceFrame]


def render(
    source: str | Path,
    target: str | Path,
    *,
    styles: Sequence[str] | None = None,
    options: RenderOptions | None = None,
    library: Library | None = None,
    say: Say = lambda line: None,
    progress: Callable[[Progress], None] = lambda progress: None,
    stop: StopRequest | None = None,
) -> RenderReport:
    """Paint the film `source` into `target` and tell what was done.

    Both are file names, `-`, pictures or numbered sequences. The target is checked before anything
    is loaded, and holds a complete film or nothing. `styles`, as on the command line ("mosaic",
    "waves:0.5", in Gatys mode "painting.jpg"), stand in for those of `options`; they are looked for in `library`, or in
    the shipped and the user's own. `say` gets lines about what takes time, `progress` is called some ten times a second
    in the calling thread. `stop` lets another thread end it early, as Ctrl-C does in the main one (not in Gatys mode,
    which is stopped by signals alone). Raises UsageError, InputError, OutputError, StyleError, BackendError,
    Interrupted.
    """
    options = options or RenderOptions()
    if styles is not None:
        options = replace(options, styles=_parsed(styles, options.mode))
    source, target = str(source), str(target)
    check_target(source, target, overwrite=options.overwrite)
    check_backend(options.backend)  # here, as not every mode and strength opens an engine
    if options.mode == "gatys":
        from vidstyle import gatys

        return gatys.render(source, target, options=options, library=library, say=say, progress=progress)
    library = library or Library()
    network = library.network(options.network)
    mix = library.mix(options.styles, network, options.strength)
    for note in mix.notes:
        say(note)
    look = Look(mix=mix, keep_colors=options.keep_colors, stroke=options.stroke)
    if options.decode == "nvdec":
        options = _on_one_gpu(options)
    painter = _painter(network, options, say)
    with stop_requests(stop) as stop, ExitStack() as stack:
        reader = stack.enter_context(interruptible(lambda: _open(source, options)))
        size = options.size.apply(reader.info.width, reader.info.height) if options.size else None
        writer = stack.enter_context(
            open_writer(target, source=reader, options=_encoding(options, size), overwrite=options.overwrite)
        )
        stack.enter_context(painter)
        loop = _loop(reader, painter, writer, look=look, options=options, size=size)
        painter.prepare(loop.width, loop.height, look=look)
        try:
            loop.run(progress, stop=stop)
        finally:
            if loop.abandoned:
                stack.pop_all()  # a stage hangs in a library call and still uses them: the process's end closes them
        warnings = [*reader.warnings, *painter.warnings, *writer.warnings]
    networks = [part.network or network for part in mix.parts]
    return _report(source, target, options, networks=networks, loop=loop, painter=painter, warnings=warnings)


def _parsed(styles: Sequence[str], mode: str) -> tuple[tuple[str, float], ...]:
    """The styles with their weights. Raises UsageError, also for a single word, whose letters would be the styles."""
    if isinstance(styles, str) or not all(isinstance(text, str) for text in styles):
        raise UsageError(
            f'styles is {styles!r}; give a list of words, such as ["mosaic", "waves:0.5"]: pairs of name and weight '
            "go into RenderOptions(styles=...)"
        )
    parse = parse_painting if mode == "gatys" else parse_style
    return tuple(parse(text) for text in styles)


def default_batch() -> int:
    """Two frames for each processor: one on each wastes less time than one on all, the next ones leave no gap."""
    return min(2 * processor().threads, LARGEST_DEFAULT_BATCH)


def _painter(network: Network, options: RenderOptions, say: Say) -> Painter:
    return Painter(
        network,
        backend=options.backend,
        device=options.device,
        precision=options.precision,
        batch=options.batch or default_batch(),
        tile=options.tile,
        say=say,
    )


def _encoding(options: RenderOptions, size: tuple[int, int] | None) -> EncodeOptions:
    return EncodeOptions(
        codec=options.codec, crf=options.crf, audio=options.audio, bit_depth=options.bit_depth, size=size
    )


def _on_one_gpu(options: RenderOptions) -> RenderOptions:
    """The options with the engine, and the decoder, settled on one GPU. Raises BackendError."""
    if options.backend not in ("auto", "torch"):
        raise nvdec.refusal(f"backend {options.backend} takes no frames from a GPU's memory, torch does")
    return replace(options, backend="torch", device=nvdec.gpu(options.device))


def _open(source: str, options: RenderOptions) -> Reader:
    if options.decode == "nvdec":
        return nvdec.open_film(source, device=options.device, start=options.start, end=options.end)
    return open_reader(source, start=options.start, end=options.end, rate=options.rate)


def _loop(
    reader: Reader,
    painter: Painter,
    writer: Writer,
    *,
    look: Look,
    options: RenderOptions,
    size: tuple[int, int] | None,
) -> Loop:
    """The loop over frames in host memory or, with NVDEC, over those in the GPU's."""
    if options.decode == "nvdec":
        film = _on_device(reader, painter, look)
        return FileLoop(film, _paint_on_device(painter, look), writer, batch=lambda: painter.batch)
    paint = _paint(painter, look, stabilize=options.stabilize)
    return FileLoop(reader, paint, writer, size=size, batch=lambda: painter.batch)


def _paint(painter: Painter, look: Look, *, stabilize: bool) -> Callable[[Sequence[Frame]], Iterable[Frame]]:
    """What the loop calls for every batch: the painter, then the stabiliser where it is asked for."""
    # At strength 0 the film comes out as it is, and a stabiliser smooths noise.
    stabilizer = _stabilizer() if stabilize and look.mix.strength else None

    def paint(frames: Sequence[Frame]) -> Iterable[Frame]:
        batch = FrameBatch.stack(frames)
        painted = painter.paint(batch.images, look)
        return batch.with_images(stabilizer(batch.images, painted) if stabilizer else painted)

    return paint


def _paint_on_device(painter: Painter, look: Look) -> Callable[[Sequence[DeviceFrame]], Iterable[Frame]]:
    """The same for frames in the GPU's memory, which no stabiliser takes."""

    def paint(frames: Sequence[DeviceFrame]) -> Iterable[Frame]:
        painted = painter.paint_on_device([frame.image for frame in frames], look)
        return [frame.with_image(image) for frame, image in zip(frames, painted, strict=True)]

    return paint


def _on_device(reader: Reader, painter: Painter, look: Look) -> FrameSource[DeviceFrame]:
    """The film's frames where NVDEC put them. Raises UsageError or BackendError where they would have to leave."""
    if why := painter.host_work(look, width=reader.info.width, height=reader.info.height):
        raise UsageError(f"{why}: leave out --decode nvdec, or change that")
    assert isinstance(reader, FilmReader)  # it is what `_open` gave
    return nvdec.DeviceFilm(reader)


def _stabilizer() -> Callable[[ImageArray, ImageArray], ImageArray]:
    """What holds the strokes of painted pictures still, called with the film's and the painted ones."""
    try:
        from vidstyle.motion.stabiliser import Stabiliser
    except ImportError as error:  # OpenCV's wheel needs libraries of the system's own
        raise BackendError(
            f"--stabilize needs OpenCV, which does not load ({error}); on Linux install libgl1"
        ) from error

    stabiliser = Stabiliser(fine=True)
    return lambda film, painted: np.stack([stabiliser.apply(*pair) for pair in zip(film, painted, strict=True)])


def _report(
    source: str,
    target: str,
    options: RenderOptions,
    *,
    networks: list[Network],
    loop: Loop,
    painter: Painter,
    warnings: list[str],
) -> RenderReport:
    engines = [painter.engine_infos[n.sha256] for n in networks if n.sha256 in painter.engine_infos]
    return RenderReport(
        input=source,
        output=target,
        frames_in=loop.frames_in,
        frames_out=loop.frames_out,
        width=loop.width,
        height=loop.height,
        seconds=loop.seconds,
        fps=loop.frames_out / loop.seconds,
        backend=_each(engine.backend for engine in engines),
        device=_each(engine.device for engine in engines),
        precision=_each(engine.precision for engine in engines),
        styles=total_weights(options.styles),
        strength=options.strength,
        network=" + ".join(n.name for n in networks),
        warnings=warnings,
        notes=painter.notes,
        decode=options.decode,
        cpu_seconds=loop.cpu_seconds,
        stages=loop.stages,
    )


def _each(values: Iterable[str]) -> str | None:
    """What is true of every engine once, else of each in turn; None of none."""
    found = list(values)
    return found[0] if len(set(found)) == 1 else " + ".join(found) or None
