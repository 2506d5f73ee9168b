"""256 colours for every picture of a GIF, chosen anew for each, by FFmpeg's own filters."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph


class Palette:
    """RGBA pictures in, palette pictures out: a picture with up to 255 colours keeps every one of them."""

    def __init__(self, *, size: tuple[int, int]) -> None:
        """`size` is (width, height) of all pictures."""
        graph = Graph()
        source = graph.add(
            "buffer", video_size=f"{size[0]}x{size[1]}", pix_fmt="rgba", time_base="1/100", pixel_aspect="1/1"
        )
        split = graph.add("split")
        # One palette a picture: one for the whole film would need the whole film first.
        chosen = graph.add("palettegen", stats_mode="single")
        # Bayer's pattern stands still from frame to frame where error diffusion crawls.
        applied = graph.add("paletteuse", new="1", dither="bayer", bayer_scale="4")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(applied, 0, 0)
        split.link_to(chosen, 1, 0)
        chosen.link_to(applied, 0, 1)
        applied.link_to(sink)
        graph.configure()
        self._graph = graph
        self._pushed = 0

    def convert(self, picture: av.VideoFrame) -> av.VideoFrame:
        """`picture` (rgba) as pal8."""
        picture.pts, picture.time_base = self._pushed, Fraction(1, 100)
        self._pushed += 1
        self._graph.push(picture)
        result = self._graph.pull()
        assert isinstance(result, av.VideoFrame)
        return result
