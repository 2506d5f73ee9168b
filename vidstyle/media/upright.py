"""FFmpeg's own filters for what must happen before colours are converted: deinterlacing and turning upright."""

from __future__ import annotations

from fractions import Fraction

from av.error import BlockingIOError as NothingYet
from av.error import EOFError as EndOfStream
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from vidstyle.errors import BackendError
from vidstyle.media.notes import Notes
from vidstyle.media.orientation import Orientation

_CRASHES_TRANSPOSE = ("rgbf", "rgbaf")  # FFmpeg's transpose does not know how wide their pixels are
_Key = tuple[int, int, str, int, int, bool]


class PictureFilter:
    """Deinterlaces frames that are flagged so and turns all of them upright; pts stay, in `time_base`.

    Deinterlacing is bwdif (Martin Weston's filter with yadif's edges), one frame out for each frame in. It starts
    with the first flagged frame and then looks at every frame's own flag. Where nothing is to be done, frames
    pass through untouched.
    """

    def __init__(self, *, orientation: Orientation, time_base: Fraction, notes: Notes, fields: bool = True) -> None:
        """Without `fields` no flag is believed: a PNG file's means the order of its pixels."""
        self._fields = fields
        self._orientation = orientation
        self._time_base = time_base
        self._notes = notes
        self._interlaced = False
        self._graph: Graph | None = None
        self._key: _Key | None = None
        self._durations: dict[int, int] = {}

    def push(self, frame: VideoFrame) -> list[VideoFrame]:
        """Take a frame; give those that are finished, in order (deinterlacing lags one frame behind)."""
        if frame.interlaced_frame and self._fields and not self._interlaced:
            self._interlaced = True
            self._notes.add("interlaced material was deinterlaced")
        if not self._interlaced and not self._orientation.filters:
            return [frame]
        key = (
            frame.width,
            frame.height,
            frame.format.name,
            frame.colorspace,
            frame.color_range,
            self._interlaced,
        )
        finished = self.flush() if self._graph is not None and key != self._key else []
        if self._graph is None:
            self._graph, self._key = self._build(frame), key
        assert frame.pts is not None
        self._durations[frame.pts] = frame.duration
        frame.time_base = self._time_base
        self._graph.vpush(frame)
        return [*finished, *self._pull(self._graph)]

    def flush(self) -> list[VideoFrame]:
        """What is still inside, at the end of the film or before its format changes."""
        graph, self._graph = self._graph, None
        if graph is None:
            return []
        graph.vpush(None)
        return self._pull(graph)

    def _pull(self, graph: Graph) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        while True:
            try:
                frame = graph.vpull()
            except (NothingYet, EndOfStream):
                return frames
            assert frame.pts is not None
            assert frame.time_base is not None
            frame.pts = round(frame.pts * frame.time_base / self._time_base)  # exact: bwdif only halves the unit
            frame.time_base = self._time_base
            frame.duration = self._durations.pop(frame.pts, 0)
            frames.append(frame)

    def _build(self, frame: VideoFrame) -> Graph:
        if frame.sw_format is not None:
            raise BackendError("frames in a GPU's memory are not deinterlaced or turned upright; use --decode cpu")
        graph = Graph()
        base = self._time_base
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        source = graph.add(
            "buffer",
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base={base.numerator}/{base.denominator}"
            f":colorspace={frame.colorspace}:range={'pc' if full else frame.color_range}",
        )
        steps = [("bwdif", "mode=send_frame:parity=auto:deint=interlaced")] if self._interlaced else []
        if frame.format.name.startswith(_CRASHES_TRANSPOSE):
            steps.append(("format", "pix_fmts=gbrpf32|gbrapf32"))
        steps += [*self._orientation.filters, ("buffersink", "")]
        graph.link_nodes(source, *(graph.add(name, arguments or None) for name, arguments in steps)).configure()
        return graph
