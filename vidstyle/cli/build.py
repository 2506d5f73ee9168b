"""`vidstyle build`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from vidstyle.cli import console, options


def build(
    network: Annotated[
        list[str],
        typer.Option(
            "--network",
            metavar="NAME",
            help="Network; several may be named.",
            autocompletion=options.complete_networks,
        ),
    ] = ["live"],
    size: Annotated[
        list[str], typer.Option("--size", metavar="WxH", help="Size of the frames as painted; several may be named.")
    ] = ["1280x720"],
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Frames painted at once; as render or webcam by itself.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="For the webcam: one frame soon, not many a second.")] = False,
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Compile engines ahead of their first use, and keep them in the cache."""
    from vidstyle.backends.protocol import EngineSpec
    from vidstyle.backends.registry import open_engine
    from vidstyle.errors import UsageError
    from vidstyle.pipeline import default_batch
    from vidstyle.settings import parse_size
    from vidstyle.style_library import Library

    sizes = []
    for text in size:
        parsed = parse_size(text)
        if not (parsed.width and parsed.height):
            raise UsageError(f"--size {text}: an engine needs both sides, WxH")
        sizes.append((parsed.width, parsed.height))
    library = Library()
    at_once = batch or (1 if live else default_batch())
    built = []
    passed_over: set[str] = set()
    for name in network:
        for width, height in sizes:
            spec = EngineSpec(
                width=width, height=height, batch=at_once, precision=precision, device=device, latency=live
            )
            start = time.monotonic()
            engine, notes = open_engine(library.network(name), spec, backend=backend, say=console.say)
            seconds = round(time.monotonic() - start, 3)
            info = engine.info
            engine.close()
            for note in sorted(set(notes) - passed_over):
                console.say(f"passed over {note}")
            passed_over.update(notes)
            console.say(f"{name} {width}x{height}: {info.backend} on {info.device}, {info.precision}, {seconds:.1f} s")
            built.append({"network": name, "width": width, "height": height, "batch": at_once, "backend": info.backend}
                         | {"device": info.device, "precision": info.precision, "seconds": seconds})  # fmt: skip
    if json:
        console.data({"engines": built})
