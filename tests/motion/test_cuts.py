"""Cuts are found, pans and noise are not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from tests.motion.moves import pan, texture
from vidstyle.motion.cuts import LiveCutDetector, file_cuts


def _film() -> list[np.ndarray]:
    """Two pans of ten frames, the second much darker; the cut is at 10."""
    dark = [(frame // 3).astype(np.uint8) for frame in pan(10, step=(0, 3), seed=1)]
    return [*pan(10, step=(3, 0)), *dark]


def test_live() -> None:
    detector = LiveCutDetector()
    assert [index for index, frame in enumerate(_film()) if detector.is_cut(frame)] == [10]


def test_live_takes_neither_noise_nor_a_first_frame_for_a_cut() -> None:
    detector, random = LiveCutDetector(), np.random.default_rng(0)
    still = texture(96, 128)
    noisy = [np.clip(still + random.normal(0, 10, still.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    assert not any(detector.is_cut(frame) for frame in noisy)
    detector.reset()
    assert not detector.is_cut(255 - still)


@pytest.mark.parametrize("with_library", [True, False])
def test_files(with_library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if with_library and importlib.util.find_spec("scenedetect") is None:
        pytest.skip("PySceneDetect is not installed")
    if not with_library:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert file_cuts(_film()) == [10]
