"""Where one shot ends and the next begins."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from fractions import Fraction

import cv2
import numpy as np

from vidstyle.frames import ImageArray

LEAST_JUMP = 18.0
"""Levels by which the picture must jump for a cut."""

JUMP_TIMES = 3.0
"""And by so many times the running mean of what it does."""


class LiveCutDetector:
    """A cut is a jump far above what the film has been doing: decided at once, from the past alone.

    The idea of PySceneDetect's adaptive detector without its look ahead: the mean difference to the frame
    before, on a picture of 32x18, must exceed `LEAST_JUMP` levels and `JUMP_TIMES` the running mean. A flash looks
    like two cuts, which costs a live picture nothing.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the film so far."""
        self._last: ImageArray | None = None
        self._usual = 0.0

    def is_cut(self, frame: ImageArray) -> bool:
        """Whether `frame`, (H, W, 3) uint8 RGB of any size, begins a new shot. The first frame does not."""
        small = cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA)
        last, self._last = self._last, np.asarray(small, np.uint8)
        if last is None:
            return False
        gap = float(np.mean(cv2.absdiff(small, last)))
        cut = gap > LEAST_JUMP and gap > JUMP_TIMES * self._usual
        if not cut:  # a cut says nothing about how lively the shots are
            self._usual += 0.2 * (gap - self._usual)
        return cut


def file_cuts(frames: Iterable[ImageArray], *, rate: Fraction | None = None) -> list[int]:
    """Indices of the frames, (H, W, 3) uint8 RGB, that begin a new shot; the film's first is not among them.

    By PySceneDetect's adaptive detector where it is installed (the `cuts` extra): it looks ahead, and so
    tells a cut from a flash or a fast pan. Otherwise by `LiveCutDetector`.
    """
    if importlib.util.find_spec("scenedetect") is None:
        detector = LiveCutDetector()
        return [index for index, frame in enumerate(frames) if detector.is_cut(frame)]
    return _detected(frames, rate or Fraction(25))


def _detected(frames: Iterable[ImageArray], rate: Fraction) -> list[int]:
    from scenedetect.common import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    adaptive = AdaptiveDetector(min_scene_len=2)
    found: list[int] = []
    last = FrameTimecode(0, rate)
    for index, frame in enumerate(frames):
        last = FrameTimecode(index, rate)
        found += [cut.frame_num for cut in adaptive.process_frame(last, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))]
    found += [cut.frame_num for cut in adaptive.post_process(last)]
    return sorted(set(found))
