"""Compiled plans on disk: one key, one file, whole or absent, built by one process at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from filelock import FileLock

from vidstyle.backends.engine_cache import KeptEngine
from vidstyle.backends.protocol import Say
from vidstyle.errors import BackendError

KEY: dict[str, str | int] = {
    "graph": "abc",
    "tensorrt": "11.4.0",
    "system": "Linux x86_64",
    "gpu": "Fake GPU",
    "capability": "9.0",
    "precision": "fp16",
    "profile": "1x16x16x3",
    "optimization_level": 3,
    "workspace": 1024,
}


def kept_plan(say: Say, key: Mapping[str, str | int] = KEY) -> KeptEngine:
    return KeptEngine(key, part="tensorrt", suffix=".plan", name="TensorRT plan", say=say)


@pytest.fixture
def said() -> list[str]:
    """What was said."""
    return []


def test_round_trip(said: list[str]) -> None:
    plan = bytes(range(256)) * 3 + b"\n{}\n"
    kept = kept_plan(said.append)
    assert kept.read() is None
    kept.write(plan)
    assert kept_plan(said.append).read() == plan
    assert [file.name for file in kept.path.parent.iterdir()] == [kept.path.name]
    assert said == []


@pytest.mark.parametrize("field", KEY)
def test_everything_in_the_key_counts(said: list[str], field: str) -> None:
    value = KEY[field]
    other = KEY | {field: value + 1 if isinstance(value, int) else value + "x"}
    kept_plan(said.append).write(b"plan")
    assert kept_plan(said.append, other).read() is None


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b + b"x", lambda b: b.replace(b"11.4", b"11.3")]
)
def test_damaged_file_is_said_and_removed(said: list[str], damage: object) -> None:
    kept = kept_plan(said.append)
    kept.write(b"plan")
    kept.path.write_bytes(damage(kept.path.read_bytes()))  # type: ignore[operator]
    assert kept.read() is None
    assert "damaged" in said[0]
    assert not kept.path.exists()


def test_reader_never_sees_half_a_plan(said: list[str]) -> None:
    """While one plan replaces another, every read gives one of them whole."""
    plans = [bytes([i]) * 300_000 for i in range(2)]
    kept = kept_plan(said.append)
    kept.write(plans[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for plan in plans:
                kept.write(plan)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(kept.read() in plans for _ in range(40))
    finally:
        stop.set()
        writer.join()
    assert said == []


def test_lock_waits_and_says_so(said: list[str]) -> None:
    waits = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    kept = kept_plan(say)
    other = FileLock(kept.path.with_suffix(".lock"))
    order = []
    other.acquire()

    def build() -> None:
        with kept.locked():
            order.append("ours")

    ours = threading.Thread(target=build)
    ours.start()
    assert waits.wait(10)
    order.append("theirs")
    other.release()
    ours.join(10)
    assert order == ["theirs", "ours"]
    assert "waiting" in said[0]


def test_lock_is_free_after_an_error(said: list[str]) -> None:
    kept = kept_plan(said.append)
    with pytest.raises(RuntimeError), kept.locked():
        raise RuntimeError
    with kept.locked():
        assert said == []


def test_a_plan_is_taken_and_built_where_no_lock_can_be_had(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In an image, for instance, in which root builds and a service paints."""

    def denied(lock: FileLock, timeout: float = -1) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    kept = kept_plan(said.append)
    with kept.locked():
        kept.write(b"plan")
    with kept.locked():
        assert kept.read() == b"plan"
    assert said == []


def test_full_disk_costs_only_the_plan(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    kept = kept_plan(said.append)
    monkeypatch.setattr("vidstyle.backends.engine_cache.Path.replace", full)
    kept.write(b"plan")
    assert "No space left" in said[0]
    assert list(kept.path.parent.iterdir()) == []


def test_unusable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(blocked))
    with pytest.raises(BackendError, match="set VIDSTYLE_CACHE_DIR"):
        kept_plan(print)
