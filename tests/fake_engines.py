"""Engines without a network, for what is tested around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidstyle.backends.protocol import EngineInfo, EngineSpec
from vidstyle.frames import ImageArray, StyleVector

Paint = Callable[[ImageArray, StyleVector], ImageArray]
"""(N, H, W, 3) uint8 RGB pictures and a style (S,) float32 to painted pictures."""


@dataclass
class FakeEngine:
    """Paints pictures of its `spec` with `paint`; `on_close` hears that it is closed."""

    spec: EngineSpec
    paint: Paint
    on_close: Callable[[], object] = lambda: None

    @property
    def info(self) -> EngineInfo:
        return self.spec.built(backend="fake", device="CPU", precision="fp32")

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        self.info.check(images.shape)
        return self.paint(images, style)

    def close(self) -> None:
        self.on_close()


def grey(level: int) -> Paint:
    """Paints everything in one grey."""
    return lambda images, style: np.full_like(images, level)
