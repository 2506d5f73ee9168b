"""Signals become requests, and every handler is given back."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from vidstyle.errors import Terminated
from vidstyle.interrupts import TOGETHER, stop_requests


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """What a program has that was started in the foreground: a shell lets jobs in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_is_a_request_once_and_an_exception_the_second_time() -> None:
    with stop_requests() as stop:
        asked: list[int] = []
        stop.finish = lambda: asked.append(1)
        signal.raise_signal(signal.SIGTERM)
        assert isinstance(stop.error, Terminated)
        signal.raise_signal(signal.SIGTERM)  # as `timeout` sends it: to the program and to its group
        time.sleep(TOGETHER)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    assert asked == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_that_is_not_pythons_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a program that Python is a part of; Python calls it None and cannot install it again."""
    getsignal = signal.getsignal
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGINT else getsignal(number))
    with stop_requests():
        assert getsignal(signal.SIGINT) is signal.default_int_handler
        assert getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert getsignal(signal.SIGTERM) is signal.SIG_DFL
