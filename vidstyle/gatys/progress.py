"""What the user hears while a film is being painted: losses, a preview picture, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import torch

from vidstyle.backends.protocol import Say
from vidstyle.fileloop import Progress
from vidstyle.gatys.losses import Losses
from vidstyle.gatys.options import GatysOptions
from vidstyle.gatys.stills import to_image
from vidstyle.gatys.store import Store
from vidstyle.gatys.through_time import PaintedFrame

NEWS_EVERY = 10.0
"""Seconds between two preview pictures while one frame is being painted."""


@dataclass(kw_only=True)
class _Kind:
    """Frames of one kind: how many are to be painted, how many are, and in how many seconds."""

    wanted: int = 0
    done: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.seconds / self.done if self.done else None


@dataclass(frozen=True, kw_only=True)
class PaintProgress(Progress):
    """Progress whose frames take unequal time, so that the time left is not that of their mean."""

    left: float | None

    @property
    def seconds_left(self) -> float | None:
        return self.left


class Account:
    """Keeps count of a job's frames and tells of them. `firsts` start a shot and take longer than `others`."""

    def __init__(
        self,
        store: Store,
        options: GatysOptions,
        *,
        firsts: int,
        others: int,
        say: Say,
        progress: Callable[[Progress], None],
    ) -> None:
        self._store, self._say, self._progress = store, say, progress
        self._ratio = options.iterations / options.next_iterations
        self._firsts, self._others = _Kind(wanted=firsts), _Kind(wanted=others)
        self._began = self._frame_began = time.monotonic()
        self._news_due = self._began + NEWS_EVERY
        self.iterations = 0

    @property
    def painted(self) -> int:
        """Frames that were painted now, not found."""
        return self._firsts.done + self._others.done

    def found(self, *, first: bool) -> None:
        """A frame was painted by an earlier run."""
        self._kind(first).wanted -= 1
        self._frame_began = time.monotonic()

    def step(self, number: int, losses: Losses, picture: torch.Tensor) -> None:
        """An iteration is done: from time to time there is news of it."""
        now = time.monotonic()
        if now < self._news_due:
            return
        self._news_due = now + NEWS_EVERY
        self._store.preview(to_image(picture.detach()))
        self._say(f"iteration {number}: {_spoken(losses)}")
        self._show()

    def frame(self, number: int, painted: PaintedFrame, *, first: bool) -> None:
        """Frame `number` is done."""
        now = time.monotonic()
        kind = self._kind(first)
        kind.done, kind.seconds = kind.done + 1, kind.seconds + now - self._frame_began
        self._frame_began, self._news_due = now, now + NEWS_EVERY
        self._store.preview(painted.image)
        text = "nothing has changed"
        if painted.outcome is not None:
            self.iterations += painted.outcome.iterations
            text = f"{_spoken(painted.outcome.losses)}, {painted.outcome.iterations} iterations"
            if restarts := painted.outcome.restarts:
                text += f", {restarts} restart{'s' if restarts > 1 else ''}"
        left = self._left()
        self._say(f"frame {number}: {text}" + (f"; {timedelta(seconds=round(left))} left" if left else ""))
        self._show()

    def _show(self) -> None:
        total = self._firsts.wanted + self._others.wanted
        seconds = time.monotonic() - self._began
        self._progress(PaintProgress(frames=self.painted, total=total, seconds=seconds, left=self._left()))

    def _kind(self, first: bool) -> _Kind:
        return self._firsts if first else self._others

    def _left(self) -> float | None:
        """Seconds; None before the first frame is done. A kind not met yet is as slow as its iterations say."""
        first, other = self._firsts.mean, self._others.mean
        if first is None:
            first = None if other is None else other * self._ratio
        if first is None:
            return None
        other = first / self._ratio if other is None else other
        firsts, others = (kind.wanted - kind.done for kind in (self._firsts, self._others))
        return firsts * first + others * other


def _spoken(losses: Losses) -> str:
    return (
        f"loss {losses.total:.4f} (content {losses.content:.4f}, style {losses.style:.4f}, "
        f"temporal {losses.temporal:.5f})"
    )
