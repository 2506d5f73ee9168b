"""pytorch/examples checkpoints: same picture as PyTorch; never anything but weights."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="reading checkpoints needs the torch extra")
pytest.importorskip("onnx", reason="importing needs the torch extra")

from tests.networks import foreign_networks as foreign  # noqa: E402
from vidstyle.errors import StyleError  # noqa: E402
from vidstyle.networks.foreign import pytorch_examples  # noqa: E402


@pytest.fixture
def network() -> foreign.TransformerNet:
    torch.manual_seed(1)
    return foreign.TransformerNet().eval()


@pytest.mark.parametrize("old", [False, True])
def test_paints_what_pytorch_paints(network: foreign.TransformerNet, tmp_path: Path, old: bool) -> None:
    state = network.state_dict()
    if old:  # before PyTorch 0.4: statistics without effect, in a bare pickle
        state |= {f"in1.running_{kind}": torch.full((foreign.WIDTHS[0],), 9.0) for kind in ("mean", "var")}
    torch.save(state, tmp_path / "net.pth", _use_new_zipfile_serialization=not old)
    frames = foreign.photograph(40, 52, 2)
    expected = foreign.paint_with_torch(network, frames)
    painted = foreign.paint(pytorch_examples.read(tmp_path / "net.pth").model, frames)
    assert np.abs(painted.astype(int) - expected).max() <= 1
    assert expected.std() > 10


@pytest.mark.parametrize("size", [(1, 1), (37, 51)])
def test_takes_any_size(network: foreign.TransformerNet, tmp_path: Path, size: tuple[int, int]) -> None:
    torch.save(network.state_dict(), tmp_path / "net.pth")
    frames = foreign.photograph(*size)
    assert foreign.paint(pytorch_examples.read(tmp_path / "net.pth").model, frames).shape == frames.shape


class Touch:
    """Unpickled by an ordinary pickle it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
def test_code_in_a_checkpoint_never_runs(tmp_path: Path, kind: str) -> None:
    file, sentinel = tmp_path / "evil.pth", tmp_path / "ran"
    state = {"conv1.conv2d.weight": Touch(sentinel)}
    if kind == "pickle":
        file.write_bytes(pickle.dumps(state, 2))
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(StyleError, match=r"asks to run \w+\.mkdir"):
        pytorch_examples.read(file)
    assert not sentinel.exists()
    if kind == "pickle":
        pickle.loads(file.read_bytes())
        assert sentinel.exists()  # the trap does work


@pytest.mark.parametrize("kind", ["pickle", "torch"])
@pytest.mark.filterwarnings("error")
def test_a_pickle_too_new_to_be_read_safely_is_refused_in_our_words_alone(tmp_path: Path, kind: str) -> None:
    file, sentinel = tmp_path / "evil.pth", tmp_path / "ran"
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Touch(sentinel), 4))
    else:
        torch.save(Touch(sentinel), file, pickle_protocol=4)
    with pytest.raises(StyleError, match=r"can run code on loading and so is never loaded"):
        pytorch_examples.read(file)
    assert not sentinel.exists()


def test_a_whole_module_is_refused_with_what_to_do(network: foreign.TransformerNet, tmp_path: Path) -> None:
    torch.save(torch.nn.Conv2d(3, 3, 3), tmp_path / "whole.pth")
    with pytest.raises(StyleError, match="state_dict"):
        pytorch_examples.read(tmp_path / "whole.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x02garbage", b"\x80\x02}."])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(StyleError):
        pytorch_examples.read(tmp_path / "net.pth")


PLAIN = torch.ones(3)


@pytest.mark.filterwarnings("ignore")  # what some of these kinds say of themselves
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PLAIN.to_sparse(), "not a plain array"),
        (lambda: torch.quantize_per_tensor(PLAIN, 0.1, 0, torch.quint8), "not a plain array"),
        (lambda: PLAIN.to("meta"), "not a plain array"),
        (lambda: PLAIN.to(torch.complex64), "not a plain array"),
        (lambda: PLAIN.to(torch.int64), "not a plain array"),
        (lambda: torch.nested.nested_tensor([PLAIN]), "not a plain array"),
        (lambda: torch.ones(1).expand(10**14), "claim more than 512 MB"),
        (lambda: torch.ones(1).expand(10**8), "claim more than 512 MB"),  # both of them together
    ],
)
def test_weights_that_are_no_plain_arrays_are_refused(
    make: Callable[[], torch.Tensor], message: str, network: foreign.TransformerNet, tmp_path: Path
) -> None:
    torch.save(network.state_dict() | {"in1.bias": make(), "in2.bias": make()}, tmp_path / "net.pth")
    with pytest.raises(StyleError, match=message):
        pytorch_examples.read(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv2.conv2d.weight": None}, r"holds no conv2\.conv2d\.weight"),
        ({"classifier.weight": torch.ones(2)}, r"holds classifier\.weight too"),
        ({"in3.bias": torch.ones(3)}, r"in3\.bias is \(3,\), not \(8,\)"),
        ({"res2.conv2.conv2d.weight": torch.ones(9, 8, 3, 3)}, r"res2\.conv2\.conv2d\.weight is"),
        ({"deconv3.conv2d.bias": torch.full((3,), torch.inf)}, "finite"),
        ({"epoch": 3}, "not a state dict"),
    ],
)
def test_other_networks_are_refused(
    network: foreign.TransformerNet, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    state = {name: value for name, value in (network.state_dict() | change).items() if value is not None}
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(StyleError, match=message):
        pytorch_examples.read(tmp_path / "net.pth")
