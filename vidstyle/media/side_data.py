"""What a decoder attaches to a frame besides its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame, kind: Type) -> bytes | None:
    """The frame's side data of one kind, as FFmpeg's struct of it; None if it has none.

    Raises ValueError where the frame has side data of a kind that PyAV does not know, such as EXIF in 18.1.
    Not for every frame: PyAV ties frame and side data into a cycle that only the garbage collector undoes.
    """
    found = cast("Mapping[Type, SideData]", frame.side_data).get(kind)
    return None if found is None else bytes(found)
