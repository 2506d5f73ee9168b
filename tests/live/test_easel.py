"""What is compiled while the picture goes on: other sizes, and the networks that styles bring along."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.fake_engines import FakeEngine, grey
from vidstyle.backends.protocol import EngineSpec, Say
from vidstyle.live.easel import Easel
from vidstyle.networks.network import Network
from vidstyle.painter import Look, Painter
from vidstyle.style_library import Library
from vidstyle.styles import OwnNetwork, Style, StyleMix

FILM = np.zeros((128, 160, 3), np.uint8)
LEVELS = {"live": 50, "scream": 150}


@dataclass
class Compiler:
    """Opens engines that paint everything in their network's grey; all but the first wait for `gate`."""

    gate: threading.Event = field(default_factory=threading.Event)
    opened: list[tuple[str, int]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def __call__(self, network: Network, spec: EngineSpec, backend: str, say: Say) -> tuple[FakeEngine, list[str]]:
        self.threads.add(threading.current_thread().name)
        if self.opened:
            assert self.gate.wait(10)
        self.opened.append((network.name, spec.height))
        return FakeEngine(spec, grey(LEVELS[network.name])), []


MakeLook = Callable[..., Look]


@pytest.fixture
def look(library: Library) -> MakeLook:
    network = library.network()
    mosaic = library.style("mosaic", network)
    own = Network(name="scream", graph=Path("scream"), sha256="scream", style_size=0, architecture=None)
    empty = np.empty(0, np.float32)
    scream = Style(card=mosaic.card, vector=empty, own=OwnNetwork(network=own, identity=empty))

    def make(mosaic_weight: float, scream_weight: float, *, stroke: float = 1.0) -> Look:
        styles = ((mosaic, mosaic_weight), (scream, scream_weight))
        return Look(mix=StyleMix(styles=styles, identity=library.style("identity", network)), stroke=stroke)

    return make


def level(easel: Easel, look: Look) -> int:
    """The grey that is painted now."""
    painted = easel.paint(FILM, look, 1.0)
    assert painted.min() == painted.max()
    return int(painted[0, 0, 0])


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_look_before_stays_until_a_styles_own_network_is_ready(library: Library, look: MakeLook) -> None:
    compiler = Compiler()
    easel = Easel(lambda: Painter(library.network(), open_engine=compiler))
    try:
        easel.begin(160, 128, look(1, 0))
        for share in (0.2, 0.6, 1.0):  # a fade
            assert level(easel, look(1 - share, share)) == 50
        assert easel.switches == 0
        compiler.gate.set()
        wait_for(lambda: level(easel, look(0, 1)) == 150)
        assert easel.switches == 1
        assert level(easel, look(1, 1)) in (50, 100, 150)
        wait_for(lambda: level(easel, look(1, 1)) == 100)
        compiled = len(compiler.opened)
        assert level(easel, look(1, 0)) == 50  # what can paint both can paint one
        assert level(easel, look(0, 1)) == 150
        assert len(compiler.opened) == compiled
        assert compiler.threads == {threading.current_thread().name, "vidstyle-easel"}
    finally:
        compiler.gate.set()
        easel.close()


def test_whatever_ends_the_compiling_is_raised_where_is_painted(library: Library, look: MakeLook) -> None:
    painters = iter([Painter(library.network(), open_engine=Compiler())])
    easel = Easel(lambda: next(painters, None) or fail_with(MemoryError("all of it")))
    try:
        easel.begin(160, 128, look(1, 0))
        with pytest.raises(MemoryError, match="all of it"):
            wait_for(lambda: level(easel, look(1, 0, stroke=0.5)) != 50)
    finally:
        easel.close()


def fail_with(error: Exception) -> Painter:
    raise error


def test_another_size_is_compiled_while_the_old_one_goes_on(library: Library, look: MakeLook) -> None:
    compiler = Compiler()
    easel = Easel(lambda: Painter(library.network(), open_engine=compiler))
    try:
        easel.begin(160, 128, look(1, 0))
        assert level(easel, look(1, 0, stroke=0.5)) == 50
        assert easel.working == (160, 128)
        compiler.gate.set()

        def finer() -> bool:
            level(easel, look(1, 0, stroke=0.5))
            return easel.working == (320, 256)

        wait_for(finer)
        assert compiler.opened == [("live", 128), ("live", 256)]
        assert easel.switches == 1
    finally:
        compiler.gate.set()
        easel.close()
