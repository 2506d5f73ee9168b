"""A short film and a painting on disk, and VGG without its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.gatys.random_vgg import random_vgg
from tests.motion.moves import pan, texture
from vidstyle.frames import ImageArray


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gatys mode computes with random weights, in fp32, and leaves the films' cuts to the light detector."""
    monkeypatch.setattr("vidstyle.gatys.render_film.load_vgg", lambda *args, **kwargs: random_vgg())


@pytest.fixture
def painting(tmp_path: Path) -> str:
    path = tmp_path / "painting.png"
    cv2.imwrite(str(path), texture(48, 64, seed=9)[..., ::-1])
    return str(path)


@pytest.fixture
def write_film(tmp_path: Path) -> Callable[[list[ImageArray]], str]:
    """Write frames as numbered pictures; the pattern's name."""

    def write(frames: list[ImageArray]) -> str:
        folder = tmp_path / "film"
        folder.mkdir()
        for number, frame in enumerate(frames):
            cv2.imwrite(str(folder / f"f_{number:04d}.png"), frame[..., ::-1])
        return str(folder / "f_%04d.png")

    return write


@pytest.fixture
def film(write_film: Callable[[list[ImageArray]], str]) -> str:
    """Two shots: four frames of a pan, three of another, darker one."""
    dark = [(frame // 4).astype(np.uint8) for frame in pan(3, step=(0, 2), height=40, width=56, seed=1)]
    return write_film([*pan(4, step=(2, 0), height=40, width=56), *dark])


def pictures(pattern: str) -> list[ImageArray]:
    """What numbered pictures hold."""
    folder = Path(pattern).parent
    return [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted(folder.glob("*.png"))]


def film_of(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return str(folder / "o_%04d.png")
