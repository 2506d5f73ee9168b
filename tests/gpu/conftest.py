"""The GPU suite: `pytest -m gpu` on a machine with an NVIDIA GPU; elsewhere it skips with the reason.

A machine that promises a GPU says so: `VIDSTYLE_REQUIRE_GPU=1` (or a list of backends, such as `torch`)
turns every skip of this suite into a failure, so that a broken driver is not a green run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_library
from vidstyle.backends.protocol import Engine, EngineSpec
from vidstyle.backends.registry import get_backend
from vidstyle.frames import ImageArray
from vidstyle.networks.architecture import ARCHITECTURES
from vidstyle.networks.network import Network
from vidstyle.style_library import Library

_PROMISE = "VIDSTYLE_REQUIRE_GPU"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.gpu)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    promised = os.environ.get(_PROMISE, "").split(",")
    backend = item.callspec.params["backend"] if isinstance(item, pytest.Function) else None
    if report.skipped and (promised == ["1"] or backend in promised):
        report.outcome = "failed"
        report.longrepr = f"{_PROMISE} promises {backend} on a GPU here, but: {report.longrepr}"
    return report


@pytest.fixture(params=["tensorrt", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend that runs on an NVIDIA GPU here."""
    name: str = request.param
    availability = get_backend(name).available()
    if name == "torch":
        from vidstyle.backends.gpu import accelerator

        if accelerator() != "cuda":
            pytest.skip(f"torch: {availability.reason}")
    if not availability.ok:
        pytest.skip(f"{name}: {availability.reason}")
    return name


@pytest.fixture(scope="session")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: a plan takes a minute to build."""
    return tmp_path_factory.mktemp("plans")


@pytest.fixture(scope="session")
def real_networks(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The shipped architectures with random weights."""
    root = tmp_path_factory.mktemp("networks")
    return Library([make_library(root, networks=ARCHITECTURES, styles=("identity", "mosaic", "waves"))])


@pytest.fixture(params=ARCHITECTURES)
def network(request: pytest.FixtureRequest, real_networks: Library) -> Network:
    return real_networks.network(request.param)


Open = Callable[..., Engine]


@pytest.fixture
def open_engine(backend: str, plans: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Open, None, None]:
    """Loads a network on the GPU: `open_engine(network, width=..., height=..., ...)`; all are closed."""
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(plans))
    opened: list[Engine] = []

    def load(network: Network, *, said: list[str] | None = None, **spec: object) -> Engine:
        say = print if said is None else said.append
        opened.append(get_backend(backend).load(network, EngineSpec(**spec), say))  # type: ignore[arg-type]
        return opened[-1]

    yield load
    for engine in opened:
        engine.close()


def photographs(count: int, width: int, height: int) -> ImageArray:
    """Pictures with flat areas, edges and noise, each another, (N, H, W, 3) uint8 RGB."""
    random = np.random.default_rng(count)
    y, x = np.mgrid[0:height, 0:width]
    waves = [[(x * (1 + n) // (2 + c) + y * (1 + c)) % 256 for c in range(3)] for n in range(count)]
    pictures = np.moveaxis(np.array(waves), 1, 3) + random.normal(0, 8, (count, height, width, 3))
    pictures[:, : height // 4] = 250  # an overexposed sky: large sums, no variance
    return pictures.clip(0, 255).astype(np.uint8)
