"""Carrying a picture along a flow."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidstyle.motion.flow import FlowArray


def warp(picture: npt.NDArray[Any], flow: FlowArray, *, sharp: bool = False) -> npt.NDArray[Any]:
    """Fetch, for every pixel, what `flow` points at: result[p] = picture[p + flow[p]].

    `picture` is (H, W) or (H, W, C), uint8 or float32, of the flow's size; the result has its shape and
    type. Beyond the edge the edge is repeated; `inside` says where that happened. Interpolation is
    bilinear, or with `sharp` bicubic, which survives being repeated from frame to frame but may
    overshoot the range of float pictures.
    """
    if picture.shape[:2] != flow.shape[:2]:
        raise ValueError(f"a flow of {flow.shape[:2]} cannot warp a picture of {picture.shape[:2]}")
    how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    warped: npt.NDArray[Any] = cv2.remap(
        picture, flow, None, how | cv2.WARP_RELATIVE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return warped


def inside(flow: FlowArray) -> npt.NDArray[np.bool_]:
    """Where `flow` stays within the picture, (H, W) bool."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1))
