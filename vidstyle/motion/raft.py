"""Optical flow by a trained network, for machines with a GPU.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow" (2020), as torchvision has it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray
from vidstyle.motion.flow import FlowArray

_SMALLEST = 128
_STRIDE = 8


class RaftFlow:
    """RAFT as a `FlowEstimator`. `network` takes two pictures in -1..1 and gives a list of ever better flows.

    Sides are enlarged to 128 pixels and multiples of 8 by repeating the edge, and the flow is cut back.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network, self._device = network.eval().to(device), device

    @torch.no_grad()
    def __call__(self, first: ImageArray, second: ImageArray) -> FlowArray:
        """The flow from `first` to `second`, both (H, W, 3) uint8 RGB. Raises ValueError if sizes differ."""
        if first.shape != second.shape:
            raise ValueError(f"flow needs pictures of one size, not {first.shape} and {second.shape}")
        height, width = first.shape[:2]
        room = (0, _room(width), 0, _room(height))
        here, there = (F.pad(self._tensor(picture), room, mode="replicate") for picture in (first, second))
        flow = self._network(here, there)[-1][0, :, :height, :width]
        return np.ascontiguousarray(flow.permute(1, 2, 0).float().cpu().numpy())

    def _tensor(self, picture: ImageArray) -> torch.Tensor:
        values = torch.from_numpy(np.array(picture)).to(self._device).permute(2, 0, 1)[None]
        return values.float() / 127.5 - 1


def load_raft(device: torch.device) -> RaftFlow:
    """RAFT with torchvision's weights, which torchvision fetches into its cache once (20 MB).

    Raises BackendError where torchvision is not installed or the weights cannot be had.
    """
    try:
        from torchvision.models.optical_flow import Raft_Large_Weights, raft_large
    except (ImportError, RuntimeError) as error:  # a torchvision built for another torch raises RuntimeError
        raise BackendError(
            f"flow=raft needs torchvision, which does not load ({error}); pip install 'vidstyle[raft]', or use flow=dis"
        ) from error
    weights = Raft_Large_Weights.DEFAULT
    try:
        network = raft_large(weights=weights)
    except (OSError, RuntimeError) as error:
        raise BackendError(
            f"RAFT's weights could not be fetched ({error}); get {weights.url} by other means into "
            f"{torch.hub.get_dir()}/checkpoints, or use flow=dis"
        ) from error
    return RaftFlow(network, device)


def _room(side: int) -> int:
    """Pixels to add to a side."""
    return max(_SMALLEST, -(-side // _STRIDE) * _STRIDE) - side
