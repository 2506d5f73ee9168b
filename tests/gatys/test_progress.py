"""The time left knows that a shot's first frame takes longer than the others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from vidstyle.fileloop import Progress
from vidstyle.gatys.losses import Losses
from vidstyle.gatys.optimise import Outcome
from vidstyle.gatys.options import GatysOptions
from vidstyle.gatys.progress import Account
from vidstyle.gatys.store import Store
from vidstyle.gatys.through_time import PaintedFrame

LOSSES = Losses(total=1.5, content=1.0, style=0.05, variation=0.0, temporal=0.0)


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("vidstyle.gatys.progress.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def heard() -> list[Progress]:
    return []


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def account(clock: Clock, heard: list[Progress], said: list[str], tmp_path: Path) -> Account:
    options = GatysOptions(iterations=100, next_iterations=10)
    store = Store(tmp_path / "o.png")
    return Account(store, options, size=(4, 4), firsts=1, others=4, say=said.append, progress=heard.append)


def _frame(iterations: int, restarts: int = 0) -> PaintedFrame:
    picture = torch.zeros(1, 3, 4, 4)
    outcome = Outcome(picture=picture, losses=LOSSES, iterations=iterations, restarts=restarts)
    return PaintedFrame(image=np.zeros((4, 4, 3), np.uint8), outcome=outcome)


def test_after_the_first_frame_the_rest_is_expected_to_be_quick(
    account: Account, clock: Clock, heard: list[Progress], said: list[str]
) -> None:
    clock.now += 50
    account.frame(0, _frame(100), first=True)
    assert (heard[-1].frames, heard[-1].total) == (1, 5)
    assert heard[-1].seconds_left == pytest.approx(4 * 5)
    assert said[-1].endswith("100 iterations; 0:00:20 left")


def test_then_it_is_measured(account: Account, clock: Clock, heard: list[Progress]) -> None:
    account.frame(0, _frame(100), first=True)
    clock.now += 8
    account.frame(1, _frame(10), first=False)
    assert heard[-1].seconds_left == pytest.approx(3 * 8)


def test_what_was_found_takes_no_time(account: Account, clock: Clock, heard: list[Progress]) -> None:
    account.found(first=True)
    account.found(first=False)
    clock.now += 6
    account.frame(2, _frame(10), first=False)
    assert (heard[-1].frames, heard[-1].total, heard[-1].seconds_left) == (1, 3, pytest.approx(2 * 6))


@pytest.mark.parametrize(("restarts", "told"), [(1, "1 restart"), (2, "2 restarts")])
def test_restarts_are_told(restarts: int, told: str, account: Account, said: list[str]) -> None:
    account.frame(0, _frame(100, restarts=restarts), first=True)
    assert said[-1].endswith(f"100 iterations, {told}")


def test_there_is_news_within_a_long_frame(account: Account, clock: Clock, said: list[str], tmp_path: Path) -> None:
    picture = torch.zeros(1, 3, 4, 4)
    account.step(1, LOSSES, picture, first=True)
    assert not said
    clock.now += 11
    account.step(2, LOSSES, picture, first=True)
    news = "iteration 2 of 100: loss 1.5000 (content 1.0000, style 0.0500, temporal 0.00000); "
    assert said == [f"{news}{timedelta(seconds=98 * 5.5 + 4 * 55)} left"]
    assert (tmp_path / "o.png.gatys" / "preview.png").is_file()


def test_time_left_knows_that_coarse_iterations_are_quick(clock: Clock, heard: list[Progress], tmp_path: Path) -> None:
    options, store = GatysOptions(iterations=100, coarsest=64), Store(tmp_path / "o.png")
    still = Account(store, options, size=(128, 128), firsts=1, others=0, say=str, progress=heard.append)
    coarse = torch.zeros(1, 3, 64, 64)
    for number in range(1, 50):
        still.step(number, LOSSES, coarse, first=True)
    clock.now += 20
    still.step(50, LOSSES, coarse, first=True)
    assert heard[-1].seconds_left == pytest.approx(50 * 4 * 20 / 50)
