"""Pictures whose numbers are light, as floating point's are, where others hold code values."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame


def code_values(light: VideoFrame) -> VideoFrame:
    """Light as sRGB's code values (IEC 61966-2-1), cut off at white."""
    if light.format.has_palette:  # which swscale would bring to 16 bits by way of YUV of 8
        light = light.reformat(format="rgba", threads=1)
    elif len(light.format.components) == 1:  # grey, which swscale would turn to RGB as if it had the limited range
        grey = np.asarray(light.reformat(format="grayf32le", threads=1).to_ndarray(), np.float32)
        light = VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="gbrpf32le")
    levels = light.reformat(format="rgba64le", threads=1).to_ndarray()
    levels[..., :3] = _srgb_curve()[levels[..., :3]]
    return VideoFrame.from_ndarray(levels, format="rgba64le")


@cache
def _srgb_curve() -> npt.NDArray[np.uint16]:
    """Light in 16 bits to code values in 16 bits."""
    light = np.linspace(0, 1, 2**16)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((code * (2**16 - 1)).round(), np.uint16)
