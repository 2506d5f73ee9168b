"""VGG's layers by name, and what is said of weights that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="VGG needs the torch extra")

from safetensors.torch import save_file  # noqa: E402

from vidstyle.errors import StyleError  # noqa: E402
from vidstyle.networks.vgg import BLOCKS, VGG, load_vgg  # noqa: E402


def torchvision_names(vgg: VGG) -> dict[str, torch.Tensor]:
    """State with torchvision's numbering: a ReLU after each convolution, a pooling layer after each block."""
    state, index = {}, 0
    for block, count in enumerate(BLOCKS[vgg.variant], start=1):
        for i in range(1, count + 1):
            for part in ("weight", "bias"):
                state[f"features.{index}.{part}"] = getattr(vgg.convolutions[f"conv{block}_{i}"], part).data.clone()
            index += 2
        index += 1
    return state


@pytest.mark.parametrize("variant", ["vgg16", "vgg19"])
def test_loads_torchvision_numbering(variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    original = VGG(variant)
    save_file(torchvision_names(original), tmp_path / "w.safetensors")
    torch.save(torchvision_names(original), tmp_path / "w.pth")
    picture = torch.rand(1, 3, 64, 64)
    wanted = original(picture, ["relu5_1"])["relu5_1"]
    for name in ("w.safetensors", "w.pth"):
        monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / name))
        assert torch.equal(load_vgg(variant)(picture, ["relu5_1"])["relu5_1"], wanted)


def test_layers_are_what_their_names_say() -> None:
    vgg = VGG()
    found = vgg(torch.rand(2, 3, 64, 48), ["conv1_1", "relu1_1", "conv4_2", "relu4_2"])
    assert found["conv1_1"].shape == (2, 64, 64, 48)
    assert found["relu4_2"].shape == (2, 512, 8, 6)
    assert (found["conv1_1"] < 0).any()
    assert torch.equal(found["conv1_1"].relu(), found["relu1_1"])
    assert not any(p.requires_grad for p in vgg.parameters())


def test_unknown_layer_and_tiny_picture_are_refused() -> None:
    with pytest.raises(StyleError, match="no layer 'conv9_1'"):
        VGG()(torch.rand(1, 3, 64, 64), ["conv9_1"])
    with pytest.raises(StyleError, match="too small"):
        VGG()(torch.rand(1, 3, 8, 8), ["conv5_1"])


def test_unusable_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / "none.pth"))
    with pytest.raises(StyleError, match="does not exist"):
        load_vgg()
    (tmp_path / "text.pth").write_text("no weights")
    monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / "text.pth"))
    with pytest.raises(StyleError, match=r"text\.pth: not readable as VGG weights \(UnpicklingError\)$"):
        load_vgg()  # and none of torch's advice to read it without its check
    save_file(torchvision_names(VGG("vgg16")), tmp_path / "vgg16.safetensors")
    monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / "vgg16.safetensors"))
    with pytest.raises(StyleError, match="not vgg19 weights"):
        load_vgg("vgg19")


def test_no_folder_for_a_download_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSTYLE_VGG", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(StyleError, match="name the file in VIDSTYLE_VGG"):
        load_vgg()


def test_average_pooling_is_smoother() -> None:
    torch.manual_seed(1)
    largest, average = VGG(pooling="max"), VGG(pooling="average")
    average.load_state_dict(largest.state_dict())
    picture = torch.rand(1, 3, 32, 32)
    maximal, mean = (v(picture, ["relu2_1"])["relu2_1"] for v in (largest, average))
    assert not torch.equal(maximal, mean)
