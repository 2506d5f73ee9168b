"""Previews of styles: the scene that vidstyle draws itself, painted."""

from __future__ import annotations

from vidstyle.media.jpeg import encode_jpeg
from vidstyle.media.scale import resize
from vidstyle.media.synthetic import scene
from vidstyle.painter import Look, Painter
from vidstyle.style_library import Library

FILE = "preview.jpg"
WIDTH, HEIGHT = 320, 180

_PAINTED = 2
"""The scene is painted at this many times the preview's size, so that its strokes are as fine as a film's."""


def paint_preview(library: Library, name: str) -> bytes:
    """A JPEG of the style called `name`, always the same: fp32 on the processor.

    Raises StyleError, or BackendError where its network cannot be run.
    """
    network = library.network()
    look = Look(mix=library.mix([(name, 1.0)], network))
    picture = scene(_PAINTED * WIDTH, _PAINTED * HEIGHT)
    with Painter(network, backend="openvino", precision="fp32") as painter:
        painted = painter.paint(picture[None], look)[0]
    return encode_jpeg(resize(painted, width=WIDTH, height=HEIGHT))
