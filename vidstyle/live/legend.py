"""What is told of a live session, line by line: in the window's overlay and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vidstyle.live.keys import KEYS


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """The overlay: what is painted, how fast, how late, with what."""
    latency = status["latency_ms"]["p50"]
    late = f"{latency:.0f} ms" if latency is not None else "-"
    lines = [
        f"{mix_in_words(status['styles'])}  strength {status['strength']:.0%}",
        f"{status['fps_now']:.1f} fps  latency {late}  dropped {status['dropped']}",
    ]
    if status["backend"] and status["working_size"]:
        width, height = status["working_size"]
        lines.append(f"{status['backend']} {status['device']} {status['precision']}  {width}x{height}")
    if status["camera_state"] != "live":
        lines.append(f"camera {status['camera_state']}: {status['camera_message']}")
    return [*lines, *status["trouble"].values()]


def mix_in_words(styles: Iterable[tuple[str, float]]) -> str:
    """The styles that are painted, each with its share where they are several."""
    weights = {name: weight for name, weight in styles if weight}
    total = sum(weights.values())
    return " + ".join(name if weight == total else f"{name} {weight / total:.0%}" for name, weight in weights.items())


def help_lines(names: Sequence[str]) -> list[str]:
    """The help: every key, and the styles by their numbers."""
    keys = [f"{key}\t{words}" for key, (words, _) in KEYS.items()]
    styles = [f"{number} {name}" for number, name in enumerate(names[:9], 1)]
    rows = [styles[i : i + 3] for i in range(0, len(styles), 3)]
    return [*keys, *["   ".join(row) for row in rows]]
