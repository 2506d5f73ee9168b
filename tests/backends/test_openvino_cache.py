"""Networks that OpenVINO has compiled: taken from the cache, and only if they are what was put there."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from vidstyle.backends.openvino import OpenVino
from vidstyle.backends.protocol import EngineSpec
from vidstyle.cache import cache_folder
from vidstyle.frames import ImageArray
from vidstyle.networks.network import Network
from vidstyle.style_library import Library

SPEC = EngineSpec(width=40, height=24, precision="fp32")


@pytest.fixture
def network(library: Library) -> Network:
    return library.network("live")


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that OpenVINO compiled something anew for."""
    devices: list[str] = []
    compile_model = openvino.Core.compile_model

    def counted(core: openvino.Core, model: openvino.Model, device: str, config: Any) -> openvino.CompiledModel:
        devices.append(device)
        return compile_model(core, model, device, config)

    monkeypatch.setattr(openvino.Core, "compile_model", counted)
    return devices


def painted(network: Network, spec: EngineSpec, said: list[str]) -> ImageArray:
    frames = np.random.default_rng(3).integers(0, 256, (1, spec.height, spec.width, 3), dtype=np.uint8)
    vector = np.random.default_rng(4).normal(1, 0.3, network.style_size).astype(np.float32)
    engine = OpenVino().load(network, spec, said.append)
    try:
        return engine.run(frames, vector)
    finally:
        engine.close()


def only_file() -> Path:
    (file,) = cache_folder("openvino").iterdir()
    return file


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_is_compiled_once_is_taken_from_the_cache(
    network: Network, precision: Any, compilations: list[str]
) -> None:
    spec = replace(SPEC, precision=precision)
    expected = painted(network, spec, [])
    compilations.clear()
    assert np.array_equal(painted(network, spec, []), expected)
    assert not compilations


@pytest.mark.parametrize(
    "other", [{"width": 48}, {"height": 32}, {"batch": 2}, {"precision": "int8"}], ids=lambda other: next(iter(other))
)
def test_another_size_batch_or_precision_is_another_engine(
    network: Network, other: dict[str, Any], compilations: list[str]
) -> None:
    painted(network, SPEC, [])
    compilations.clear()
    painted(network, replace(SPEC, **other), [])
    assert compilations


def test_another_driver_is_another_engine(
    network: Network, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU has one, by a property of its own."""
    get_property = openvino.Core.get_property
    driver = {"version": "1"}

    def with_driver(core: openvino.Core, *arguments: str) -> Any:
        if arguments[1:] == ("GPU_DRIVER_VERSION",):
            return driver["version"]
        value = get_property(core, *arguments)
        return {**value, "GPU_DRIVER_VERSION": "RO"} if arguments[1:] == ("SUPPORTED_PROPERTIES",) else value

    monkeypatch.setattr(openvino.Core, "get_property", with_driver)
    for version in ("1", "1", "2"):
        driver["version"] = version
        painted(network, SPEC, [])
    assert len(compilations) == 2


def test_a_style_added_later_has_its_int8_ranges(
    network: Network, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, precision="int8")
    painted(network, spec, [])
    compilations.clear()
    wide = np.full(network.style_size, 3, np.float32)
    monkeypatch.setattr("vidstyle.backends.fidelity.known_styles", lambda of: [wide])
    painted(network, spec, [])
    assert compilations


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_file_is_said_removed_and_made_anew(network: Network, damage: str, compilations: list[str]) -> None:
    """OpenVINO's own cache paints from a file with zeroed blocks without a word."""
    said: list[str] = []
    expected = painted(network, SPEC, said)
    content = only_file().read_bytes()
    half = len(content) // 2
    only_file().write_bytes(content[:half] if damage == "cut" else content[:half] + bytes(64) + content[half + 64 :])
    assert np.array_equal(painted(network, SPEC, said), expected)
    assert np.array_equal(painted(network, SPEC, said), expected)
    assert said == ["the cached OpenVINO engine is removed: the file is damaged"]
    assert compilations == ["CPU", "CPU"]


def test_a_file_that_openvino_does_not_take_is_said_and_made_anew(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    expected = painted(network, SPEC, said)

    def refuse(*arguments: object) -> openvino.CompiledModel:
        raise RuntimeError("made by\nanother build")

    monkeypatch.setattr(openvino.Core, "import_model", refuse)
    assert np.array_equal(painted(network, SPEC, said), expected)
    assert said == ["the cached OpenVINO engine is removed: OpenVINO does not take it (made by another build)"]
    assert only_file()


def test_a_file_that_cannot_be_read_is_made_anew(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's, for instance."""

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    said: list[str] = []
    expected = painted(network, SPEC, said)
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert np.array_equal(painted(network, SPEC, said), expected)
    assert said == []


def test_those_used_last_are_kept(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.backends.engine_cache.MOST", 2)
    wide, wider = replace(SPEC, width=48), replace(SPEC, width=56)
    painted(network, SPEC, [])
    first = only_file()
    painted(network, wide, [])
    (second,) = set(cache_folder("openvino").iterdir()) - {first}
    for age, file in enumerate((second, first)):
        os.utime(file, (age, age))
    painted(network, wide, [])  # used again: now the other one is the oldest
    painted(network, wider, [])
    files = set(cache_folder("openvino").iterdir())
    assert len(files) == 2
    assert second in files


def test_threads_that_compile_the_same_network_at_once_paint_alike(network: Network) -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = [job.result() for job in [pool.submit(painted, network, SPEC, []) for _ in range(8)]]
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)
    assert only_file()


def test_a_device_that_cannot_export_compiles_every_time(
    network: Network, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_property = openvino.Core.get_property

    def without(core: openvino.Core, *arguments: str) -> Any:
        value = get_property(core, *arguments)
        return [v for v in value if v != "EXPORT_IMPORT"] if isinstance(value, list) else value

    monkeypatch.setattr(openvino.Core, "get_property", without)
    for _ in range(2):
        painted(network, SPEC, [])
    assert compilations == ["CPU", "CPU"]
    assert not list(cache_folder("openvino").iterdir())
