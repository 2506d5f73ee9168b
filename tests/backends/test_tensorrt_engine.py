"""Running a plan, against a fake device that is as asynchronous as can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.backends.fake_cuda import cudaError_t
from tests.backends.fake_nvidia import HEIGHT, WIDTH, Nvidia, painted, pictures, style
from vidstyle.backends.protocol import EngineSpec
from vidstyle.backends.tensorrt import TensorRT
from vidstyle.errors import BackendError
from vidstyle.networks.network import Network, sha256_of


@pytest.mark.parametrize("batch", [1, 2, 5, 8, 16, 40])
def test_paints_every_frame_in_its_place(nvidia: Nvidia, batch: int) -> None:
    engine = nvidia.load(batch=batch)
    info = engine.info
    assert (info.backend, info.device, info.precision, info.batch) == ("tensorrt", "cuda:0", "fp16", batch)
    for count, shift in ((batch, 3), (max(1, batch - 1), 7), (1, 0)):
        images = pictures(count, seed=count)
        result = engine.run(images, style(nvidia.network, shift))
        assert result.dtype == np.uint8
        assert np.array_equal(result, painted(images, shift))
    assert nvidia.cuda.launches > 0, "the network is replayed as a CUDA graph"


def test_parts_of_a_batch_overlap(nvidia: Nvidia) -> None:
    """Three parts are on their way before the first is waited for; a single frame needs no second lane."""
    waits = []
    engine = nvidia.load(batch=16)
    synchronize = nvidia.cuda.cudaStreamSynchronize
    nvidia.cuda.__dict__["cudaStreamSynchronize"] = lambda on: waits.append(nvidia.cuda.launches) or synchronize(on)
    engine.run(pictures(16), style(nvidia.network))
    assert waits == [3, 4, 4, 4]
    engine.close()
    nvidia.load(batch=1)
    assert len(nvidia.cuda.streams) == 1


def test_result_is_the_callers_own(nvidia: Nvidia) -> None:
    engine = nvidia.load()
    first = engine.run(pictures(1, seed=1), style(nvidia.network))
    engine.run(pictures(1, seed=2), style(nvidia.network))
    assert np.array_equal(first, painted(pictures(1, seed=1)))


def test_strided_frames(nvidia: Nvidia) -> None:
    mirrored = pictures(2)[:, :, ::-1]
    assert np.array_equal(nvidia.load(batch=2).run(mirrored, style(nvidia.network)), painted(mirrored))


def test_close_gives_everything_back(nvidia: Nvidia) -> None:
    engine = nvidia.load(batch=8)
    assert nvidia.cuda.taken > 0
    engine.close()
    engine.close()
    assert nvidia.cuda.taken == 0
    with pytest.raises(BackendError, match="closed"):
        engine.run(pictures(1), style(nvidia.network))


def test_wrong_shapes(nvidia: Nvidia) -> None:
    engine = nvidia.load(batch=2)
    with pytest.raises(ValueError, match="1 to 2 frames of 40x24"):
        engine.run(pictures(3), style(nvidia.network))
    with pytest.raises(ValueError, match="1 to 2 frames of 40x24"):
        engine.run(pictures(1)[:, 1:], style(nvidia.network))
    with pytest.raises(ValueError, match="the style is"):
        engine.run(pictures(1), style(nvidia.network)[1:])


def test_failure_on_the_device_while_running(nvidia: Nvidia) -> None:
    engine = nvidia.load()
    nvidia.cuda.fails["cudaStreamSynchronize"] = cudaError_t.cudaErrorIllegalAddress
    with pytest.raises(BackendError, match="cudaStreamSynchronize failed: cudaErrorIllegalAddress"):
        engine.run(pictures(1), style(nvidia.network))


@pytest.mark.parametrize("broken", ["enqueue", "instantiate"])
def test_without_cuda_graphs(nvidia: Nvidia, broken: str) -> None:
    """A network that cannot be recorded runs all the same, and that is said."""
    if broken == "enqueue":
        nvidia.trt.refuse.add("record")
    else:
        nvidia.cuda.fails["cudaGraphInstantiate"] = cudaError_t.cudaErrorInvalidValue
    engine = nvidia.load(batch=8)
    assert any("without CUDA graphs" in line for line in nvidia.said)
    assert np.array_equal(engine.run(pictures(8), style(nvidia.network)), painted(pictures(8)))
    assert nvidia.cuda.launches == 0
    engine.close()
    assert nvidia.cuda.taken == 0


def test_network_of_one_style(nvidia: Nvidia, tmp_path: Path) -> None:
    """An imported network has no style input."""
    model = onnx.load(str(nvidia.network.graph))
    del model.graph.input[1]
    value = np.full(nvidia.network.style_size, 0.5, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(value, "style"))
    onnx.save(model, str(tmp_path / "one.onnx"))
    network = Network(
        name="one",
        graph=tmp_path / "one.onnx",
        sha256=sha256_of(tmp_path / "one.onnx"),
        style_size=0,
        architecture=None,
    )
    engine = TensorRT().load(network, EngineSpec(width=WIDTH, height=HEIGHT), nvidia.said.append)
    assert np.array_equal(engine.run(pictures(1), np.zeros(0, np.float32)), painted(pictures(1), 0))
