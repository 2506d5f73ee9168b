"""TensorRT and PyTorch on an NVIDIA GPU, against the fp32 reference on the processor."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tests.gpu.conftest import Open, photographs
from vidstyle.backends.protocol import Engine, EngineSpec
from vidstyle.backends.registry import get_backend
from vidstyle.errors import OutOfMemory
from vidstyle.frames import ImageArray
from vidstyle.networks.network import Network
from vidstyle.style_library import Library


def reference(network: Network, images: ImageArray, style: Any) -> ImageArray:
    """What OpenVINO paints on the processor in fp32."""
    spec = EngineSpec(width=images.shape[2], height=images.shape[1], precision="fp32")
    engine = get_backend("openvino").load(network, spec, print)
    try:
        return np.concatenate([engine.run(image[None], style) for image in images])
    finally:
        engine.close()


def assert_faithful(painted: ImageArray, expected: ImageArray) -> None:
    """The fidelity gate: mean error at most one level, 99.9 % within four."""
    error = np.abs(painted.astype(int) - expected)
    assert expected.std() > 10, "the reference is flat: the comparison would say nothing"
    assert error.mean() <= 1
    assert (error <= 4).mean() >= 0.999


@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (183, 321), (1280, 720)])
def test_paints_like_the_reference(
    open_engine: Open, network: Network, real_networks: Library, width: int, height: int, precision: str
) -> None:
    style = real_networks.style("mosaic", network).vector
    images = photographs(2, width, height)
    engine = open_engine(network, width=width, height=height, batch=2, precision=precision)
    assert engine.info.precision == ("fp16" if precision == "auto" else "fp32")
    assert_faithful(engine.run(images, style), reference(network, images, style))


def test_full_hd(open_engine: Open, network: Network, real_networks: Library) -> None:
    """Two million pixels to a statistic: what overflows in fp16 shows here."""
    style = real_networks.style("waves", network).vector
    images = photographs(1, 1920, 1080)
    engine = open_engine(network, width=1920, height=1080)
    assert_faithful(engine.run(images, style), reference(network, images, style))


@pytest.mark.parametrize("batch", [3, 16])
def test_batch_is_many_single_frames(open_engine: Open, network: Network, real_networks: Library, batch: int) -> None:
    style = real_networks.style("mosaic", network).vector
    images = photographs(batch, 320, 180)
    together = open_engine(network, width=320, height=180, batch=batch)
    alone = open_engine(network, width=320, height=180)
    one_by_one = np.concatenate([alone.run(image[None], style) for image in images])
    for count in (batch, 1, batch - 1):
        painted = together.run(images[:count], style)
        assert np.abs(painted.astype(int) - one_by_one[:count]).max() <= 2


def test_style_changes_at_once(open_engine: Open, network: Network, real_networks: Library) -> None:
    """A replayed graph must read the new vector."""
    styles = [real_networks.style(name, network).vector for name in ("mosaic", "waves")]
    images = photographs(1, 320, 180)
    engine = open_engine(network, width=320, height=180)
    first, second, again = (engine.run(images, styles[i]) for i in (0, 1, 0))
    assert np.abs(first.astype(int) - second).mean() > 2
    assert np.array_equal(first, again)


def test_closing_gives_the_memory_back(open_engine: Open, network: Network) -> None:
    from cuda.bindings import runtime as cudart

    def free() -> int:
        status, available, _ = cudart.cudaMemGetInfo()
        assert status == cudart.cudaError_t.cudaSuccess
        return int(available)

    open_engine(network, width=1280, height=720, batch=4).close()  # loads what stays: kernels, libraries
    before = free()
    for _ in range(3):
        open_engine(network, width=1280, height=720, batch=4).close()
    assert before - free() < 64 << 20


def test_short_of_memory(open_engine: Open, network: Network, real_networks: Library) -> None:
    """OutOfMemory and no other error; and when there is room again, it works."""
    from cuda.bindings import runtime as cudart

    style = real_networks.style("mosaic", network).vector
    images = photographs(8, 1280, 720)
    open_engine(network, width=1280, height=720, batch=8).close()  # the plan is built while there is room
    _, available, _ = cudart.cudaMemGetInfo()
    status, taken = cudart.cudaMalloc(available - (16 << 20))
    assert status == cudart.cudaError_t.cudaSuccess
    try:
        with pytest.raises(OutOfMemory):
            open_engine(network, width=1280, height=720, batch=8).run(images, style)
    finally:
        cudart.cudaFree(taken)
    open_engine(network, width=1280, height=720, batch=8).run(images, style)


def test_half_precision_is_not_only_a_name(open_engine: Open, real_networks: Library) -> None:
    """A build that silently fell back to fp32 would paint right and cost twice the time; `live` copies more than it
    computes on a large GPU."""
    network = real_networks.network("classic")
    style = real_networks.style("mosaic", network).vector
    images = photographs(4, 1280, 720)
    seconds = {
        precision: fastest(open_engine(network, width=1280, height=720, batch=4, precision=precision), images, style)
        for precision in ("fp16", "fp32")
    }
    assert seconds["fp16"] < 0.9 * seconds["fp32"]


def fastest(engine: Engine, images: ImageArray, style: Any) -> float:
    """The shortest of twenty runs, in seconds."""
    times = []
    for _ in range(20):
        start = time.perf_counter()
        engine.run(images, style)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("backend", ["tensorrt"], indirect=True)
def test_plan_is_kept(open_engine: Open, network: Network, real_networks: Library) -> None:
    style = real_networks.style("mosaic", network).vector
    images = photographs(1, 320, 180)
    first = open_engine(network, width=320, height=180).run(images, style)
    said: list[str] = []
    again = open_engine(network, width=320, height=180, said=said).run(images, style)
    assert said == [], "nothing to build, and CUDA graphs were recorded"
    assert np.array_equal(first, again)
