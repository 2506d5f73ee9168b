"""The one object by which keyboard, web page and code steer a live session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from vidstyle.errors import UsageError
from vidstyle.live.look import Blend, Fader, look_of
from vidstyle.live.recorder import dated_name
from vidstyle.live.statistics import Clock
from vidstyle.painter import Look
from vidstyle.settings import check_strength
from vidstyle.styles import Style, check_weights
from vidstyle.suggest import did_you_mean

STROKES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Stroke sizes that the keys step through."""

VALUES = {
    "style": "the name or the number of a style",
    "mix": 'pairs of style and weight, such as [["mosaic", 2], ["waves", 1]]',
    "strength": "a number from 0 to 1",
    "stroke": "a number from 0.1 to 10",
}
"""What commands need as their value."""

BARE = ("next", "previous", "snapshot", "quit")
"""Commands that take no value at all. The others take none, or true or false."""


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """Everything that can be turned while live. `styles` are names with weights; `split` shows the
    camera's own picture in the left half; `overlay` and `help` are drawn in the preview only."""

    styles: tuple[tuple[str, float], ...]
    strength: float = 1.0
    keep_colors: bool = False
    stroke: float = 1.0
    stabilize: bool = False
    mirror: bool = False
    split: bool = False
    frozen: bool = False
    overlay: bool = True
    help: bool = False
    recording: str | None = None


class Control:
    """Thread-safe. Methods change the settings at once; the picture follows, styles over half a second.

    `names` are the styles to step through, `style` finds one by name (it may read a file, so it is
    called in the thread of whoever asks for the style, never in the painting one).
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        names: Sequence[str],
        style: Callable[[str], Style],
        identity: Style,
        clock: Clock = time.monotonic,
    ) -> None:
        self.names = tuple(names)
        self._find = style
        self._identity = identity
        self._clock = clock
        self._lock = threading.RLock()
        self._styles: dict[str, Style] = {}
        self._settings = settings
        self._snapshots: list[Path | None] = []
        self._wants_to_quit = False
        # Not an `Event`: a signal's handler could meet its lock in the hands of the thread that it interrupted.
        self._quits: SimpleQueue[None] = SimpleQueue()
        self._commands: dict[str, Callable[..., None]] = {
            "next": self.next_style, "previous": self.previous_style, "style": self.choose, "mix": self.mix,
            "strength": self.set_strength, "keep_colors": self.keep_colors, "stroke": self.set_stroke,
            "stabilize": self.stabilize, "mirror": self.mirror, "split": self.split, "freeze": self.freeze,
            "snapshot": self.snapshot, "record": self.record, "overlay": self.overlay, "help": self.help,
            "quit": self.quit,
        }  # fmt: skip
        check_weights([weight for _, weight in settings.styles])
        self._load(settings.styles)
        self._fader = Fader(Blend.of(settings.styles, settings.strength))

    @property
    def settings(self) -> LiveSettings:
        """All settings as they stand now; a change makes new ones."""
        return self._settings

    @property
    def wants_to_quit(self) -> bool:
        """Whether somebody has asked the session to end."""
        return self._wants_to_quit

    def wait_for_quit(self, timeout: float) -> bool:
        """Whether the session is to end, after at most `timeout` seconds."""
        if not self._wants_to_quit:
            with suppress(Empty):
                self._quits.get(timeout=timeout)
        return self._wants_to_quit

    def look(self, now: float) -> Look:
        """What to paint at `now` (seconds of the control's clock)."""
        with self._lock:
            blend, settings = self._fader.at(now), self._settings
            return look_of(
                blend, self._styles.__getitem__, self._identity,
                keep_colors=settings.keep_colors, stroke=settings.stroke,
            )  # fmt: skip

    def perform(self, command: str, value: Any = None) -> None:
        """A command by its name, as web pages send it; `value` where it takes one.

        Who sends commands may not name files on this machine: recordings and snapshots get names with date
        and time. Raises UsageError for unknown commands and impossible values, StyleError for unknown styles.
        """
        action = self._commands.get(command)
        if action is None:
            raise UsageError(f"no command {command!r}{did_you_mean(command, self._commands)}")
        takes = VALUES.get(command)
        if takes:
            fits = not isinstance(value, bool | None)  # true is a number in Python: 1
        else:
            fits = value is None or (isinstance(value, bool) and command not in BARE)
        if fits:
            with suppress(TypeError, ValueError, OverflowError):
                return action() if value is None else action(value)
        raise UsageError(f"command {command!r} takes {takes or 'no such value'}")

    def as_json(self) -> dict[str, Any]:
        """The settings and the styles there are."""
        return {**asdict(self._settings), "names": list(self.names), "commands": sorted(self._commands)}

    def next_style(self) -> None:
        """The one after the heaviest style, in the order of `names`, alone."""
        self._step(1)

    def previous_style(self) -> None:
        """The one before the heaviest style, in the order of `names`, alone."""
        self._step(-1)

    def choose(self, which: int | str) -> None:
        """One style alone, by its number (from 1) in `names`, or by name."""
        if isinstance(which, str):
            self.mix([(which, 1.0)])
        elif 1 <= which <= len(self.names):
            self.mix([(self.names[which - 1], 1.0)])
        else:
            raise UsageError(f"style {which}: there are 1 to {len(self.names)}")

    def mix(self, styles: Sequence[tuple[str, float]]) -> None:
        """Several styles with relative weights of 0 or more. Raises StyleError, UsageError."""
        wanted = tuple((str(name), float(weight)) for name, weight in styles)
        check_weights([weight for _, weight in wanted])
        self._load(wanted)
        self._change(styles=wanted)

    def mix_more(self, share: float) -> None:
        """Shift `share` (-1..1) of the weight from the first style to the second (the next one if there is none)."""
        with self._lock:
            blend = Blend.of(self._settings.styles, 1.0)
            names = list(blend.weights)
            first, second = names[0], names[1] if len(names) > 1 else self._neighbour(names[0], 1)
            if first == second:
                return
            part = min(1.0, max(0.0, round(blend.weights.get(second, 0.0) + share, 3)))
            self.mix([(first, 1 - part), (second, part)])

    def set_strength(self, strength: float) -> None:
        """0, the camera's own picture, to 1, the full style."""
        self._change(strength=round(check_strength(float(strength)), 3))

    def stronger(self, change: float) -> None:
        """Change the strength by `change` (below 0: weaker), as far as 0..1 allows."""
        self.set_strength(min(1.0, max(0.0, self._settings.strength + change)))

    def keep_colors(self, on: bool | None = None) -> None:
        """Paint with the camera's own colours, or the style's; None turns it over."""
        self._switch("keep_colors", on)

    def set_stroke(self, stroke: float) -> None:
        """Size of the strokes, 0.1 to 10; 1 is as trained."""
        if not 0.1 <= float(stroke) <= 10:
            raise UsageError(f"stroke is {stroke}; it runs from 0.1 (fine) to 10 (coarse)")
        self._change(stroke=float(stroke))

    def step_stroke(self, steps: int) -> None:
        """To the next coarser (1) or finer (-1) of the usual sizes."""
        nearest = min(range(len(STROKES)), key=lambda i: abs(STROKES[i] - self._settings.stroke))
        self.set_stroke(STROKES[min(max(nearest + steps, 0), len(STROKES) - 1)])

    def stabilize(self, on: bool | None = None) -> None:
        """Hold strokes still where the picture is still; None turns it over."""
        self._switch("stabilize", on)

    def mirror(self, on: bool | None = None) -> None:
        """Show the picture as a mirror does; None turns it over."""
        self._switch("mirror", on)

    def split(self, on: bool | None = None) -> None:
        """Show the left half as the camera sees it, the right half painted; None turns it over."""
        self._switch("split", on)

    def freeze(self, on: bool | None = None) -> None:
        """Hold the camera's picture; styles still change on it."""
        self._switch("frozen", on)

    def overlay(self, on: bool | None = None) -> None:
        """Write style, rate and latency upon the preview, not the outputs; None turns it over."""
        self._switch("overlay", on)

    def help(self, on: bool | None = None) -> None:
        """Show the keys in the preview; None turns it over."""
        self._switch("help", on)

    def snapshot(self, path: str | None = None) -> None:
        """Save the next painted picture as PNG; without `path` under a name with date and time."""
        with self._lock:
            self._snapshots.append(Path(path) if path else None)

    def take_snapshots(self) -> list[Path | None]:
        """The snapshots asked for since the last call."""
        with self._lock:
            wanted, self._snapshots = self._snapshots, []
            return wanted

    def record(self, path: str | bool | None = None) -> None:
        """Start recording (to `path`, or under a name with date and time), or stop it if it runs."""
        with self._lock:
            running = self._settings.recording
            if isinstance(path, bool) and path == bool(running):
                return
            if running:
                self._change(recording=None)
            else:
                self._change(recording=path if isinstance(path, str) else dated_name(".mp4"))

    def quit(self) -> None:
        """Ask the session to end; it closes its recording and outputs itself."""
        self._wants_to_quit = True
        self._quits.put(None)

    def _neighbour(self, name: str, steps: int) -> str:
        if name not in self.names:
            return self.names[0] if self.names else name
        return self.names[(self.names.index(name) + steps) % len(self.names)]

    def _step(self, steps: int) -> None:
        with self._lock:
            heaviest = max(self._settings.styles, key=lambda item: item[1])[0]
            self.mix([(self._neighbour(heaviest, steps), 1.0)])

    def _switch(self, field: str, on: bool | None) -> None:
        with self._lock:
            self._change(**{field: not getattr(self._settings, field) if on is None else bool(on)})

    def _change(self, **values: Any) -> None:
        with self._lock:
            self._settings = replace(self._settings, **values)
            self._fader.turn_to(Blend.of(self._settings.styles, self._settings.strength), self._clock())

    def _load(self, styles: Sequence[tuple[str, float]]) -> None:
        """Have the styles at hand before anybody paints with them. Raises StyleError."""
        for name, _ in styles:
            if name not in self._styles:
                self._styles[name] = self._find(name)
