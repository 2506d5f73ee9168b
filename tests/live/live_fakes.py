"""A session without weights or hardware: an engine that inverts, a synthetic camera, styles made up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fake_engines import FakeEngine
from vidstyle.backends.protocol import EngineSpec
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.live.control import Control, LiveSettings
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound
from vidstyle.networks.network import Network
from vidstyle.painter import Painter
from vidstyle.styles import Style, StyleCard

NETWORK = Network(name="live", graph=Path("none.onnx"), sha256="0", style_size=4, architecture=None)
NAMES = ("identity", "blue", "red", "green")


@dataclass
class Painters:
    """Makes painters of negatives, tinted by the style's first value; `sizes` lists what was compiled.

    Each frame takes `seconds`.
    """

    seconds: Callable[[EngineSpec], float] = lambda spec: 0.0
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self) -> Painter:
        def open_engine(network, spec, backend, say):
            self.sizes.append((spec.width, spec.height))

            def paint(images: ImageArray, style: StyleVector) -> ImageArray:
                time.sleep(self.seconds(spec))
                result = 255 - images
                result[..., 2] = np.uint8(np.clip(style[0], 0, 255))
                return result

            return FakeEngine(spec, paint), []

        return Painter(NETWORK, latency=True, open_engine=open_engine)


def make_style(name: str) -> Style:
    card = StyleCard(
        name=name,
        title=name,
        author="",
        year="",
        licence="",
        source="",
        trained="",
        vectors={},
        folder=Path(),
        shipped=True,
    )
    return Style(card=card, vector=np.full(4, 60.0 * NAMES.index(name), np.float32))


def make_control(**settings: object) -> Control:
    return Control(
        LiveSettings(**{"styles": (("blue", 1.0),), **settings}),
        names=NAMES[1:],
        style=make_style,
        identity=make_style("identity"),
    )


class Collector:
    """An output that keeps what it gets; each picture takes it `seconds`."""

    steady = False

    def __init__(self, name: str = "collector", *, seconds: float = 0.0, keep: int = 10_000) -> None:
        self.name, self.seconds, self.keep = name, seconds, keep
        self.picture: PictureFormat | None = None
        self.frames: list[LiveFrame] = []
        self.times: list[float] = []
        self.sounds: list[Sound] = []
        self.closed = 0

    def open(self, picture: PictureFormat) -> None:
        self.picture = picture

    def write(self, frame: LiveFrame) -> None:
        time.sleep(self.seconds)
        self.times.append(time.monotonic())
        if len(self.frames) < self.keep:
            self.frames.append(frame)

    def hear(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def close(self) -> None:
        self.closed += 1
