"""Optical flow: how far every pixel has moved from one picture to another.

A flow is (H, W, 2) float32, in pixels of the pictures it was made from, x to the right, then y down:
what lies at (x, y) in the first picture lies at (x, y) + flow[y, x] in the second. This is the
convention of Middlebury's .flo files. To carry a picture forward onto the present frame, take the flow
from the present frame to the earlier one, and `warp` the earlier picture with it.
"""

from __future__ import annotations

from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from vidstyle.frames import ImageArray

FlowArray = npt.NDArray[np.float32]
"""A flow: (H, W, 2) float32, pixels, x then y."""

DisQuality = Literal["live", "medium"]
_PRESETS: dict[DisQuality, int] = {
    "live": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class FlowEstimator(Protocol):
    """Anything that finds the flow between two pictures."""

    def __call__(self, first: ImageArray, second: ImageArray) -> FlowArray:
        """The flow from `first` to `second`, both (H, W, 3) uint8 RGB of one size."""
        ...


class DisFlow:
    """Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016) by OpenCV.

    It looks at luma only. Pictures whose sides are below `_SMALLEST` pixels are enlarged first: the
    patches of 8x8 need room.
    """

    _SMALLEST = 64

    def __init__(self, quality: DisQuality = "medium") -> None:
        self._search = cv2.DISOpticalFlow.create(_PRESETS[quality])
        if quality == "live":
            # For frames reduced to 160x90: all octaves, patches side by side, a third of the preset's iterations.
            self._search.setFinestScale(0)
            self._search.setPatchStride(8)
            self._search.setGradientDescentIterations(4)

    def __call__(self, first: ImageArray, second: ImageArray) -> FlowArray:
        """The flow from `first` to `second`, both (H, W, 3) uint8 RGB. Raises ValueError if sizes differ."""
        if first.shape != second.shape:
            raise ValueError(f"flow needs pictures of one size, not {first.shape} and {second.shape}")
        grey = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in (first, second)]
        return self.between_grey(grey[0], grey[1])

    def between_grey(self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> FlowArray:
        """The flow between two (H, W) uint8 pictures."""
        height, width = first.shape
        enlarge = -(-self._SMALLEST // min(height, width))
        if enlarge <= 1:
            return np.asarray(self._search.calc(first, second, None), np.float32)
        size = (width * enlarge, height * enlarge)
        large = [cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) for picture in (first, second)]
        return resize_flow(self._search.calc(large[0], large[1], None), width=width, height=height)


def resize_flow(flow: FlowArray, *, width: int, height: int) -> FlowArray:
    """A flow for pictures of another size: resampled, and its pixels counted anew."""
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    resized = cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)
