"""Styles that bring a network along: found, mixed by blending pictures, steered by the same controls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY, add_style, make_library
from tests.fake_engines import FakeEngine, grey
from vidstyle.backends.protocol import EngineInfo, EngineSpec, Say
from vidstyle.compositing import keep_chroma
from vidstyle.errors import StyleError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network, sha256_of
from vidstyle.painter import KEPT_ENGINES, Look, Painter
from vidstyle.pipeline import render
from vidstyle.settings import RenderOptions
from vidstyle.style_library import Library
from vidstyle.styles import IDENTITY


def add_imported(root: Path, name: str) -> None:
    """An imported style; its graph is only looked at for its checksum here."""
    folder = root / "networks" / name
    folder.mkdir(parents=True)
    (folder / "network.onnx").write_bytes(name.encode())
    card = {"name": name, "architecture": None, "sha256": sha256_of(folder / "network.onnx")}
    (folder / "network.json").write_text(json.dumps(card))
    add_style(root, name, {name: np.empty(0)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The user's own: two imported styles, and `mine`, trained into a network of its own."""
    own = make_library(tmp_path / "own", networks={"mine": TINY}, styles=(IDENTITY, "mine"))
    for name in ("scream", "udnie"):
        add_imported(own, name)
    return own


@pytest.fixture
def library(root: Path, library_root: Path) -> Library:
    return Library([root, library_root])


GREYS = {"live": 40, "mine": 80, "scream": 120, "udnie": 240}


@dataclass
class Greys:
    """Engines that paint everything in their network's grey."""

    opened: list[str] = field(default_factory=list)
    vectors: dict[str, StyleVector] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def __call__(self, network: Network, spec: EngineSpec, backend: str, say: Say) -> tuple[FakeEngine, list[str]]:
        name = network.name
        self.opened.append(name)

        def paint(images: ImageArray, style: StyleVector) -> ImageArray:
            self.vectors[name] = style
            return np.full_like(images, GREYS[name])

        return FakeEngine(spec, paint, on_close=lambda: self.closed.append(name)), []


MakePaint = Callable[..., ImageArray]
FILM = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)


@pytest.fixture
def engines() -> Greys:
    return Greys()


@pytest.fixture
def paint(library: Library, engines: Greys) -> MakePaint:
    def make(
        *styles: tuple[str, float], strength: float = 1.0, keep_colors: bool = False, network: str = "live"
    ) -> ImageArray:
        found = library.network(network)
        look = Look(mix=library.mix(styles, found, strength), keep_colors=keep_colors)
        with Painter(found, open_engine=engines) as painter:
            return painter.paint(FILM, look)

    return make


def test_a_style_without_a_vector_for_the_default_network_brings_its_own(library: Library) -> None:
    mix = library.mix([("scream", 1), ("mosaic", 1), ("mine", 0)], library.network())
    assert [(part.network.name if part.network else None, part.share) for part in mix.parts] == [
        ("scream", 0.5),
        (None, 0.5),
    ]
    assert mix.notes == ["style 'scream' is painted by its own network, 'scream'"]


def test_a_network_that_was_asked_for_is_never_replaced_in_silence(library: Library) -> None:
    with pytest.raises(StyleError, match="'mine' was not trained for network 'classic'; it has: mine"):
        library.style("mine", library.network("classic"))
    imported = library.style("scream", library.network("classic"))  # it has but one
    assert imported.own is not None
    assert imported.own.network.name == "scream"


def test_pictures_are_blended_by_their_weights(paint: MakePaint, engines: Greys) -> None:
    assert (paint(("scream", 1)) == 120).all()
    assert engines.opened == ["scream"]
    assert np.abs(paint(("scream", 1), ("udnie", 3)).astype(int) - 210).max() <= 1
    assert np.abs(paint(("mosaic", 2), ("scream", 1), ("udnie", 1)).astype(int) - 110).max() <= 2


def test_styles_of_one_network_are_mixed_by_their_vectors_first(
    paint: MakePaint, engines: Greys, library: Library
) -> None:
    paint(("mosaic", 1), ("scream", 2), ("waves", 1))
    assert engines.opened == ["live", "scream"]
    expected = library.mix([("mosaic", 1), ("waves", 1)], library.network()).vector
    assert np.array_equal(engines.vectors["live"], expected)
    assert engines.vectors["scream"].shape == (0,)


def test_the_strength_of_an_imported_style_is_a_cross_fade(paint: MakePaint) -> None:
    painted = paint(("scream", 1), strength=0.25)
    assert np.abs(painted - (0.75 * FILM + 0.25 * 120)).max() <= 1
    assert np.array_equal(paint(("scream", 1), strength=0), FILM)


def test_the_strength_of_a_style_with_a_trained_network_starts_from_that_networks_identity(
    paint: MakePaint, engines: Greys, library: Library
) -> None:
    assert (paint(("mine", 1), strength=0.5) == 80).all()
    own = library.network("mine")
    expected = library.mix([("mine", 1)], own, 0.5).vector
    assert np.array_equal(engines.vectors["mine"], expected)


def test_own_colours_are_kept_in_a_blend(paint: MakePaint) -> None:
    painted = paint(("scream", 1), ("udnie", 1), keep_colors=True)
    assert np.array_equal(painted, keep_chroma(FILM, np.full_like(FILM, 180)))


def test_an_imported_network_can_be_named(paint: MakePaint) -> None:
    assert (paint(("scream", 1), network="scream") == 120).all()


def test_a_large_mix_keeps_all_its_engines(root: Path, library: Library, engines: Greys) -> None:
    names = [f"net{i}" for i in range(KEPT_ENGINES + 2)]
    for name in names:
        add_imported(root, name)
        GREYS[name] = 100
    look = Look(mix=library.mix([(name, 1) for name in names], library.network()))
    with Painter(library.network(), open_engine=engines) as painter:
        painter.prepare(24, 16, look=look)
        for _ in range(2):
            painter.paint(FILM, look)
        assert engines.opened == names
        painter.paint(FILM, Look(mix=library.mix([("mosaic", 1)], library.network())))
        assert len(engines.closed) == len(names) + 1 - KEPT_ENGINES


def test_removing_a_style_takes_its_network_along(root: Path, library: Library) -> None:
    library.remove("scream")
    assert not (root / "networks" / "scream").exists()
    assert (root / "networks" / "udnie").exists()
    add_style(root, "second", {"mine": np.zeros(TINY.style_size)})
    library.remove("mine")
    assert (root / "networks" / "mine").exists()  # the other one still needs it


def test_removing_a_style_keeps_networks_that_a_card_cannot_tell_of(root: Path, library: Library) -> None:
    (root / "styles" / "udnie" / "card.json").write_text("{")
    library.remove("scream")
    assert (root / "networks" / "scream").exists()
    library.remove("udnie")  # whose own is called like it
    assert not (root / "networks" / "udnie").exists()
    assert not [name for name in ("scream", "udnie") if (root / "styles" / name).exists()]


def test_a_network_with_styles_of_shipped_names_hides_none_of_them(library_root: Path, tmp_path: Path) -> None:
    """As after training a network by a recipe whose styles are called like the shipped ones."""
    library = Library([make_library(tmp_path / "more", networks={"next": TINY}, styles=("mosaic",)), library_root])
    assert library.names(library.network("classic")) == ["mosaic", "waves"]
    assert library.style("mosaic", library.network("classic")).own is None
    assert [card.vectors.keys() for card in library.cards("next")] == [{"next"}, {"live", "classic"}]


def test_the_report_says_what_each_network_was_painted_by(
    library: Library, make_film: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InBf16(FakeEngine):
        @property
        def info(self) -> EngineInfo:
            return replace(super().info, precision="bf16")

    def open_engine(network: Network, spec: EngineSpec, backend: str, say: Say) -> tuple[FakeEngine, list[str]]:
        return (FakeEngine if network.name == "scream" else InBf16)(spec, grey(9)), []

    monkeypatch.setattr("vidstyle.painter._open_from_registry", open_engine)
    film = make_film(frames=2)
    for styles, network, precision in (
        (["scream", "mosaic:2"], "scream + live", "fp32 + bf16"),
        (["mosaic", "waves", "scream"], "live + scream", "bf16 + fp32"),
        (["mosaic", "mine"], "live + mine", "bf16"),
    ):
        options = RenderOptions(codec="ffv1", overwrite=True)
        report = render(film, tmp_path / "out.mkv", styles=styles, options=options, library=library)
        assert (report.network, report.precision) == (network, precision)
        assert (report.backend, report.device) == ("fake", "CPU")
