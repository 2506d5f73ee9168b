"""What the user hears while a film is being painted: losses, a preview picture, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import torch

from vidstyle.backends.protocol import Say
from vidstyle.fileloop import Progress
from vidstyle.gatys.losses import Losses
from vidstyle.gatys.options import GatysOptions
from vidstyle.gatys.stills import schedule, to_image
from vidstyle.gatys.store import Store
from vidstyle.gatys.through_time import PaintedFrame

NEWS_EVERY = 10.0
"""Seconds between two preview pictures while one frame is being painted."""


@dataclass(kw_only=True)
class _Kind:
    """Frames of one kind: how many are to be painted, how many are, and in how many seconds.

    Each takes up to `iterations`, which go over `work` pixels together.
    """

    wanted: int
    iterations: int
    work: int
    done: float = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PaintProgress(Progress):
    """Progress whose frames take unequal time, so that the time left is not that of their mean."""

    left: float | None

    @property
    def seconds_left(self) -> float | None:
        return self.left


class Account:
    """Keeps count of a job's frames, all of one (width, height), and tells of them.

    `firsts` start a shot and take longer than `others`.
    """

    def __init__(
        self,
        store: Store,
        options: GatysOptions,
        *,
        size: tuple[int, int],
        firsts: int,
        others: int,
        say: Say,
        progress: Callable[[Progress], None],
    ) -> None:
        self._store, self._say, self._progress = store, say, progress
        (width, height), after = size, options.next_iterations
        work = sum(h * w * count for (h, w), count in schedule(height, width, options))
        self._firsts = _Kind(wanted=firsts, iterations=options.iterations, work=work)
        self._others = _Kind(wanted=others, iterations=after, work=height * width * after)
        self._began = self._frame_began = time.monotonic()
        self._news_due = self._began + NEWS_EVERY
        self._gone_over = 0  # pixels, in the frame under way
        self.painted = self.iterations = 0  # now; frames that were found do not count

    def found(self, *, first: bool) -> None:
        """A frame was painted by an earlier run."""
        self._kind(first).wanted -= 1
        self._frame_began = time.monotonic()

    def step(self, number: int, losses: Losses, picture: torch.Tensor, *, first: bool) -> None:
        """An iteration is done: from time to time there is news of it."""
        now, kind = time.monotonic(), self._kind(first)
        self._gone_over += picture.shape[2] * picture.shape[3]
        if now < self._news_due:
            return
        self._news_due = now + NEWS_EVERY
        self._store.preview(to_image(picture.detach()))
        part = replace(
            kind, done=kind.done + self._gone_over / kind.work, seconds=kind.seconds + now - self._frame_began
        )
        kinds = (part, self._others) if first else (self._firsts, part)
        self._tell(f"iteration {number} of {kind.iterations}: {_spoken(losses)}", _left(kinds))

    def frame(self, number: int, painted: PaintedFrame, *, first: bool) -> None:
        """Frame `number` is done."""
        now = time.monotonic()
        kind = self._kind(first)
        kind.done, kind.seconds = kind.done + 1, kind.seconds + now - self._frame_began
        self._frame_began, self._news_due = now, now + NEWS_EVERY
        self._gone_over = 0
        self.painted += 1
        self._store.preview(painted.image)
        text = "nothing has changed"
        if painted.outcome is not None:
            self.iterations += painted.outcome.iterations
            text = f"{_spoken(painted.outcome.losses)}, {painted.outcome.iterations} iterations"
            if restarts := painted.outcome.restarts:
                text += f", {restarts} restart{'s' if restarts > 1 else ''}"
        self._tell(f"frame {number}: {text}", _left((self._firsts, self._others)))

    def _tell(self, text: str, left: float | None) -> None:
        self._say(text + (f"; {timedelta(seconds=round(left))} left" if left else ""))
        total = self._firsts.wanted + self._others.wanted
        seconds = time.monotonic() - self._began
        self._progress(PaintProgress(frames=self.painted, total=total, seconds=seconds, left=left))

    def _kind(self, first: bool) -> _Kind:
        return self._firsts if first else self._others


def _left(kinds: tuple[_Kind, _Kind]) -> float | None:
    """Seconds; None before anything is known. A kind not met yet is as slow for its pixels as the other."""
    paces = [kind.seconds / kind.done / kind.work for kind in kinds if kind.done]
    if not paces:
        return None
    means = (kind.seconds / kind.done if kind.done else paces[0] * kind.work for kind in kinds)
    return sum(max(0, kind.wanted - kind.done) * mean for kind, mean in zip(kinds, means, strict=True))


def _spoken(losses: Losses) -> str:
    return (
        f"loss {losses.total:.4f} (content {losses.content:.4f}, style {losses.style:.4f}, "
        f"temporal {losses.temporal:.5f})"
    )
