"""What lies beside the frames while a shot is painted: L-BFGS's pairs of the last two."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="Gatys mode needs the torch extra")

import torch

from vidstyle.gatys.store import Store


def _pairs(number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.full((1, 3, 4, 6), number + k / 3), torch.full((1, 3, 4, 6), -k / 7)) for k in range(2)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """After the frames 3, 4 and 6; nothing had changed in frame 5."""
    store = Store(tmp_path / "o.mkv")
    for number in (3, 4, 6):
        store.save_pairs(number, _pairs(number), turn=1, before=range(3, number))
    return store


def _files(store: Store) -> list[str]:
    return sorted(file.name for file in store.folder.glob("pass1/pairs/*"))


def test_those_of_two_frames_are_kept(store: Store) -> None:
    assert _files(store) == ["00000004.npy", "00000006.npy"]


def test_a_frame_goes_on_from_the_newest_before_it(store: Store) -> None:
    for before, number in ((range(3, 7), 6), (range(3, 6), 4), (range(9, 3, -1), 4)):
        found = store.load_pairs(before, turn=1)
        assert all(
            torch.equal(a, b) for p, q in zip(found, _pairs(number), strict=True) for a, b in zip(p, q, strict=True)
        )
    assert not store.load_pairs(range(3, 4), turn=1)
    assert not store.load_pairs(range(3, 7), turn=2)


def test_a_torn_file_is_none(store: Store) -> None:
    file = store.folder / "pass1" / "pairs" / "00000006.npy"
    for length in (file.stat().st_size - 1, 20, 0):
        file.write_bytes(file.read_bytes()[:length])
        assert not store.load_pairs(range(3, 7), turn=1)


def test_none_are_left_after_the_shot(store: Store) -> None:
    store.forget_pairs(range(3, 8), turn=1)
    assert not _files(store)


def test_a_frame_costs_the_same_late_in_a_film(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of the files of the frames before: there may be a hundred thousand."""
    asked, stat = [], Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **more: asked.append(self) or stat(self, **more))
    store.save_pairs(100_000, _pairs(1), turn=1, before=range(3, 100_000))
    assert store.load_pairs(range(3, 100_001), turn=1)
    assert len(asked) < 10
    assert _files(store) == ["00000006.npy", "00100000.npy"]
