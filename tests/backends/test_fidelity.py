"""The gate: what passes, what is passed over and said, and that it is asked only once."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import add_style
from vidstyle.backends import fidelity
from vidstyle.backends.protocol import Engine, EngineInfo, Precision
from vidstyle.cache import cache_folder
from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.style_library import Library


class FakeEngine:
    """Adds `error` levels to a share of the values, and is as slow as told."""

    def __init__(self, precision: Precision, error: int = 0, share: float = 1.0) -> None:
        self.info = EngineInfo(
            backend="fake", device="CPU", precision=precision, width=fidelity.WIDTH, height=fidelity.HEIGHT, batch=1
        )
        self.error, self.share, self.closed = error, share, False

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        painted = np.clip(images, 0, 200).copy()
        values = painted.reshape(-1)
        values[: int(values.size * self.share)] += np.uint8(self.error)
        return painted

    def close(self) -> None:
        self.closed = True


class Workshop:
    def __init__(self, **errors: tuple[int, float]) -> None:
        self.errors = errors
        self.opened: list[str] = []

    def open_at(self, precision: Precision, width: int, height: int) -> Engine:
        self.opened.append(precision)
        error, share = self.errors.get(precision, (0, 1.0))
        return FakeEngine(precision, error, share)


def ignore(line: str) -> None:
    pass


@pytest.fixture
def subject(library: Library) -> fidelity.Subject:
    return fidelity.Subject(network=library.network("live"), backend="fake", device="CPU", versions="1")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"int8": 0.5, "bf16": 0.5, "fp16": 3.0, "fp32": 1.0}
    monkeypatch.setattr(fidelity, "_seconds", lambda engine, images, style: times[engine.info.precision])


@pytest.mark.parametrize(
    ("error", "share", "faithful"),
    [(1, 1.0, True), (2, 1.0, False), (4, 0.2, True), (5, 0.0005, True), (5, 0.002, False)],
)
def test_the_limits(subject: fidelity.Subject, error: int, share: float, faithful: bool) -> None:
    workshop = Workshop(bf16=(error, share))
    assert fidelity.judge(subject, "bf16", workshop.open_at, ignore).faithful is faithful


def test_the_next_precision_is_taken_and_said(subject: fidelity.Subject) -> None:
    said: list[str] = []
    workshop = Workshop(int8=(9, 1.0), bf16=(1, 0.5))
    assert fidelity.choose(subject, ["fp32", "bf16", "int8"], workshop.open_at, said.append) == "bf16"
    assert [line for line in said if "passed over" in line] == said[-1:]
    assert "int8 passed over, not faithful" in said[-1]
    assert "mean error 9.00 levels" in said[-1]


def test_what_is_slower_than_fp32_is_passed_over(subject: fidelity.Subject) -> None:
    said: list[str] = []
    assert fidelity.choose(subject, ["fp32", "fp16"], Workshop().open_at, said.append) == "fp32"
    assert "fp16 passed over, not faster than fp32 here" in said[-1]


@pytest.mark.parametrize("device", ["cuda:0", "GPU.1", "NVIDIA H200"])
def test_a_gpu_is_not_timed_against_the_processor(subject: fidelity.Subject, device: str) -> None:
    """For the trial's small pictures a good processor may be the faster one; fp32 on the GPU would not be."""
    on_gpu = replace(subject, device=device)
    assert fidelity.choose(on_gpu, ["fp32", "fp16"], Workshop().open_at, ignore) == "fp16"


@pytest.mark.parametrize(("seconds", "chosen"), [(0.3, "int8"), (0.49, "bf16"), (0.7, "bf16")])
def test_the_fastest_is_taken_and_the_finer_of_equals(
    subject: fidelity.Subject, monkeypatch: pytest.MonkeyPatch, seconds: float, chosen: Precision
) -> None:
    times = {"int8": seconds, "bf16": 0.5, "fp32": 1.0}
    monkeypatch.setattr(fidelity, "_seconds", lambda engine, images, style: times[engine.info.precision])
    said: list[str] = []
    assert fidelity.choose(subject, ["fp32", "bf16", "int8"], Workshop().open_at, said.append) == chosen
    passed_over = [line for line in said if "passed over" in line]
    assert [line for line in said if "int8 passed over, not faster than bf16" in line] == passed_over
    assert bool(passed_over) is (chosen == "bf16")


def test_int8_is_judged_in_every_style_and_anew_with_another(library_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "library"
    shutil.copytree(library_root, root)
    before = fidelity.Subject(network=Library([root]).network("live"), backend="fake", device="CPU", versions="1")
    add_style(root, "a-new-one", {"live": np.linspace(0, 1, before.network.style_size)})
    after = fidelity.Subject(network=Library([root]).network("live"), backend="fake", device="CPU", versions="1")
    assert len(before.styles("int8")) == 3
    assert len(after.styles("int8")) == 4
    assert after.key("int8") != before.key("int8")
    assert after.key("bf16") == before.key("bf16")


def test_a_damaged_vector_is_left_out_of_the_trial(library_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "library"
    shutil.copytree(library_root, root)
    network = Library([root]).network("live")
    add_style(root, "short", {"live": np.zeros(3)})
    (root / "styles" / "short" / "cut.npy").write_bytes(b"\x93NUMPY")
    vectors = (*network.vectors, root / "styles/short/live.npy", root / "styles/short/cut.npy", root / "gone.npy")
    known = fidelity.known_styles(replace(network, vectors=vectors))
    assert [v.tolist() for v in known] == [v.tolist() for v in fidelity.known_styles(network)]
    (ones,) = fidelity.known_styles(replace(network, vectors=()))
    assert (ones == 1).all()
    assert ones.shape == (network.style_size,)


def test_nothing_left_is_an_error(subject: fidelity.Subject) -> None:
    with pytest.raises(BackendError, match="wrongly in fp16"):
        fidelity.choose(subject, ["fp16"], Workshop(fp16=(50, 1.0)).open_at, ignore)


def test_a_trial_that_fails_gives_back_what_it_had(subject: fidelity.Subject) -> None:
    candidate = FakeEngine("fp16")

    def open_at(precision: Precision, width: int, height: int) -> Engine:
        if precision == "fp32":
            raise BackendError("no reference")
        return candidate

    with pytest.raises(BackendError, match="no reference"):
        fidelity.judge(subject, "fp16", open_at, ignore)
    assert candidate.closed


def test_an_unfaithful_choice_of_the_users_own_is_said(subject: fidelity.Subject) -> None:
    said: list[str] = []
    fidelity.warn_if_unfaithful(subject, "bf16", Workshop(bf16=(9, 1.0)).open_at, said.append)
    assert "bf16 is not faithful" in said.pop()
    said.clear()
    fidelity.warn_if_unfaithful(subject, "fp32", Workshop(fp32=(9, 1.0)).open_at, said.append)
    assert said == []


def test_the_verdict_is_kept(subject: fidelity.Subject) -> None:
    workshop = Workshop(bf16=(1, 0.5))
    said: list[str] = []
    first = fidelity.judge(subject, "bf16", workshop.open_at, said.append)
    assert fidelity.judge(subject, "bf16", workshop.open_at, said.append) == first
    assert workshop.opened == ["bf16", "fp32"]
    assert said == ["fake: trying live in bf16 beside fp32, this once"]


def test_other_versions_are_judged_anew(subject: fidelity.Subject) -> None:
    workshop = Workshop()
    fidelity.judge(subject, "bf16", workshop.open_at, ignore)
    newer = fidelity.Subject(network=subject.network, backend="fake", device="CPU", versions="2")
    fidelity.judge(newer, "bf16", workshop.open_at, ignore)
    assert workshop.opened.count("bf16") == 2


def test_a_damaged_verdict_is_judged_anew(subject: fidelity.Subject) -> None:
    workshop = Workshop()
    expected = fidelity.judge(subject, "bf16", workshop.open_at, ignore)
    (file,) = cache_folder("fidelity").iterdir()
    file.write_text('{"mean": 0')
    assert fidelity.judge(subject, "bf16", workshop.open_at, ignore) == expected


def test_a_verdict_that_cannot_be_kept_costs_the_next_start_a_trial(
    subject: fidelity.Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    workshop, said = Workshop(bf16=(1, 0.5)), []
    monkeypatch.setattr(Path, "write_bytes", full)
    for _ in range(2):
        assert fidelity.judge(subject, "bf16", workshop.open_at, said.append).faithful
    assert workshop.opened == ["bf16", "fp32"] * 2
    assert "cannot be written to ([Errno 28] No space left on device)" in said[1]


def test_a_verdict_that_cannot_be_read_is_judged_anew(
    subject: fidelity.Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, for instance."""

    def denied(*args: object, **kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")

    workshop = Workshop()
    expected = fidelity.judge(subject, "bf16", workshop.open_at, ignore)
    monkeypatch.setattr(Path, "read_text", denied)
    assert fidelity.judge(subject, "bf16", workshop.open_at, ignore) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
def test_what_one_user_builds_others_may_read(subject: fidelity.Subject) -> None:
    """An image's, for instance, in which root builds and a service paints."""
    before = os.umask(0o022)
    try:
        fidelity.judge(subject, "bf16", Workshop().open_at, ignore)
    finally:
        os.umask(before)
    (file,) = cache_folder("fidelity").iterdir()
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_pictures_are_fixed_and_varied() -> None:
    first, second = (fidelity.trial_pictures(64, 48) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (2, 48, 64, 3)
    assert first.dtype == np.uint8
    assert first.min() < 10
    assert first.max() > 240
