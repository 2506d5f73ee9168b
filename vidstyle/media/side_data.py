"""What a decoder attaches to a frame besides its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame, kind: Type) -> bytes | None:
    """The frame's side data of one kind, as FFmpeg's struct of it; None if it has none.

    Raises ValueError where PyAV 18.1 cannot be asked: where there is side data of a kind that it does not know, such
    as EXIF, and for pixels as PNG has them. There a colour profile has a name, which PyAV frees although it is the
    frame's, and the process dies when the frame goes.
    Not for every frame: PyAV ties frame and side data into a cycle that only the garbage collector undoes.
    """
    if frame.format.is_rgb or frame.format.has_palette or len(frame.format.components) < 3:
        raise ValueError(f"the side data of {frame.format.name} frames cannot be read safely")
    found = cast("Mapping[Type, SideData]", frame.side_data).get(kind)
    return None if found is None else bytes(found)
