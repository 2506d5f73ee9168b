"""What the command line says when Gatys mode cannot work: one line, the right exit code, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import save_file

from tests.gatys.random_vgg import QUICK, random_vgg
from tests.motion.moves import texture
from tests.networks.test_vgg import torchvision_names
from vidstyle.cli.app import run
from vidstyle.networks.vgg import VGG


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.png"
    cv2.imwrite(str(path), texture(40, 56)[..., ::-1])
    return path


def _render(photograph: Path, style: str, *words: str) -> int:
    given = [word for pair in (*QUICK, "vgg=vgg16") for word in ("--gatys", pair)]
    target = str(photograph.with_name("out.png"))
    return run(["render", str(photograph), target, "--mode", "gatys", "--style", style, *given, *words])


def _refused(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """The one line of the error; nothing of a target may lie there."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "unexpected" not in lines[0]
    assert not list(folder.glob("out.png*"))
    return lines[0]


@pytest.mark.parametrize(
    ("style", "words", "code", "message"),
    [
        ("empty.png", (), 3, "empty.png: an empty file"),
        ("junk.png", (), 3, "junk.png: not a picture"),
        ("nowhere.png", (), 3, "nowhere.png: no such painting"),
        ("painting.png:0", (), 2, "one at least above 0"),
        ("painting.png:1e308", ("--style", "painting.png:1e308"), 2, "add up to too much"),
        ("painting.png", ("--size", "20"), 2, "28x20 is too small"),
        ("painting.png", ("--gatys", "style-layers=conv9_1"), 5, "no layer 'conv9_1'"),
        ("painting.png", ("--gatys", "style=1e39"), 6, "no picture with a finite loss"),
        ("painting.png", ("--gatys", "masks=painting.png,painting.png"), 2, "2 masks for 1 paintings"),
        # Names that are not known, though nothing uses them in Gatys mode.
        ("painting.png", ("--backend", "opnvino"), 2, "no backend 'opnvino' (did you mean 'openvino'?)"),
        ("painting.png", ("--network", "nope"), 5, "no network 'nope'"),
    ],
)
@pytest.mark.usefixtures("no_weights")
def test_a_request_that_cannot_be_met(
    style: str,
    words: tuple[str, ...],
    code: int,
    message: str,
    photograph: Path,
    painting: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = photograph.parent
    monkeypatch.chdir(folder)
    (folder / "empty.png").touch()
    (folder / "junk.png").write_bytes(b"not a picture")
    assert _render(photograph, style, *words) == code
    assert message in _refused(capsys, folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features.5.weight": torch.zeros(128, 32, 3, 3)}, "features.5.weight is of shape (128, 32, 3, 3)"),
        ({"features.0.bias": torch.full((64,), float("nan"))}, "features.0.bias holds values that are no numbers"),
    ],
)
def test_weights_that_do_not_fit(
    changed: dict[str, torch.Tensor],
    message: str,
    photograph: Path,
    painting: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = photograph.with_name("vgg.safetensors")
    save_file(torchvision_names(random_vgg()) | changed, file)
    monkeypatch.setenv("VIDSTYLE_VGG", str(file))
    assert _render(photograph, painting) == 5
    assert message in _refused(capsys, photograph.parent)


def test_a_file_without_weights(
    photograph: Path, painting: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = photograph.with_name("list.pth")
    torch.save([1, 2, 3], file)
    monkeypatch.setenv("VIDSTYLE_VGG", str(file))
    assert _render(photograph, painting) == 5
    assert "it holds a list" in _refused(capsys, photograph.parent)


@pytest.mark.usefixtures("no_weights")
def test_no_memory_for_the_painting(
    photograph: Path, painting: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The targets are made before the optimiser begins; room may be missing there as well."""
    monkeypatch.setattr("vidstyle.gatys.stills.style_target", lambda *args, **kwargs: torch.empty(1 << 60))
    assert _render(photograph, painting) == 6
    assert "not enough memory to paint a picture of 56x40" in _refused(capsys, photograph.parent)


@pytest.mark.usefixtures("no_weights")
def test_a_loss_that_is_no_number_for_once(
    photograph: Path, painting: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, forward = 0, VGG.forward

    def failing(self: VGG, pictures: torch.Tensor, layers: list[str]) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        found = forward(self, pictures, layers)
        return {name: x * float("nan") for name, x in found.items()} if calls == 5 else found

    monkeypatch.setattr(VGG, "forward", failing)
    assert _render(photograph, painting) == 0
    assert "iterations, 1 restart\n" in capsys.readouterr().err
    assert cv2.imread(str(photograph.with_name("out.png"))).std() > 5


@pytest.mark.usefixtures("no_weights")
def test_a_part_claims_no_film(photograph: Path, painting: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _render(photograph, painting, "--gatys", "shots=1/1", "--json") == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert (report["frames_in"], report["frames_out"]) == (1, 0)
    assert "part 1/1 is done" in told.err
    assert "out.png: " not in told.err
    assert not photograph.with_name("out.png").exists()
