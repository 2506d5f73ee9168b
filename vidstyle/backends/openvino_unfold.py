"""The end of a network that works on blocks of pixels: laid out as rows by us, four times as fast as by OpenVINO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vidstyle.frames import ImageArray

if TYPE_CHECKING:
    import openvino


def without_unfold(model: openvino.Model) -> tuple[openvino.Model, bool]:
    """The model up to its blocks of pixels, where it ends in laying them out and cropping them; else itself."""
    import openvino

    node = model.output(0).get_node()
    for kind in ("Slice", "Reshape", "Transpose", "Reshape"):
        node = node.input_value(0).get_node()
        if node.get_type_name() != kind:
            return model, False
        if kind == "Transpose" and list(node.input_value(1).get_node().get_vector()) != [0, 1, 3, 2, 4]:
            return model, False
    blocks = node.input_value(0)
    return openvino.Model([openvino.opset13.result(blocks)], model.get_parameters(), "vidstyle"), True


def unfold(blocks: ImageArray, painted: ImageArray) -> None:
    """Lay blocks (H'/u, W'/u, 3 u u) uint8 out as rows of pixels, and crop them, into `painted` (H, W, 3).

    Rows of u pixels move as one item, where OpenVINO transposes byte by byte.
    """
    rows, columns, channels = blocks.shape
    side = round((channels / 3) ** 0.5)
    item = f"V{3 * side}"
    pieces = blocks.view(item).transpose(0, 2, 1)
    whole = (rows * side, columns * side, 3)
    target = painted if painted.shape == whole else np.empty(whole, np.uint8)
    target.reshape(rows, side, columns, 3 * side).view(item)[..., 0] = pieces
    if target is not painted:
        painted[...] = target[: painted.shape[0], : painted.shape[1]]
