"""Shared by all tests: a library of tiny random networks, small films, and the optional test data."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.backends.cpu import guard
from vidstyle.frames import ImageArray
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.network import sha256_of
from vidstyle.style_library import Library

guard()  # before anything computes: oneDNN reads its limit once, and the first test may be any

SETTINGS = ("VIDSTYLE_STYLE", "VIDSTYLE_BACKEND", "VIDSTYLE_DEVICE")

TINY = Architecture(unshuffle=2, widths=(8, 16), blocks=1, end_kernel=3)
"""Small enough that an engine compiles and paints at once."""


def make_library(root: Path, *, networks: dict[str, Architecture], styles: tuple[str, ...]) -> Path:
    """Write networks with random weights, and styles with random vectors for each, under `root`."""
    from vidstyle.networks.graph import write_graph

    random = np.random.default_rng(1)
    for name, architecture in networks.items():
        folder = root / "networks" / name
        folder.mkdir(parents=True)
        weights = {}
        for layer, (channels, width, kernel) in architecture.convolutions().items():
            spread = (2 / (channels * kernel**2)) ** 0.5
            weights[f"{layer}.weight"] = random.normal(0, spread, (width, channels, kernel, kernel)).astype(np.float32)
            weights[f"{layer}.bias"] = np.zeros(width, np.float32)
        write_graph(folder / "network.onnx", architecture, weights)
        card = {
            "name": name,
            "architecture": architecture.to_json(),
            "sha256": sha256_of(folder / "network.onnx"),
        }
        (folder / "network.json").write_text(json.dumps(card))
    for name in styles:
        add_style(root, name, {n: random.normal(0.5, 0.5, a.style_size) for n, a in networks.items()})
    return root


def add_style(root: Path, name: str, vectors: dict[str, np.ndarray]) -> Path:
    """Write a style `name` with a vector for each network; returns its folder."""
    folder = root / "styles" / name
    folder.mkdir(parents=True)
    for network, vector in vectors.items():
        np.save(folder / f"{network}.npy", vector.astype(np.float32))
    card = dict.fromkeys(("title", "author", "year", "licence", "source", "trained"), "test")
    sums = {network: hashlib.sha256((folder / f"{network}.npy").read_bytes()).hexdigest() for network in vectors}
    (folder / "card.json").write_text(json.dumps(card | {"name": name, "vectors": sums}))
    return folder


@pytest.fixture(scope="session")
def library_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `engines`, with tiny networks `live` and `classic` and styles mosaic, waves and identity."""
    return make_library(
        tmp_path_factory.mktemp("library"),
        networks={"live": TINY, "classic": Architecture(unshuffle=1, widths=(8, 8), blocks=1, end_kernel=5)},
        styles=("identity", "mosaic", "waves"),
    )


@pytest.fixture(scope="session")
def library(library_root: Path) -> Library:
    """The styles and networks of `library_root`."""
    return Library([library_root])


MakeFilm = Callable[..., Path]


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems that know no locks, as some networks' do not."""
    fcntl = pytest.importorskip("fcntl", reason="another kind of locks here")

    def unknown(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)


@pytest.fixture
def make_film(tmp_path: Path) -> MakeFilm:
    """Writes a small film: a moving gradient with its frame's number as bars, and a tone with `sound`."""

    def make(
        name: str = "in.mkv",
        *,
        frames: int = 12,
        width: int = 64,
        height: int = 48,
        rate: int = 25,
        codec: str = "ffv1",
        pixel_format: str = "bgr0",
        sound: bool = False,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as film:
            video = film.add_stream(codec, rate=rate)
            video.width, video.height, video.pix_fmt = width, height, pixel_format
            tone = film.add_stream("pcm_s16le", rate=8000) if sound else None
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(numbered_picture(index, width, height), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, rate)
                film.mux(video.encode(frame))
                if tone is not None:
                    film.mux(tone.encode(_tone(index, 8000 // rate)))
            film.mux(video.encode(None))
            if tone is not None:
                film.mux(tone.encode(None))
        return path

    return make


def numbered_picture(index: int, width: int, height: int) -> ImageArray:
    """A gradient that says which frame it is: every picture of a film differs, and can be told."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // width, y * 255 // height, (x + y + 9 * index) % 256], axis=2).astype(np.uint8)
    for bit in range(8):
        picture[:4, bit * width // 8 : (bit + 1) * width // 8] = 255 if index >> bit & 1 else 0
    return picture


def _tone(index: int, samples: int) -> av.AudioFrame:
    time = np.arange(index * samples, (index + 1) * samples) / 8000
    wave = (np.sin(2 * np.pi * 440 * time) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 8000, index * samples, Fraction(1, 8000)
    return frame


@pytest.fixture
def pictures() -> Callable[[Path], list[ImageArray]]:
    """Decodes every picture of a film, (H, W, 3) RGB."""

    def decode(path: Path) -> list[ImageArray]:
        with av.open(str(path)) as film:
            return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]

    return decode


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photographs and clips that `VIDSTYLE_TEST_DATA` names; skips where there is none."""
    folder = os.environ.get("VIDSTYLE_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("VIDSTYLE_TEST_DATA names no folder")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _private_folders_of_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As below, for what fixtures of several tests start, or take the environment from."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        for variable in ("VIDSTYLE_DATA_DIR", "VIDSTYLE_CACHE_DIR", *SETTINGS):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(autouse=True)
def _private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's styles, settings or engines, or leaves anything among them."""
    for variable in ("VIDSTYLE_DATA_DIR", "VIDSTYLE_CACHE_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
