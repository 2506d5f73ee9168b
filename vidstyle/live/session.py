"""`webcam`: a camera in, painted pictures out to everybody who wants them. Puts the live parts together."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from vidstyle.backends.protocol import Say
from vidstyle.errors import Interrupted, UsageError, VidstyleError
from vidstyle.interrupts import stop_requests
from vidstyle.live.control import Control, LiveSettings
from vidstyle.live.legend import status_lines
from vidstyle.live.loop import LiveLoop, Window
from vidstyle.live.terminal import terminal_keys
from vidstyle.media.addresses import without_key
from vidstyle.media.camera import has_returned, open_camera
from vidstyle.media.live_protocol import Camera, CameraRequest, LiveOutput
from vidstyle.media.outputs import make_output
from vidstyle.networks.network import Network
from vidstyle.painter import Painter
from vidstyle.settings import PrecisionChoice, Size
from vidstyle.style_library import Library
from vidstyle.styles import DEFAULT_NETWORK, DEFAULT_STYLE, IDENTITY

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class WebcamOptions:
    """Everything that can be asked of `webcam`; the defaults are those of the command line.

    `camera` is a number, name, file or URL (see `media.camera`), `outputs` what `--output` takes, `seconds`
    the length of the session (None: until it is told to end), `rate` pictures a second at most.
    """

    styles: tuple[tuple[str, float], ...] = ((DEFAULT_STYLE, 1.0),)
    strength: float = 1.0
    network: str = DEFAULT_NETWORK
    keep_colors: bool = False
    stroke: float = 1.0
    stabilize: bool = False
    camera: str = "0"
    loop: bool = False
    size: Size | None = None
    rate: Fraction | None = None
    mirror: bool = False
    adapt: bool = True
    outputs: tuple[str, ...] = ("preview",)
    seconds: float | None = None
    backend: str = "auto"
    device: str = "auto"
    precision: PrecisionChoice = "auto"

    def __post_init__(self) -> None:
        if self.rate is not None and not 1 <= self.rate <= 240:
            raise UsageError(f"fps is {float(self.rate):g}; it runs from 1 to 240")
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"seconds is {self.seconds:g}; it must be above 0")
        if not self.outputs:
            raise UsageError("a session needs an output; `-o null` measures without one")
        twice = {name for name in self.outputs if self.outputs.count(name) > 1}
        if twice:
            raise UsageError(f"output {without_key(twice.pop())!r} is named twice")


def webcam(
    options: WebcamOptions,
    *,
    library: Library | None = None,
    say: Say = lambda line: None,
    report: Report = lambda values: None,
    camera: Callable[[], Camera] | None = None,
    terminal: bool = False,
) -> Interrupted | None:
    """Run a live session until it is ended; `report` gets its statistics, unless it could not even begin.

    Returns what the system asked to end with, None where the session ended by itself or by its own
    controls. Ctrl-C is the normal end. `camera` opens the camera in place of what `options` name; with
    `terminal`, keys pressed there steer a session that has no window.
    Raises the errors of `vidstyle.errors`.
    """
    if options.seconds is None and options.outputs == ("null",):
        say("painting for nobody (-o null); Ctrl-C ends it")
    loop = make_loop(options, library=library or Library(), say=say, camera=camera)
    control = loop.control
    outputs, window = make_outputs(options.outputs, loop)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_requests())
        stop.finish = control.quit
        if window:
            say("keys, in the window: h for help, q to quit")
        elif terminal:
            stack.enter_context(terminal_keys(control, say, lambda: status_lines(loop.as_json())))
        try:
            loop.run(outputs, window=window)
        except VidstyleError:
            if loop.has_begun:
                report(loop.as_json())
            raise
    report(loop.as_json())
    return stop.error


def make_loop(
    options: WebcamOptions,
    *,
    library: Library,
    say: Say = lambda line: None,
    camera: Callable[[], Camera] | None = None,
) -> LiveLoop:
    """The session that `options` ask for, ready to be run with outputs; see `webcam`. Raises StyleError, UsageError."""
    network = library.network(options.network)
    for note in library.mix(options.styles, network, options.strength).notes:
        say(note)
    request = CameraRequest(
        source=options.camera, size=_camera_size(options.size), rate=options.rate, loop=options.loop
    )
    return LiveLoop(
        camera or (lambda: open_camera(request)),
        lambda: Painter(
            network,
            backend=options.backend,
            device=options.device,
            precision=options.precision,
            latency=True,
            say=say,
        ),
        _control(options, library, network),
        open_film=make_output,
        has_returned=lambda: has_returned(options.camera),
        size=options.size,
        rate=options.rate,
        adapt=options.adapt,
        seconds=options.seconds,
        say=say,
    )


def _control(options: WebcamOptions, library: Library, network: Network) -> Control:
    settings = LiveSettings(
        styles=options.styles,
        strength=options.strength,
        keep_colors=options.keep_colors,
        stroke=options.stroke,
        stabilize=options.stabilize,
        mirror=options.mirror,
    )
    return Control(
        settings,
        names=library.names(network),
        style=lambda name: library.style(name, network),
        identity=library.style(IDENTITY, network),
    )


def make_outputs(names: Sequence[str], loop: LiveLoop) -> tuple[list[LiveOutput], Window | None]:
    """The outputs by their names, and the window if there is to be one. Raises OutputError, UsageError."""
    outputs: list[LiveOutput] = []
    window: Window | None = None
    for name in names:
        if name == "preview":
            window = _preview(loop)
        elif name.startswith("http://"):
            from vidstyle.media.mjpeg import MjpegPage

            outputs.append(MjpegPage(name, status=loop.as_json, perform=loop.control.perform))
        else:
            outputs.append(make_output(name))
    _tell_apart(outputs)
    return outputs, window


def _tell_apart(outputs: Sequence[LiveOutput]) -> None:
    """Number outputs of one name: addresses that differ in what must not be shown."""
    uses = Counter[str]()
    for output in outputs:
        uses[output.name] += 1
        if uses[output.name] > 1:
            output.name += f" ({uses[output.name]})"


def _preview(loop: LiveLoop) -> Window:
    from vidstyle.media.preview import Preview, check_display

    check_display()
    return Preview(loop.control, loop.as_json)


def _camera_size(size: Size | None) -> tuple[int, int] | None:
    """What to ask the camera for; a short side alone means 16:9, which cameras have."""
    if size is None:
        return None
    if size.width and size.height:
        return size.width, size.height
    return round(size.short * 16 / 9 / 2) * 2, size.short
