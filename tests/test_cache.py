"""The cache's folder: the system's place, the one that was named, or a temporary one where the first cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs
import pytest

from vidstyle import cache, diagnosis
from vidstyle.backends.protocol import EngineSpec
from vidstyle.backends.registry import open_engine
from vidstyle.cache import cache_folder, stand_in
from vidstyle.style_library import Library


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's place for the cache, in a folder of the test's own; nothing has been found wrong with it yet."""
    monkeypatch.delenv("VIDSTYLE_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *args, **kwargs: str(tmp_path / "home" / "vidstyle"))
    monkeypatch.setattr(cache, "_stand_in", None)
    return tmp_path / "home" / "vidstyle"


@pytest.fixture
def unusable(place: Path) -> Path:
    """A place that cannot be made, not even by root."""
    place.parent.touch()
    return place


def test_the_systems_place_is_used_where_it_can_be(place: Path) -> None:
    assert cache_folder("openvino") == place / "openvino"
    assert (place / "openvino").is_dir()
    assert stand_in() is None


def test_an_unusable_one_is_stood_in_for_and_that_is_said_once(unusable: Path, library: Library) -> None:
    said: list[str] = []
    for width in (32, 40):
        spec = EngineSpec(width=width, height=24, precision="fp32")
        open_engine(library.network("live"), spec, backend="openvino", say=said.append)[0].close()
    (line,) = said
    assert line.startswith(f"the cache {unusable} cannot be used (")
    assert "VIDSTYLE_CACHE_DIR" in line
    assert len(list(cache_folder("openvino").iterdir())) == 2


def test_a_folder_that_is_there_but_read_only_is_stood_in_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only = cache_folder("openvino")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != read_only and access(path, mode))
    assert cache_folder("openvino") != place / "openvino"
    assert "Permission denied" in (stand_in() or "")


def test_all_parts_and_threads_share_one(unusable: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(cache_folder, ["openvino", "fidelity"] * 8))
    assert len({folder.parent for folder in folders}) == 1


def test_it_goes_with_its_process(unusable: Path) -> None:
    code = "from vidstyle.cache import cache_folder; print(cache_folder('openvino'))"
    environment = os.environ | {"HOME": str(unusable.parent), "XDG_CACHE_HOME": str(unusable.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    folder = Path(done.stdout.strip())
    assert folder.parent.name.startswith("vidstyle-cache-")
    assert not folder.parent.exists()


def test_a_folder_that_was_named_is_never_replaced(unusable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(unusable))
    with pytest.raises(OSError, match="home"):
        cache_folder("openvino")
    assert stand_in() is None


def test_the_doctor_says_so_and_shows_every_part(unusable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason, *parts = diagnosis._caches()
    assert (reason.state, reason.text) == ("failed", stand_in())
    assert [(part.name, part.state) for part in parts] == [
        (name, "ok") for name in ("openvino", "tensorrt", "fidelity", "int8")
    ]
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(unusable))
    named = list(diagnosis._caches())
    assert [finding.state for finding in named] == ["failed"] * 4
    assert all("set VIDSTYLE_CACHE_DIR" in finding.text for finding in named)
