"""What is published: weights as they were learned, but for bits that nobody computes with."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from vidstyle.networks.architecture import Architecture
from vidstyle.networks.graph import read_weights
from vidstyle.networks.publish import publish_network, publish_style, replace_folder, staging
from vidstyle.styles import StyleCard

ARCHITECTURE = Architecture(unshuffle=1, widths=(32, 64), blocks=1, end_kernel=3)


def test_published_weights_are_the_learned_ones_to_bf16s_precision(tmp_path: Path) -> None:
    weights = _weights()
    back = read_weights(publish_network(tmp_path, "small", architecture=ARCHITECTURE, weights=weights) / "network.onnx")
    assert back.keys() == weights.keys()
    for name, weight in weights.items():
        assert not np.any(back[name].view(np.uint32) & 0xFFFF)  # the half of a float32 that bf16 lacks
        np.testing.assert_allclose(back[name], weight, rtol=2**-8)


def test_published_weights_compress(tmp_path: Path) -> None:
    folder = publish_network(tmp_path, "small", architecture=ARCHITECTURE, weights=_weights())
    graph = (folder / "network.onnx").read_bytes()
    assert len(zlib.compress(graph)) < 0.55 * len(graph)


def test_a_vector_that_the_card_does_not_name_goes(tmp_path: Path) -> None:
    texts = dict.fromkeys(("title", "author", "year", "licence", "source", "trained"), "")
    card = StyleCard(**texts, name="forest", vectors={}, folder=tmp_path, shipped=False)
    folder = publish_style(tmp_path, card, {name: np.zeros(4, np.float32) for name in ("live", "classic")})
    (folder / "preview.jpg").write_bytes(b"painted")
    publish_style(tmp_path, card, {"mine": np.zeros(4, np.float32)})
    assert sorted(file.name for file in folder.iterdir()) == ["card.json", "mine.npy", "preview.jpg"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    folder = tmp_path / "style"
    folder.mkdir()
    (folder / "card.json").write_text("mine")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", folder)
    assert [file.name for file in tmp_path.iterdir()] == ["style"]
    assert (folder / "card.json").read_text() == "mine"


def test_what_a_killed_run_left_goes_and_what_one_at_work_has_begun_stays(tmp_path: Path) -> None:
    for name in (".new-killed", ".new-working"):
        (tmp_path / name / "styles" / "mine").mkdir(parents=True)
    os.utime(tmp_path / ".new-killed", (0, 0))
    with staging(tmp_path) as own:
        assert {file.name for file in tmp_path.iterdir()} == {".new-working", own.name}
    assert [file.name for file in tmp_path.iterdir()] == [".new-working"]


def _weights() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    random = np.random.default_rng(0)
    weights = {}
    for name, (channels, width, kernel) in ARCHITECTURE.convolutions().items():
        shape = (width, channels, kernel, kernel)
        weights[f"{name}.weight"] = random.normal(0, 0.05, shape).astype(np.float32)
        weights[f"{name}.bias"] = random.normal(0, 0.1, width).astype(np.float32)
    return weights
