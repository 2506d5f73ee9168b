"""The exported graph is the network: same numbers, any size, uint8 in and out."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.backends.openvino_core import openvino_core
from vidstyle.networks.architecture import ARCHITECTURES, Architecture

torch = pytest.importorskip("torch", reason="the reference network needs the torch extra")
pytest.importorskip("onnx", reason="writing graphs needs the torch extra")

from vidstyle.networks.graph import build_graph, read_weights, write_graph  # noqa: E402
from vidstyle.networks.transform import TransformNetwork, fold, neutral_style, unfold  # noqa: E402

SMALL = {
    "folded": Architecture(unshuffle=4, widths=(8, 16), blocks=1, end_kernel=3, skips=True, squash=False),
    "plain": Architecture(unshuffle=1, widths=(4, 8, 16), blocks=1, end_kernel=9, bypass=True),
    "folded bypass": Architecture(unshuffle=2, widths=(4, 8), blocks=1, end_kernel=3, bypass=True),
    "refined": Architecture(unshuffle=4, widths=(8, 16), blocks=1, end_kernel=3, skips=True, squash=False, refine=2),
    "refined flat": Architecture(unshuffle=1, widths=(4, 8), blocks=1, end_kernel=5, refine=1),
    "shallow": Architecture(unshuffle=1, widths=(4, 8), blocks=1, end_kernel=5, squash=False),
    "small end": Architecture(unshuffle=1, widths=(4, 8), blocks=1, end_kernel=3, skips=True),
    "two skips": Architecture(unshuffle=2, widths=(4, 8, 16), blocks=1, end_kernel=3, skips=True),
}


def paint_with_torch(network: TransformNetwork, frames: np.ndarray, style: torch.Tensor) -> np.ndarray:
    stride = network.architecture.stride
    height, width = frames.shape[1:3]
    pads = [max(2 * stride, -(-side // stride) * stride) - side for side in (height, width)]
    padded = np.pad(frames, ((0, 0), (0, pads[0]), (0, pads[1]), (0, 0)), mode="edge")
    with torch.no_grad():
        x = torch.from_numpy(padded).permute(0, 3, 1, 2).float() / 255
        y = (network(x, style.expand(len(frames), -1)) * 255).round().byte()
    return y.permute(0, 2, 3, 1).numpy()[:, :height, :width]


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("size", [(32, 48), (37, 51), (8, 8), (1, 1)])
def test_graph_equals_network(kind: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    architecture = SMALL[kind]
    network = TransformNetwork(architecture).eval()
    style = neutral_style(architecture) + 0.3 * torch.randn(architecture.style_size)
    graph = build_graph(architecture, {k: v.numpy() for k, v in network.state_dict().items()})
    core = openvino_core()
    model = core.read_model(graph.SerializeToString())
    model.reshape({"frames": [2, *size, 3]})
    engine = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)

    painted = engine({"frames": frames, "style": style.numpy()})[0]

    expected = paint_with_torch(network, frames, style)
    assert painted.dtype == np.uint8
    assert np.abs(painted.astype(int) - expected).max() <= 1
    if size[0] > 8:
        assert expected.std() > 2  # a flat picture would be equal to anything


def test_every_style_value_matters() -> None:
    architecture = SMALL["two skips"]
    network = TransformNetwork(architecture)
    style = neutral_style(architecture)[None].clone().requires_grad_()
    (network(torch.rand(1, 3, 32, 32), style) * torch.rand(1, 3, 32, 32)).sum().backward()
    assert style.grad is not None
    assert style.shape[1] == architecture.style_size
    # Shifts of the last norm's dead channels aside, each value has an effect.
    assert (style.grad != 0).float().mean() > 0.8


def test_weights_come_back_from_the_graph(tmp_path) -> None:
    network = TransformNetwork(SMALL["folded"])
    weights = {k: v.numpy() for k, v in network.state_dict().items()}
    write_graph(tmp_path / "network.onnx", SMALL["folded"], weights)
    back = read_weights(tmp_path / "network.onnx")
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[k], weights[k]) for k in weights)


def test_wrong_weights_are_refused(tmp_path) -> None:
    weights = {k: v.numpy() for k, v in TransformNetwork(SMALL["folded"]).state_dict().items()}
    with pytest.raises(ValueError, match=r"head\.weight is"):
        write_graph(tmp_path / "n.onnx", SMALL["folded"], weights | {"head.weight": np.zeros((1, 2, 3, 3), np.float32)})
    assert not (tmp_path / "n.onnx").exists()


def test_fold_and_unfold_are_inverse_and_keep_rows_together() -> None:
    picture = torch.arange(2 * 3 * 8 * 12).view(2, 3, 8, 12).float()
    folded = fold(picture, 4)
    assert folded.shape == (2, 48, 2, 3)
    assert torch.equal(unfold(folded, 4), picture)
    # Channel order row, column, colour: the first three channels are the block's first pixel.
    assert torch.equal(folded[0, :3, 0, 0], picture[0, :, 0, 0])
    assert torch.equal(folded[0, 3:6, 0, 0], picture[0, :, 0, 1])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_survives_its_card(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert Architecture.from_json(architecture.to_json()) == architecture
    network = TransformNetwork(architecture)
    assert neutral_style(architecture).shape == (architecture.style_size,)
    assert {n.rsplit(".", 1)[0] for n, _ in network.named_parameters()} == set(architecture.convolutions())


@pytest.mark.parametrize("kind", ["plain", "folded"])
def test_in_training_black_spots_find_back(kind: str) -> None:
    network = TransformNetwork(SMALL[kind])
    with torch.no_grad():
        network.head.bias.fill_(-9)
    network(torch.rand(1, 3, 32, 32), neutral_style(SMALL[kind])[None]).mean().backward()
    assert network.head.bias.grad.sum() > 0.01
