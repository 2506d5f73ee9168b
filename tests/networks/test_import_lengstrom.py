"""Folders of raw weights: same picture as PyTorch, same as the peer's own, and nothing hostile is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the reference needs the torch extra")
pytest.importorskip("onnx", reason="importing needs the torch extra")

from tests.networks import foreign_networks as foreign  # noqa: E402
from vidstyle.errors import StyleError  # noqa: E402
from vidstyle.networks.foreign import lengstrom  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    foreign.write_lengstrom(tmp_path / "weights")
    return tmp_path / "weights"


def test_paints_what_pytorch_paints(tmp_path: Path) -> None:
    variables = foreign.write_lengstrom(tmp_path / "weights")
    frames = foreign.photograph(40, 52, 2)
    expected = foreign.paint_with_torch(foreign.LengstromReference(variables), frames)
    painted = foreign.paint(lengstrom.read(tmp_path / "weights").model, frames)
    assert np.abs(painted.astype(int) - expected).max() <= 1
    assert expected.std() > 10


@pytest.mark.parametrize("size", [(1, 1), (37, 51), (8, 8)])
def test_takes_any_size(folder: Path, size: tuple[int, int]) -> None:
    frames = foreign.photograph(*size)
    assert foreign.paint(lengstrom.read(folder).model, frames).shape == frames.shape


def test_paints_what_the_peer_paints(test_data: Path) -> None:
    import cv2

    source, wanted = (
        cv2.cvtColor(cv2.imread(str(test_data / "peers" / f"ml5_wave_{end}.png")), cv2.COLOR_BGR2RGB)
        for end in ("input", "output")
    )
    painted = foreign.paint(lengstrom.read(test_data / "peers" / "ml5_wave").model, source[None])[0]
    assert (np.abs(painted.astype(int) - wanted) <= 2).mean() >= 0.999


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", "", "a\\b", "C:x", "a\0b", 7, None])
def test_a_manifest_that_points_out_of_the_folder_is_refused(folder: Path, name: object) -> None:
    (folder.parent / "outside").write_bytes((folder / "Variable_4").read_bytes())
    change(folder, "Variable_4", filename=name)
    with pytest.raises(StyleError, match="not a file name"):
        lengstrom.read(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "Variable_4").rename(folder.parent / "outside")
    (folder / "Variable_4").symlink_to(folder.parent / "outside")
    with pytest.raises(StyleError, match="not an ordinary file"):
        lengstrom.read(folder)


@pytest.mark.parametrize("shape", [[3, 3], [-6], [6.0], ["6"], 6, [0], [2**40, 2**40]])
def test_shapes_that_cannot_be_are_refused(folder: Path, shape: object) -> None:
    change(folder, "Variable_4", shape=shape)
    with pytest.raises(StyleError, match=r"bytes|not a list of sizes"):
        lengstrom.read(folder)


def test_shapes_that_do_not_fit_together_are_refused(folder: Path) -> None:
    change(folder, "Variable_9", shape=[3, 3, 4, 16])
    with pytest.raises(StyleError, match=r"convolution 4 .* do not fit"):
        lengstrom.read(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    file = folder / "Variable_9"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(StyleError, match="damaged"):
        lengstrom.read(folder)


def test_values_that_are_no_numbers_are_refused(folder: Path) -> None:
    file = folder / "Variable_9"
    file.write_bytes(np.float32("nan").tobytes() + file.read_bytes()[4:])
    with pytest.raises(StyleError, match="finite"):
        lengstrom.read(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Variable": 3}', "\xff", "[" * 100_000])
def test_other_manifests_are_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(StyleError, match="manifest"):
        lengstrom.read(folder)


def test_a_variable_too_many_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["Variable_48"] = manifest["Variable_47"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StyleError, match="Variable_48"):
        lengstrom.read(folder)


def change(folder: Path, variable: str, **values: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[variable] |= values
    (folder / "manifest.json").write_text(json.dumps(manifest))
