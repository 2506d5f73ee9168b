"""Whatever library runs out of memory, the user hears the same line."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from vidstyle.errors import OutOfMemory
from vidstyle.gatys.memory import room_for

FAR_TOO_MUCH = 1 << 60


def _torch() -> None:
    torch.empty(FAR_TOO_MUCH)


def _numpy() -> None:
    np.empty(FAR_TOO_MUCH, np.uint8)


def _opencv() -> None:
    failed = cv2.error("Insufficient memory")
    failed.code = cv2.Error.StsNoMem
    raise failed


def _onednn() -> None:
    raise RuntimeError("std::bad_alloc")


@pytest.mark.parametrize("allocate", [_torch, _numpy, _opencv, _onednn])
def test_no_memory_says_what_to_do(allocate: Callable[[], None]) -> None:
    with pytest.raises(OutOfMemory, match=r"1280x720.*tile=512"), room_for(1280, 720):
        allocate()


def test_other_errors_stay_themselves() -> None:
    with pytest.raises(RuntimeError, match="shapes"), room_for(64, 64):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(cv2.error), room_for(64, 64):
        cv2.resize(np.zeros((2, 2), np.uint8), (0, 0))
