"""`vidstyle webcam`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vidstyle.cli import console, options
from vidstyle.errors import BackendError, Terminated, UsageError


def webcam(
    style: options.Style = ["mosaic"],
    strength: options.Strength = 1.0,
    network: options.Network = "live",
    keep_colors: options.KeepColors = False,
    stroke: options.Stroke = 1.0,
    stabilize: options.Stabilize = False,
    camera: Annotated[
        str, typer.Option(metavar="N|NAME|FILE|URL", help="Camera, film, stream, FORMAT:DEVICE, or synthetic.")
    ] = "0",
    loop: Annotated[bool, typer.Option("--loop/--no-loop", help="Begin a film again at its end.")] = False,
    size: Annotated[str | None, typer.Option(metavar="WxH|SHORT", help="Size of the picture.")] = None,
    fps: Annotated[str | None, typer.Option(metavar="N", help="Pictures a second, at most.")] = None,
    mirror: Annotated[bool, typer.Option("--mirror/--no-mirror", help="Exchange left and right.")] = False,
    no_adapt: Annotated[
        bool, typer.Option("--no-adapt/--adapt", help="Never paint at a lower resolution to keep the rate.")
    ] = False,
    output: Annotated[
        list[str],
        typer.Option(
            "-o",
            "--output",
            metavar="OUTPUT",
            help="preview, virtual, null, FILE, http://HOST:PORT, udp://, tcp://, rtmp://, srt://; several at once.",
        ),
    ] = ["preview"],
    seconds: Annotated[float | None, typer.Option(metavar="N", help="End after so long.")] = None,
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Paint a camera live. In the window or the terminal: h for help, q to quit."""
    from vidstyle.settings import parse_rate, parse_size
    from vidstyle.styles import parse_style

    if json and "-" in output:
        raise UsageError("--json and -o - both need stdout: give the output a file name, or leave --json out")
    try:
        from vidstyle.live.session import WebcamOptions
        from vidstyle.live.session import webcam as run
    except ImportError as error:
        hint = "on Debian and Ubuntu `sudo apt install libgl1 libglib2.0-0` brings what OpenCV needs"
        raise BackendError(f"the live loop cannot be loaded ({error}); {hint}") from error

    asked = WebcamOptions(
        styles=tuple(parse_style(text) for text in style),
        strength=strength,
        network=network,
        keep_colors=keep_colors,
        stroke=stroke,
        stabilize=stabilize,
        camera=camera,
        loop=loop,
        size=parse_size(size) if size else None,
        rate=parse_rate(fps) if fps else None,
        mirror=mirror,
        adapt=not no_adapt,
        outputs=tuple(output),
        seconds=seconds,
        backend=backend,
        device=device,
        precision=precision,
    )

    def report(values: dict[str, Any]) -> None:
        _tell(values)
        if json:
            console.data(values)

    stopped = run(asked, say=console.say, report=report, terminal=True)
    if isinstance(stopped, Terminated):
        raise stopped


def _tell(values: dict[str, Any]) -> None:
    """The statistics, for people."""
    for warning in values["warnings"]:
        console.warn(warning)
    console.say(f"{values['captured']} captured; {_line(values)}; {values['reconnects']} reconnects of the camera")
    for name, counts in values["outputs"].items():
        console.say(f"  {name}: {_line(counts)}")


def _line(counts: dict[str, Any]) -> str:
    latency = counts["latency_ms"]
    late = "/".join("-" if value is None else f"{value:.0f}" for value in latency.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts["dropped_by"].items())
    return (
        f"{counts['delivered']} delivered ({counts['fps']:.1f} fps), {counts['dropped']} dropped"
        + (f" ({reasons})" if reasons else "")
        + f", {counts['repeated']} repeated, latency p50/p95/p99 {late} ms"
    )
