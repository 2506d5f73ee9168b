"""A machine with a fake NVIDIA GPU, as a fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import vidstyle.backends
from tests.backends.fake_cuda import FakeCuda
from tests.backends.fake_tensorrt import FakeTensorRT
from vidstyle.backends import fidelity
from vidstyle.backends.protocol import Engine, EngineSpec
from vidstyle.backends.tensorrt import TensorRT
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network
from vidstyle.style_library import Library

WIDTH, HEIGHT = 40, 24
GOOD = fidelity.Verdict(mean=0.1, within=1.0, largest=2, relative_time=0.1)
_OURS = ("cuda_runtime", "tensorrt_log", "tensorrt_build", "tensorrt_engine")


@dataclass
class Nvidia:
    """The fake machine: its CUDA, its TensorRT, a network to load, packages that are missing, what was said."""

    cuda: FakeCuda
    trt: FakeTensorRT
    network: Network
    missing: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def load(self, **spec: Any) -> Engine:
        """An engine for frames of 40x24."""
        full = EngineSpec(**({"width": WIDTH, "height": HEIGHT} | spec))
        return TensorRT().load(self.network, full, self.said.append)


def _forget() -> None:
    """Let the backend's modules be imported anew: they bind NVIDIA's packages when they are."""
    for name in _OURS:
        sys.modules.pop(f"vidstyle.backends.{name}", None)
        vars(vidstyle.backends).pop(name, None)


@pytest.fixture
def real_trial() -> None:
    """New plans are compared with the reference for real."""


@pytest.fixture
def nvidia(request: pytest.FixtureRequest, library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nvidia]:
    """The fake machine."""
    cuda = FakeCuda()
    trt = FakeTensorRT(cuda)
    bindings = ModuleType("cuda.bindings")
    bindings.runtime = cuda  # type: ignore[attr-defined]
    fakes = {"tensorrt": trt, "cuda": ModuleType("cuda"), "cuda.bindings": bindings, "cuda.bindings.runtime": cuda}
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    machine = Nvidia(cuda, trt, library.network("live"))
    if "real_trial" not in request.fixturenames:  # what the fake paints passes only by decree
        monkeypatch.setattr(fidelity, "judge", lambda *arguments: GOOD)
    monkeypatch.setattr("vidstyle.backends.tensorrt._installed", lambda name: name not in machine.missing)
    _forget()
    yield machine
    _forget()


def pictures(count: int, seed: int = 0) -> ImageArray:
    """Noise, (count, HEIGHT, WIDTH, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def style(network: Network, first: float = 3.0) -> StyleVector:
    """A vector of which the fake reads only the first value."""
    vector = np.zeros(network.style_size, np.float32)
    vector[0] = first
    return vector


def painted(images: ImageArray, shift: int = 3) -> ImageArray:
    """What the fake paints."""
    return ((255 - images.astype(int) + shift) % 256).astype(np.uint8)
