"""The live session behind the page: a camera, painted into the page, into OBS and the virtual camera."""

from __future__ import annotations

import importlib
import re
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidstyle.errors import BackendError, UsageError, VidstyleError
from vidstyle.media.camera import SYNTHETIC, camera_names
from vidstyle.media.http_server import QuietServer
from vidstyle.style_library import Library
from vidstyle.web.exchange import NothingThere
from vidstyle.web.jobs import Jobs
from vidstyle.web.order import Engines, Order
from vidstyle.web.shelf import Shelf

if TYPE_CHECKING:  # OpenCV, which this module is loaded without
    from vidstyle.live.loop import LiveLoop
    from vidstyle.live.session import WebcamOptions
    from vidstyle.media.mjpeg import MjpegPage

OBS_PORT = 8421
"""Where OBS finds the picture, unless something else is there."""

_PATIENCE = 10.0
"""Seconds that camera and outputs may take to end."""

_SHOWN = ("fps_now", "latency_ms", "size", "backend", "device", "precision", "delivered", "trouble", "warnings")
"""What the page is told of a session's statistics."""


@dataclass
class _Session:
    """`asked` is the camera as the page names it, `camera` what the session is told to open, `spoken` what its
    user calls it. `words` is the loop's last line, `keeps` whether anything was to be recorded, `kept` what is."""

    asked: str
    camera: str
    spoken: str
    network: str
    virtual: bool
    loop: LiveLoop
    page: MjpegPage
    thread: threading.Thread
    words: deque[str]
    keeps: bool = False
    kept: set[Path] = field(default_factory=set)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    error: str = ""

    def order(self) -> Order:
        """What is painted now, whoever turned it: a page, or a command to the page for OBS."""
        now = self.loop.control.settings
        return Order(
            styles=now.styles, network=self.network, strength=now.strength, stroke=now.stroke,
            keep_colors=now.keep_colors, stabilize=now.stabilize,
        )  # fmt: skip

    def in_users_words(self, text: str) -> str:
        """A film by the name that the user gave it; a device is called as it is."""
        return text if self.camera.isdecimal() else text.replace(self.camera, self.spoken)


class Broadcast:
    """At most one live session at a time. Thread-safe."""

    def __init__(
        self, library: Library, engines: Engines, shelf: Shelf, jobs: Jobs, *, obs_port: int = OBS_PORT
    ) -> None:
        """What is recorded goes to `jobs`, among what else was painted."""
        self._library = library
        self._engines = engines
        self._shelf = shelf
        self._jobs = jobs
        self._obs_port = obs_port
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._session: _Session | None = None

    def start(self, camera: str, order: Order, *, mirror: bool = False, virtual: bool = False) -> None:
        """Begin with `camera`, which is one of `cameras` or a film on the shelf, in place of what runs.

        Raises UsageError, StyleError, NothingThere, BackendError, and then what runs goes on; what goes wrong later
        is in `to_json`.
        """
        source, spoken = self._camera(camera)
        # Whatever may be wrong with the order is found before the running session ends, not by the new one.
        order.look(self._library, self._library.network(order.network))
        try:
            live = importlib.import_module("vidstyle.live.session")
            mjpeg = importlib.import_module("vidstyle.media.mjpeg")
        except ImportError as error:
            raise BackendError(
                f"the live loop cannot be loaded ({error}); `vidstyle doctor` says what is missing"
            ) from error
        options: WebcamOptions = live.WebcamOptions(
            styles=order.styles, strength=order.strength, network=order.network, keep_colors=order.keep_colors,
            stroke=order.stroke, stabilize=order.stabilize, camera=source, loop=True, mirror=mirror,
            backend=self._engines.backend, device=self._engines.device, precision=self._engines.precision,
        )  # fmt: skip
        session: _Session
        words = deque[str](maxlen=1)
        with self._lock:
            loop = live.make_loop(options, library=self._library, say=words.append)
            self._end()  # before page and outputs are made, which may need its port and devices
            address = f"http://127.0.0.1:{self._obs_port if _is_free(self._obs_port) else 0}"
            page = mjpeg.MjpegPage(
                address, status=loop.as_json, perform=lambda command, value: self._perform(session, command, value)
            )
            outputs, _ = live.make_outputs(("virtual",) if virtual else (), loop)
            thread = threading.Thread(
                target=lambda: self._run(session, [page, *outputs]), name="vidstyle-live", daemon=True
            )
            self._session = session = _Session(
                asked=camera, camera=source, spoken=spoken, network=order.network, virtual=virtual,
                loop=loop, page=page, thread=thread, words=words,
            )  # fmt: skip
            session.thread.start()

    def turn(self, order: Order, *, mirror: bool = False) -> None:
        """Paint otherwise from now on. Raises UsageError, StyleError, NothingThere."""
        session = self._running()
        if order.network != session.network:
            raise UsageError("the network is chosen when a live session starts: stop it, then start it again")
        control = session.loop.control
        control.mix(order.styles)
        control.set_strength(order.strength)
        control.set_stroke(order.stroke)
        control.keep_colors(order.keep_colors)
        control.stabilize(order.stabilize)
        control.mirror(mirror)

    def record(self, on: bool) -> None:
        """Begin a film of what is on air, or end it: then it is a done job. Raises NothingThere, OutputError."""
        self._record(self._running(), on)

    def snapshot(self) -> None:
        """Keep the next picture that is painted, in the same way. Raises NothingThere, OutputError."""
        self._snapshot(self._running())

    def stop(self) -> None:
        """End what runs, if anything does."""
        with self._lock:
            self._end()

    def watch(self, send: Callable[[bytes], object]) -> None:
        """Give `send` the painted pictures as JPEG until it raises OSError or the session ends. Raises NothingThere."""
        self._running().page.watch(send)

    def cameras(self) -> dict[str, Any]:
        """The cameras that may be named, by their ids, and whether there is a virtual camera to show them in."""
        from vidstyle.diagnosis import virtual_camera

        named = {str(number): name for number, name in camera_names().items()}
        if not named and sys.platform != "linux":  # the system does not tell: these are what most have
            named = {"0": "First camera", "1": "Second camera"}
        virtual = any(finding.state == "ok" for finding in virtual_camera())
        return {"cameras": [{"id": key, "name": name} for key, name in named.items()], "virtual": virtual}

    def to_json(self) -> dict[str, Any]:
        """`state` is off, starting, live, ended or failed; with it what the page shows of a session."""
        session = self._session
        if session is None:
            return {"state": "off"}
        values = session.loop.as_json()
        self._collect(session)
        runs = session.thread.is_alive()
        state = "live" if session.loop.has_begun else "starting"
        camera, (host, port) = values["camera"], session.page.address
        return {
            **{key: values[key] for key in _SHOWN},
            "state": state if runs else "failed" if session.error else "ended",
            "session": session.id,
            "source": session.asked,
            "virtual": session.virtual,
            "order": asdict(session.order()),
            "mirror": session.loop.control.settings.mirror,
            "recording": session.loop.control.settings.recording is not None,
            "kept": len(session.kept),
            "said": session.in_users_words("".join(session.words)) if session.keeps else "",
            "error": session.in_users_words(session.error),
            "camera": f"{session.spoken}, {camera['granted']}" if camera else "",
            "camera_message": session.in_users_words(values["camera_message"]),
            "address": f"http://{host}:{port}/",
        }

    def _camera(self, camera: str) -> tuple[str, str]:
        """What `--camera` calls it, and its user. Nobody names files, devices or addresses from outside."""
        if camera == SYNTHETIC:
            return camera, "Test pattern"
        if re.fullmatch(r"[0-9]{1,3}", camera):
            return camera, camera_names().get(int(camera), f"camera {camera}")
        source = self._shelf.find(camera)
        if source.kind == "picture":
            raise UsageError(f"{source.name} does not move; choose a film or a camera")
        return str(self._shelf.file(source)), source.name

    def _perform(self, session: _Session, command: str, value: Any) -> None:
        """For the page for OBS: what it has recorded goes where everything goes."""
        control = session.loop.control
        if command == "record" and isinstance(value, bool | None):
            self._record(session, not control.settings.recording if value is None else value)
        elif command == "snapshot" and value is None:
            self._snapshot(session)
        else:
            control.perform(command, value)

    def _record(self, session: _Session, on: bool) -> None:
        with self._keeping:
            control = session.loop.control
            if on and not control.settings.recording:
                control.record(self._new_name(session, ".mp4"))
            elif not on:
                control.record(False)

    def _snapshot(self, session: _Session) -> None:
        session.loop.control.snapshot(self._new_name(session, ".png"))

    def _new_name(self, session: _Session, suffix: str) -> str:
        from vidstyle.live.recorder import dated_name

        path = self._jobs.make_folder() / dated_name(suffix)
        session.words.clear()
        session.keeps = True
        return str(path)

    def _collect(self, session: _Session) -> None:
        """Take up among the jobs what has become whole: until then a recording has another name."""
        values = session.loop.as_json()
        with self._keeping:
            for path in map(Path, values["recordings"] + values["snapshots"]):
                if path not in session.kept and path.exists():
                    session.kept.add(path)
                    self._jobs.keep(path, session.order())

    def _run(self, session: _Session, outputs: list[Any]) -> None:
        try:
            session.loop.run(outputs)
        except VidstyleError as error:
            session.error = str(error)
        except Exception as error:  # a library's, or our own: the page says it, the studio goes on
            session.error = f"unexpected {type(error).__name__}: {error}"
        self._collect(session)

    def _running(self) -> _Session:
        session = self._session
        if session is None or not session.thread.is_alive():
            raise NothingThere("no live session runs")
        return session

    def _end(self) -> None:
        if session := self._session:
            session.loop.control.quit()
            session.thread.join(_PATIENCE)
            if not session.error:  # else it is still to be said
                self._session = None


def _is_free(port: int) -> bool:
    """Whether a server of our own can listen there."""
    try:
        QuietServer(("127.0.0.1", port), BaseHTTPRequestHandler).server_close()
    except OSError:
        return False
    return True
