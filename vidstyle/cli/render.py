"""`vidstyle render IN OUT`."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.errors import Interrupted, UsageError
from vidstyle.settings import Audio, Decode, Mode, RenderOptions, parse_rate, parse_size, parse_time

if TYPE_CHECKING:
    from vidstyle.report import RenderReport


def render(
    source: Annotated[str, typer.Argument(metavar="IN", help="Film, picture, sequence (frame_%04d.png) or -.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The same, to write.")],
    style: options.Style = ["mosaic"],
    strength: options.Strength = 1.0,
    network: options.Network = "live",
    mode: Annotated[
        Mode, typer.Option(help="fast: the network; gatys: optimise every frame, for the final cut.")
    ] = "fast",
    gatys: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="An option of Gatys mode, such as iterations=500 (docs/gatys.md)."),
    ] = [],
    keep_colors: options.KeepColors = False,
    stroke: options.Stroke = 1.0,
    stabilize: options.Stabilize = False,
    size: Annotated[str | None, typer.Option(metavar="WxH|SHORT", help="Scale the film first.")] = None,
    codec: Annotated[
        str | None, typer.Option(metavar="NAME", help="h264, hevc, av1, vp9, prores, ffv1, ... or an FFmpeg encoder.")
    ] = None,
    crf: Annotated[
        float | None, typer.Option(metavar="N", help="The encoder's quality number; lower is better.")
    ] = None,
    bit_depth: Annotated[int, typer.Option(metavar="8|10", help="Bits a channel of the written film.")] = 8,
    audio: Annotated[Audio, typer.Option(help="What to do with the sound.")] = "copy",
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Begin here: seconds or H:M:S.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Stop here: seconds or H:M:S.")] = None,
    fps: Annotated[
        str | None, typer.Option(metavar="N", help="Frames a second of a numbered sequence (25 unless given).")
    ] = None,
    decode: Annotated[
        Decode,
        typer.Option(
            help="Who decodes; nvdec: an NVIDIA GPU, keeping frames for the engine (untried, see docs/tensorrt.md)."
        ),
    ] = "cpu",
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Frames painted at once.")] = None,
    tile: Annotated[
        bool, typer.Option("--tile/--no-tile", help="Paint in tiles: slow, but 8K fits a small machine.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace OUT if it exists.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted Gatys rendering.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Paint a film, a picture or a numbered sequence: same frames, same times, same sound."""
    from vidstyle.gatys.options import parse_painting
    from vidstyle.styles import parse_style

    if json and target == "-":
        raise UsageError("--json and OUT - both need stdout: give OUT a file name, or leave --json out")
    asked = RenderOptions(
        styles=tuple((parse_painting if mode == "gatys" else parse_style)(text) for text in style),
        strength=strength,
        network=network,
        mode=mode,
        gatys=tuple(gatys),
        keep_colors=keep_colors,
        stroke=stroke,
        stabilize=stabilize,
        size=parse_size(size) if size else None,
        start=parse_time(start) if start else None,
        end=parse_time(end) if end else None,
        rate=parse_rate(fps) if fps else None,
        codec=codec,
        crf=crf,
        bit_depth=bit_depth,
        audio=audio,
        decode=decode,
        backend=backend,
        device=device,
        precision=precision,
        batch=batch,
        tile=tile,
        overwrite=overwrite,
        resume=resume,
    )
    from vidstyle.pipeline import render as run

    line = console.ProgressLine()
    began = time.time()
    try:
        report = run(source, target, options=asked, say=console.say, progress=line)
    except Interrupted as stop:
        raise type(stop)(f"{stop}{_what_is_left(target, since=began)}") from stop
    finally:
        line.clear()
    _tell(report)
    if json:
        console.data(report.to_json())


def _what_is_left(target: str, *, since: float) -> str:
    """Where a film that was broken off can be found; nothing where none was begun `since` then (seconds, Unix time)."""
    from vidstyle.media.part_file import PartFile

    part = PartFile(target)
    with suppress(OSError):
        if not part.direct and part.path.stat().st_mtime >= since:  # else an earlier run's
            return f"; what was painted is kept in {part.path}, which plays: rename it before you start again"
    return ""


def _tell(report: RenderReport) -> None:
    for warning in report.warnings:
        console.warn(warning)
    for note in report.notes:
        console.say(f"passed over {note}")
    if not report.frames_out:  # a part of a Gatys rendering, which has said so itself: there is no film yet
        return
    engine = f"{report.backend} on {report.device}, {report.precision}" if report.backend else "no engine needed"
    frames = "frame" if report.frames_out == 1 else "frames"
    console.say(
        f"{report.output}: {report.frames_out} {frames}, {report.width}x{report.height}, "
        f"in {console.format_seconds(report.seconds)} ({console.format_pace(report.fps)}; {engine})"
    )
