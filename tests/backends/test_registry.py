"""Which backend runs: the best available, or the one asked for, never another in silence."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from vidstyle.backends import gpu, registry
from vidstyle.backends.protocol import Availability, EngineSpec
from vidstyle.backends.tiles import TiledEngine
from vidstyle.errors import BackendError, OutOfMemory, UsageError
from vidstyle.style_library import Library

SPEC = EngineSpec(width=32, height=32)


@dataclass
class FakeBackend:
    name: str
    ok: bool = True
    error: Exception | None = None
    loaded: list[str] = field(default_factory=list)

    def available(self) -> Availability:
        return Availability(ok=self.ok, reason="no such card" if not self.ok else "fine")

    def load(self, network: object, spec: object, say: object) -> str:
        if self.error:
            raise self.error
        return f"{self.name}'s engine"


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeBackend]:
    fakes = {name: FakeBackend(name) for name in registry.BACKENDS}
    monkeypatch.setattr(registry, "get_backend", lambda name: fakes[name])
    monkeypatch.setattr(gpu, "accelerator", lambda: None)
    return fakes


def open_(library: Library, backend: str) -> tuple[object, list[str]]:
    return registry.open_engine(library.network("live"), SPEC, backend=backend, say=lambda line: None)


def test_auto_takes_the_first_available(backends: dict[str, FakeBackend], library: Library) -> None:
    assert open_(library, "auto") == ("tensorrt's engine", [])


def test_auto_says_why_it_passed_others_over(backends: dict[str, FakeBackend], library: Library) -> None:
    backends["tensorrt"].ok = False
    backends["openvino"].error = BackendError("no such device")
    assert open_(library, "auto") == ("torch's engine", ["tensorrt: no such card", "openvino: no such device"])


def test_torch_goes_before_openvino_only_with_a_gpu(
    backends: dict[str, FakeBackend], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends["tensorrt"].ok = False
    assert open_(library, "auto")[0] == "openvino's engine"
    monkeypatch.setattr(gpu, "accelerator", lambda: "cuda")
    assert open_(library, "auto")[0] == "torch's engine"
    on_cpu = EngineSpec(width=32, height=32, device="CPU")
    engine, _ = registry.open_engine(library.network("live"), on_cpu, backend="auto", say=lambda line: None)
    assert engine == "openvino's engine"


def test_an_explicit_choice_never_falls_back(backends: dict[str, FakeBackend], library: Library) -> None:
    backends["tensorrt"].ok = False
    with pytest.raises(BackendError, match=r"tensorrt is not available: no such card") as caught:
        open_(library, "tensorrt")
    assert caught.value.exit_code == 6


def test_a_batch_that_does_not_fit_is_for_the_caller_to_halve(
    backends: dict[str, FakeBackend], library: Library
) -> None:
    backends["tensorrt"].error = OutOfMemory("full")
    batch = EngineSpec(width=32, height=32, batch=2)
    with pytest.raises(OutOfMemory):
        registry.open_engine(library.network("live"), batch, backend="auto", say=lambda line: None)


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_one_frame_that_does_not_fit_is_painted_in_tiles_and_that_is_said(
    backends: dict[str, FakeBackend], library: Library, backend: str
) -> None:
    backends["tensorrt"].error = OutOfMemory("the card is full")
    said: list[str] = []
    engine, _ = registry.open_engine(library.network("live"), SPEC, backend=backend, say=said.append)
    assert isinstance(engine, TiledEngine)
    assert len(said) == 1
    assert "in tiles" in said[0]
    assert "the card is full" in said[0]


def test_tiles_where_they_are_asked_for(backends: dict[str, FakeBackend], library: Library) -> None:
    spec = EngineSpec(width=32, height=32, tile=True)
    engine, _ = registry.open_engine(library.network("live"), spec, backend="auto", say=lambda line: None)
    assert isinstance(engine, TiledEngine)


def test_nothing_left_names_every_reason(backends: dict[str, FakeBackend], library: Library) -> None:
    for fake in backends.values():
        fake.ok = False
    with pytest.raises(BackendError, match=r"tensorrt: no such card; openvino: .*; torch: "):
        open_(library, "auto")


def test_an_unknown_name_is_a_usage_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        registry.get_backend("openvini")


def test_a_package_that_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    monkeypatch.setitem(registry.BACKENDS, "tensorrt", "vidstyle.backends.not_there:Nothing")
    reasons = dict(registry.survey())
    assert not reasons["tensorrt"].ok
    assert "pip install 'vidstyle[tensorrt]'" in reasons["tensorrt"].reason


def test_the_table_is_true() -> None:
    for name in registry.BACKENDS:
        assert registry.get_backend(name).name == name
