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
    store.save_pairs(3, _pairs(3), turn=1, before=[])
    store.save_pairs(4, _pairs(4), turn=1, before=[3])
    store.save_pairs(6, _pairs(6), turn=1, before=[3, 4, 5])
    return store


def _files(store: Store) -> list[str]:
    return sorted(file.name for file in store.folder.glob("pass1/*"))


def test_those_of_two_frames_are_kept(store: Store) -> None:
    assert _files(store) == ["00000004.pairs.npy", "00000006.pairs.npy"]


def test_a_frame_goes_on_from_the_newest_before_it(store: Store) -> None:
    for before, number in (([3, 4, 5, 6], 6), ([3, 4, 5], 4)):
        found = store.load_pairs(before, turn=1)
        assert all(
            torch.equal(a, b) for p, q in zip(found, _pairs(number), strict=True) for a, b in zip(p, q, strict=True)
        )
    assert not store.load_pairs([3], turn=1)
    assert not store.load_pairs([3, 4, 5, 6], turn=2)


def test_a_torn_file_is_none(store: Store) -> None:
    file = store.folder / "pass1" / "00000006.pairs.npy"
    for length in (file.stat().st_size - 1, 20, 0):
        file.write_bytes(file.read_bytes()[:length])
        assert not store.load_pairs([3, 4, 5, 6], turn=1)


def test_none_are_left_after_the_shot(store: Store) -> None:
    store.forget_pairs(range(3, 8), turn=1)
    assert not _files(store)
