"""`vidstyle serve`."""

from __future__ import annotations

import os
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.errors import Terminated, VidstyleError

if TYPE_CHECKING:
    from vidstyle.web.studio import Studio


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; other than 127.0.0.1 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 takes any.")] = 8420,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where finished films are kept; by default `vidstyle` among your videos."),
    ] = None,
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Open the studio: a page to choose styles, paint films and pictures, and go live. Ctrl-C ends it."""
    from vidstyle.interrupts import TICK, stop_requests

    with stop_requests() as stop:  # before anything else is imported: C code may swallow what a signal raises
        import platformdirs

        from vidstyle.backends.registry import available_backend
        from vidstyle.cache import tell_stand_in
        from vidstyle.web.order import Engines
        from vidstyle.web.server import StudioServer
        from vidstyle.web.studio import Studio

        if backend != "auto":  # else a studio would open that can paint nothing
            available_backend(backend)
        folder = folder or Path(platformdirs.user_videos_dir()) / "vidstyle"
        engines = Engines(backend=backend, device=device, precision=precision)
        stop.finish = lambda: None  # no Event: set by a signal, it may wait for the lock that its own `wait` holds
        with (
            Studio(folder=folder.absolute(), engines=engines) as studio,
            StudioServer(studio, host=host, port=port) as server,
        ):
            console.say(f"the studio is open; films and pictures go to {studio.jobs.folder}; Ctrl-C closes it")
            tell_stand_in(console.say)
            if server.gate.token:
                console.warn(
                    f"it listens at {host}: every machine that reaches this one and has the address with its token "
                    "can use it, and what is sent is not encrypted"
                )
            console.lines([server.url])
            threading.Thread(target=_warm_up, args=(studio,), name="warm-up", daemon=True).start()
            if show and _has_browser():
                webbrowser.open(server.url)
            while stop.error is None:
                time.sleep(TICK)
            console.say("closing; what is in hand is finished first (Ctrl-C again does not wait)")
    if isinstance(stop.error, Terminated):
        raise stop.error


def _warm_up(studio: Studio) -> None:
    """Meet the page half-way: the first picture takes longest."""
    from vidstyle.web.artist import Superseded

    try:
        studio.warm_up()
    except Superseded:
        pass  # the studio is closed already
    except VidstyleError as error:
        console.warn(f"nothing can be painted: {error}")


def _has_browser() -> bool:
    """Whether there is a screen for one: without, Python would start a browser in the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
