"""One case, in this process: `python -m vidstyle.bench.worker CASE-AS-JSON SECONDS` prints its timing as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vidstyle.backends import cpu
from vidstyle.bench.cases import PEER, Case
from vidstyle.errors import StyleError
from vidstyle.frames import ImageArray
from vidstyle.networks.architecture import ARCHITECTURES, Architecture
from vidstyle.networks.network import Network

LARGEST_COUNT = 200


def main(case_text: str, seconds_text: str) -> None:
    """Time one `Case`, given as JSON, for that many seconds; prints ms a frame, MB and the device as JSON."""
    case = Case(**json.loads(case_text))
    cpu.guard()
    frames = moving_pictures(case.width, case.height, case.batch)
    start = time.perf_counter()
    paint, device = _peer(case) if case.engine == PEER else _engine(case)
    opened = time.perf_counter() - start
    times = _times(lambda: paint(frames), seconds=float(seconds_text))
    result = {
        "best": round(1000 * min(times) / case.batch, 3),
        "median": round(1000 * sorted(times)[len(times) // 2] / case.batch, 3),
        "runs": len(times),
        "open_seconds": round(opened, 3),
        "memory": round(peak_memory(), 1),
        "device": device,
    }
    sys.stdout.write(json.dumps(result) + "\n")


def moving_pictures(width: int, height: int, count: int) -> ImageArray:
    """(count, height, width, 3) uint8 RGB: waves that move, and a little grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    random = np.random.default_rng(7)
    pictures = []
    for i in range(count):
        waves = [np.sin((x + 5 * i) / (30 + 11 * c)) * np.cos((y - 3 * i) / (40 + 7 * c)) for c in range(3)]
        picture = 128 + 90 * np.stack(waves, axis=-1) + random.normal(0, 3, (height, width, 1)).astype(np.float32)
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def peak_memory() -> float:
    """The most memory this process has had, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def _peer(case: Case) -> tuple[Callable[[ImageArray], ImageArray], str]:
    from vidstyle.bench.peer import eager_peer

    return eager_peer(), "cpu"


def _engine(case: Case) -> tuple[Callable[[ImageArray], ImageArray], str]:
    with network_for_bench(case.network) as network:
        return _open(case, network)


def _open(case: Case, network: Network) -> tuple[Callable[[ImageArray], ImageArray], str]:
    from vidstyle.backends.protocol import EngineSpec
    from vidstyle.backends.registry import open_engine

    precision: Any = case.precision
    spec = EngineSpec(
        width=case.width,
        height=case.height,
        batch=case.batch,
        precision=precision,
        device=case.device,
        latency=case.batch == 1,
    )
    engine, _ = open_engine(network, spec, backend=case.engine, say=lambda line: None)
    style = np.ones(network.style_size, np.float32)
    return lambda frames: engine.run(frames, style), engine.info.device


@contextmanager
def network_for_bench(name: str) -> Iterator[Network]:
    """The installed network, or one of random weights: as fast, and there before anything is trained."""
    from vidstyle.style_library import Library

    try:
        found = Library().network(name)
    except StyleError:
        if name not in ARCHITECTURES:
            raise
        with tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as folder:
            yield random_network(name, ARCHITECTURES[name], Path(folder))
        return
    yield found


def random_network(name: str, architecture: Architecture, folder: Path) -> Network:
    """A network of random weights, written to `folder`."""
    from vidstyle.networks.graph import write_graph
    from vidstyle.networks.network import sha256_of

    random = np.random.default_rng(0)
    weights = {}
    for layer, (channels, width, kernel) in architecture.convolutions().items():
        spread = (channels * kernel**2) ** -0.5
        weights[f"{layer}.weight"] = random.normal(0, spread, (width, channels, kernel, kernel)).astype(np.float32)
        weights[f"{layer}.bias"] = np.zeros(width, np.float32)
    graph = folder / "network.onnx"
    write_graph(graph, architecture, weights)
    return Network(
        name=name,
        graph=graph,
        sha256=sha256_of(graph),
        style_size=architecture.style_size,
        architecture=architecture,
    )


def _times(run: Callable[[], object], *, seconds: float) -> list[float]:
    """Seconds of each run: at least one after a warm one, then until the time is up."""
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or (time.perf_counter() < end and len(times) < LARGEST_COUNT):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main(*sys.argv[1:])
