"""What the keys do, in the window and in the terminal alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vidstyle.live.control import Control

KEYS: Mapping[str, tuple[str, Callable[[Control], None]]] = {
    "n": ("next style", Control.next_style),
    "p": ("previous style", Control.previous_style),
    "+": ("stronger", lambda c: c.stronger(0.1)),
    "-": ("weaker", lambda c: c.stronger(-0.1)),
    ".": ("mix in the next style", lambda c: c.mix_more(0.25)),
    ",": ("mix less of it", lambda c: c.mix_more(-0.25)),
    "]": ("coarser strokes", lambda c: c.step_stroke(1)),
    "[": ("finer strokes", lambda c: c.step_stroke(-1)),
    "c": ("keep the camera's colours", Control.keep_colors),
    "t": ("hold strokes still", Control.stabilize),
    "m": ("mirror", Control.mirror),
    "b": ("before / after", Control.split),
    "f": ("freeze", Control.freeze),
    "s": ("snapshot", Control.snapshot),
    "r": ("record, stop recording", Control.record),
    "o": ("statistics", Control.overlay),
    "h": ("this help", Control.help),
    "q": ("quit (Esc too)", Control.quit),
}
"""Key to what it does, in words and in deed; digits choose a style by its number."""

_ALIASES = {"=": "+", "_": "-", "\x1b": "q", "?": "h"}


def press(key: str, control: Control) -> None:
    """Do what a key stands for; other keys do nothing. Raises VidstyleError where it cannot be done."""
    key = _ALIASES.get(key, key.lower())
    if key in tuple("123456789"):
        control.choose(int(key))
    elif key in KEYS:
        KEYS[key][1](control)
