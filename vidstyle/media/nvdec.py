"""Films decoded by an NVIDIA GPU (NVDEC), their frames left in its memory, for an engine on the same GPU.

PyAV gives the planes of such a frame out by DLPack, NV12 or, for 10 bits, P010; PyTorch makes them RGB there. What
the host does to frames besides (turning, deinterlacing, mapping colours) has no second form here: films that need it
are refused. Each film's first frame is also converted on the host, and the film refused where the two differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.backends.gpu import accelerator, missing_cuda
from vidstyle.backends.protocol import Availability
from vidstyle.backends.torch import Torch, find_device, translated_errors
from vidstyle.errors import BackendError
from vidstyle.frames import DeviceFrame, VideoInfo
from vidstyle.media.colour import frames_colour, source_colour
from vidstyle.media.device_pictures import SITINGS, Siting, rgb_from_nv12
from vidstyle.media.notes import Notes
from vidstyle.media.protocol import CopiedPacket
from vidstyle.media.reader import FilmReader
from vidstyle.media.rgb_converter import RgbConverter
from vidstyle.media.sequence import find_sequence

if TYPE_CHECKING:
    from torch import Tensor

_PROBE = 16  # side, in pixels, of the picture that shows where the host places chroma


def refusal(reason: str) -> BackendError:
    """The error that says why `--decode nvdec` cannot be had."""
    return BackendError(f"--decode nvdec is not possible: {reason}; use --decode cpu")


def availability() -> Availability:
    """Whether this machine offers what it takes, found without loading PyTorch."""
    torch = Torch().available()
    if not torch.ok:
        return torch
    if accelerator() != "cuda":
        return Availability(ok=False, reason=missing_cuda())
    if "cuda" not in hwdevices_available():
        return Availability(ok=False, reason="this build of PyAV has no CUDA")
    return Availability(ok=True, reason="for --backend torch; not seen on a GPU yet")


def gpu(wanted: str) -> str:
    """PyTorch's name ("cuda:0") of the GPU that is to decode and paint, for a `--device`. Raises BackendError."""
    found = availability()
    if not found.ok:
        raise refusal(found.reason)
    device = find_device(wanted)
    if not device.startswith("cuda"):
        raise refusal(f"device {wanted} is no NVIDIA GPU")
    return device


def open_film(
    source: str | Path, *, device: str, start: Fraction | None = None, end: Fraction | None = None
) -> FilmReader:
    """As `open_reader`, with frames in the memory of `device` ("cuda:0"), for `DeviceFilm`. Raises BackendError too."""
    if find_sequence(source):
        raise refusal("numbered pictures are decoded one by one")
    with _hardware(device) as hwaccel:
        return FilmReader(source, start=start, end=end, hwaccel=hwaccel)


class DeviceFilm:
    """A reader's frames as RGB in the GPU's memory, and its packets; each given once.

    Raises BackendError for a film with frames that the GPU does not decode or that need the host.
    """

    def __init__(self, reader: FilmReader) -> None:
        self._reader = reader
        self._refuse_unfit(reader.first)
        self._refuse_cropped(reader.first)
        self._siting = chroma_siting(reader.first)
        self._compare_with_host(reader.first)

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame."""
        return self._reader.info

    def events(self) -> Iterator[DeviceFrame | CopiedPacket]:
        """Frames and the other streams' packets, in the order of the file."""
        index = 0
        for item in self._reader.pictures():
            if isinstance(item, CopiedPacket):
                yield item
                continue
            self._refuse_unfit(item)
            assert item.pts is not None
            yield DeviceFrame(
                image=_rgb(item, self._siting),
                pts=item.pts,
                time_base=self.info.time_base,
                duration=item.duration or None,
                index=index,
            )
            index += 1

    def _refuse_unfit(self, frame: VideoFrame) -> None:
        """Every frame is looked at: a film may change on its way."""
        surface, colour, info = _surface(frame), source_colour(frame), self.info
        if info.orientation != "upright" or frame.interlaced_frame:
            what = "deinterlaced" if frame.interlaced_frame else "turned upright"
            raise refusal(f"the film must be {what}, which is done in host memory")
        if surface is None:
            raise refusal(f"FFmpeg does not decode this kind of {info.codec} ({frame.format.name}) on the GPU")
        if surface not in ("nv12", "p010le"):
            raise refusal(f"the GPU gives this film's frames as {surface}")
        if (frame.width, frame.height) != (info.width, info.height):
            raise refusal("the film has frames of several sizes, which are scaled in host memory")
        if info.width % 2 or info.height % 2:
            raise refusal(f"of frames with odd sides ({info.width}x{info.height}) PyAV leaves out chroma at the edge")
        if frames_colour(colour) != colour:
            raise refusal("the film's colours are mapped to BT.709, which is done in host memory")

    def _refuse_cropped(self, frame: VideoFrame) -> None:
        """FFmpeg cuts such frames only at the right and the bottom, and PyAV does not tell what is left to be cut."""
        film = self._reader.container.streams[self._reader.video_stream]
        assert isinstance(film, VideoStream)
        if (frame.width, frame.height) != (film.codec_context.width, film.codec_context.height):
            raise refusal("the film is cropped at its left or top, which is done in host memory")

    def _compare_with_host(self, frame: VideoFrame) -> None:
        converter = RgbConverter(width=frame.width, height=frame.height, alpha=False, notes=Notes())
        error = _difference(frame, converter, self._siting)
        if error > 1:
            raise refusal(f"the first frame is up to {error} levels off what the host makes of it")


def chroma_siting(frame: VideoFrame) -> Siting:
    """Where the host places the chroma samples of such frames.

    FFmpeg knows it of every frame, but PyAV does not tell. So the host converts a picture of noise that has the
    frame's properties, and the siting is the one that explains the result.
    """
    probe = frame.reformat(width=_PROBE, height=_PROBE, format="nv12")
    noise = np.random.default_rng(0)
    for plane in probe.planes:
        plane.update(noise.integers(64, 192, plane.buffer_size, np.uint8).tobytes())
    converter = RgbConverter(width=_PROBE, height=_PROBE, alpha=False, notes=Notes())
    return min(SITINGS, key=lambda siting: _difference(probe, converter, siting))


def _difference(frame: VideoFrame, converter: RgbConverter, siting: Siting) -> int:
    """The largest difference, in levels, of the two ways to RGB."""
    there = _rgb(frame, siting).cpu().numpy()
    return int(np.abs(converter.convert(frame).image.astype(np.int16) - there).max())


def _rgb(frame: VideoFrame, siting: Siting) -> Tensor:
    from torch.utils.dlpack import from_dlpack

    colour = source_colour(frame)
    with translated_errors("PyTorch cannot convert a decoded frame"):
        # As capsules, because PyTorch would ask the planes to wait for its stream, which PyAV refuses. Both work in
        # CUDA's default stream, so the frame is complete before it is read, and read before its memory is used again.
        luma, chroma = (from_dlpack(plane.__dlpack__()) for plane in frame.planes)
        return rgb_from_nv12(luma, chroma, matrix=colour.matrix, full_range=colour.full_range, siting=siting)


def _surface(frame: VideoFrame) -> str | None:
    """The pixel format of a frame in the GPU's memory; None of one that was decoded on the processor."""
    return frame.sw_format.name if frame.sw_format else None


@contextmanager
def _hardware(device: str) -> Iterator[HWAccel]:
    """What PyAV needs to decode on `device`, in the thread that opens the film."""
    import torch

    with translated_errors(f"PyTorch cannot use {device}"), torch.cuda.device(device):
        # FFmpeg refuses a primary context that PyTorch made first, with flags of its own; so it is told to take the
        # one that is current, and this makes PyTorch's current.
        torch.cuda.synchronize()
        hwaccel = HWAccel(
            "cuda",
            device=device.partition(":")[2],
            allow_software_fallback=True,  # what cannot be decoded there is then seen by its frames
            options={"primary_ctx": "0", "current_ctx": "1"},
            is_hw_owned=True,
        )
        try:
            hwaccel.create(Codec("h264", "r"))  # on its own: while opening, it would be taken for the file's fault
        except FFmpegError as error:
            raise refusal(f"FFmpeg cannot use {device} ({error.strerror})") from error
        yield hwaccel
