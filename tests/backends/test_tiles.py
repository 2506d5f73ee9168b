"""Tiles: they cover the picture, and what they paint together is what one piece would have been."""

from __future__ import annotations

import numpy as np
import pytest

from vidstyle.backends import openvino, tiles
from vidstyle.backends.protocol import EngineSpec
from vidstyle.errors import BackendError
from vidstyle.networks.architecture import CLASSIC, LIVE
from vidstyle.networks.network import Network
from vidstyle.style_library import Library


@pytest.mark.parametrize(("length", "tile", "reach"), [(640, 640, 104), (1000, 384, 104), (1001, 96, 8), (97, 96, 8)])
def test_spans_cover_a_side_once_with_their_surroundings(length: int, tile: int, reach: int) -> None:
    found = tiles.spans(length, tile, reach)
    assert [s.start for s in found] == [0, *(s.end for s in found[:-1])]
    assert found[-1].end == length
    for span in found:
        assert 0 <= span.window <= length - tile
        assert span.window == 0 or span.start - span.window >= reach
        assert span.window + tile == length or span.window + tile - span.end >= reach


def test_the_reach_of_the_shipped_architectures() -> None:
    assert tiles.reach(LIVE) == 120
    assert tiles.reach(CLASSIC) == 60


@pytest.mark.parametrize(("name", "width", "height"), [("live", 100, 75), ("classic", 90, 61)])
def test_tiles_paint_what_one_piece_paints(
    library: Library, monkeypatch: pytest.MonkeyPatch, name: str, width: int, height: int
) -> None:
    monkeypatch.setattr(tiles, "LARGEST_TILE", 64)
    network = library.network(name)
    random = np.random.default_rng(2)
    frame = random.integers(0, 60, (1, height, width, 3), dtype=np.uint8)
    frame[:, :, width // 2 :] += 180  # so that no tile has the statistics of the whole
    style = random.normal(1, 0.3, network.style_size).astype(np.float32)
    whole = openvino.open_reference(network, width, height).run(frame, style)
    engine = tiles.open_tiled(network, EngineSpec(width=width, height=height))
    tiled = engine.run(frame, style)
    assert tiled.shape == whole.shape
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert np.array_equal(engine.run(frame, style), tiled)  # nothing of the picture before is left
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine.run(frame, style)


@pytest.mark.parametrize("name", ["live", "classic"])
def test_even_pictures_are_painted_as_in_one_piece(
    library: Library, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Fog and skies: what varies is small beside the mean, and must not be lost in it."""
    monkeypatch.setattr(tiles, "LARGEST_TILE", 64)
    network = library.network(name)
    rows, columns = np.mgrid[:80, :100]
    sky = np.stack([250 + rows / 20, 240 + columns / 30, 230 + rows / 50], axis=-1).astype(np.uint8)[None]
    style = np.random.default_rng(2).normal(1, 0.3, network.style_size).astype(np.float32)
    whole = openvino.open_reference(network, 100, 80).run(sky, style)
    tiled = tiles.open_tiled(network, EngineSpec(width=100, height=80)).run(sky, style)
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_an_imported_network_is_refused(library: Library) -> None:
    graph = library.network("live").graph
    imported = Network(name="foreign", graph=graph, sha256="0", style_size=0, architecture=None)
    with pytest.raises(BackendError, match="tiles need a network of vidstyle's own"):
        tiles.open_tiled(imported, EngineSpec(width=64, height=64))
