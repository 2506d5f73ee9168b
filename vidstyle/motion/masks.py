"""Where a flow can be believed.

Ruder, Dosovitskiy, Brox, "Artistic Style Transfer for Videos" (2016), after Sundaram, Brox, Keutzer,
"Dense point trajectories by GPU-accelerated large displacement optical flow" (2010).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vidstyle.motion.flow import FlowArray
from vidstyle.motion.warp import inside, warp

Mask = npt.NDArray[np.bool_]
"""(H, W) bool, True where the flow is valid."""


def consistent(flow: FlowArray, back: FlowArray) -> Mask:
    """Where following `flow` and then `back`, the flow of the reverse direction, leads home again.

    Elsewhere the pixel is hidden in the other picture, or one of the flows is wrong. The tolerance
    grows with the motion: 1 % of the squared lengths and half a squared pixel (Ruder, equation 5).
    Pixels that leave the picture are not consistent.
    """
    home = warp(back, flow)
    gap = np.sum((flow + home) ** 2, axis=2)
    length = np.sum(flow**2, axis=2) + np.sum(home**2, axis=2)
    return np.asarray((gap <= 0.01 * length + 0.5) & inside(flow))


def on_motion_boundary(flow: FlowArray) -> Mask:
    """Where the flow changes abruptly: its edges are never quite where the object's are (Ruder, equation 6)."""
    down, right = np.gradient(flow, axis=(0, 1))
    steps = np.sum(down**2 + right**2, axis=2)
    return np.asarray(steps > 0.01 * np.sum(flow**2, axis=2) + 0.002)


def valid_mask(flow: FlowArray, back: FlowArray) -> Mask:
    """Where a picture warped by `flow` can be trusted: consistent and on no motion boundary."""
    return consistent(flow, back) & ~on_motion_boundary(flow)
