"""vidstyle: films and webcams, painted.

import vidstyle

vidstyle.render("in.mp4", "out.mp4", styles=["mosaic"])

What is listed in `__all__` is the public interface; everything else may change between versions.
Names are imported when they are first used, so that `import vidstyle` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidstyle.backends.protocol import Availability, Backend, Engine, EngineInfo, EngineSpec
    from vidstyle.errors import (
        BackendError,
        InputError,
        Interrupted,
        OutOfMemory,
        OutputError,
        StyleError,
        Terminated,
        UsageError,
        VidstyleError,
    )
    from vidstyle.fileloop import Progress
    from vidstyle.frames import ColourInfo, Frame, FrameBatch, VideoInfo
    from vidstyle.interrupts import StopRequest
    from vidstyle.media.protocol import CopiedPacket, Reader, Writer
    from vidstyle.media.reader import open_reader
    from vidstyle.media.writer import EncodeOptions, open_writer
    from vidstyle.networks.network import Network
    from vidstyle.painter import Look, Painter
    from vidstyle.pipeline import render
    from vidstyle.report import RenderReport
    from vidstyle.settings import RenderOptions, Size
    from vidstyle.style_library import Library
    from vidstyle.styles import Style, StyleCard, StyleMix

__version__ = "0.1.0"

_PLACES = {
    "backends.protocol": ("Availability", "Backend", "Engine", "EngineInfo", "EngineSpec"),
    "errors": (
        "BackendError",
        "InputError",
        "Interrupted",
        "OutOfMemory",
        "OutputError",
        "StyleError",
        "Terminated",
        "UsageError",
        "VidstyleError",
    ),
    "fileloop": ("Progress",),
    "frames": ("ColourInfo", "Frame", "FrameBatch", "VideoInfo"),
    "interrupts": ("StopRequest",),
    "media.protocol": ("CopiedPacket", "Reader", "Writer"),
    "media.reader": ("open_reader",),
    "media.writer": ("EncodeOptions", "open_writer"),
    "networks.network": ("Network",),
    "painter": ("Look", "Painter"),
    "pipeline": ("render",),
    "report": ("RenderReport",),
    "settings": ("RenderOptions", "Size"),
    "style_library": ("Library",),
    "styles": ("Style", "StyleCard", "StyleMix"),
}

_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "Availability",
    "Backend",
    "BackendError",
    "ColourInfo",
    "CopiedPacket",
    "EncodeOptions",
    "Engine",
    "EngineInfo",
    "EngineSpec",
    "Frame",
    "FrameBatch",
    "InputError",
    "Interrupted",
    "Library",
    "Look",
    "Network",
    "OutOfMemory",
    "OutputError",
    "Painter",
    "Progress",
    "Reader",
    "RenderOptions",
    "RenderReport",
    "Size",
    "StopRequest",
    "Style",
    "StyleCard",
    "StyleError",
    "StyleMix",
    "Terminated",
    "UsageError",
    "VideoInfo",
    "VidstyleError",
    "Writer",
    "__version__",
    "open_reader",
    "open_writer",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'vidstyle' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"vidstyle.{_PLACE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
