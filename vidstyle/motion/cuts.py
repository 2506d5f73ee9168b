"""Where one shot ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np

from vidstyle.frames import ImageArray


class LiveCutDetector:
    """A cut is a jump far above what the film has been doing: decided at once, from the past alone.

    The idea of PySceneDetect's adaptive detector without its look ahead: the mean difference to the frame
    before, on a picture of 32x18, must exceed `least` levels and `times` the running mean. A flash looks
    like two cuts, which costs a live picture nothing.
    """

    def __init__(self, *, least: float = 18.0, times: float = 3.0) -> None:
        self.least, self.times = least, times
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
        cut = gap > self.least and gap > self.times * self._usual
        if not cut:  # a cut says nothing about how lively the shots are
            self._usual += 0.2 * (gap - self._usual)
        return cut
