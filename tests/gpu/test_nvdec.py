"""Films decoded by NVDEC, their frames painted where they lie."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from tests.gpu.conftest import photographs
from vidstyle.frames import DeviceFrame
from vidstyle.media import nvdec
from vidstyle.media.reader import open_reader
from vidstyle.pipeline import render
from vidstyle.settings import RenderOptions
from vidstyle.style_library import Library

pytestmark = pytest.mark.parametrize("backend", ["torch"], indirect=True)


def film(path: Path, *, width: int, height: int, pixel_format: str = "yuv420p") -> Path:
    """24 frames of H.264 or, for 10 bits, HEVC, with B frames."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx265" if "10" in pixel_format else "libx264", rate=24)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.options = {"crf": "10", "bf": "2", "g": "12"}
        for index, picture in enumerate(photographs(24, width, height)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (1280, 720), (1920, 1080)])
def test_frames_are_the_hosts(backend: str, tmp_path: Path, width: int, height: int, pixel_format: str) -> None:
    path = film(tmp_path / "in.mkv", width=width, height=height, pixel_format=pixel_format)
    device = nvdec.gpu("auto")
    with nvdec.open_film(path, device=device) as reader:
        there = [event for event in nvdec.DeviceFilm(reader).events() if isinstance(event, DeviceFrame)]
    with open_reader(path) as host_reader:
        host = list(host_reader)
    assert [(f.pts, f.duration, f.index) for f in there] == [(f.pts, f.duration, f.index) for f in host]
    assert all(str(frame.image.device) == device for frame in there)
    for ours, theirs in zip(there, host, strict=True):
        assert np.abs(ours.image.cpu().numpy().astype(int) - theirs.image).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_a_film_is_painted_as_from_the_host(
    backend: str, tmp_path: Path, real_networks: Library, width: int, height: int
) -> None:
    path, pictures = film(tmp_path / "in.mkv", width=width, height=height), []
    for decode in ("cpu", "nvdec"):
        target = tmp_path / f"{decode}.mkv"
        options = RenderOptions(backend=backend, device="cuda", codec="ffv1", batch=4, decode=decode)  # type: ignore[arg-type]
        report = render(path, target, options=options, library=real_networks)
        assert (report.decode, report.frames_in, report.frames_out) == (decode, 24, 24)
        with av.open(str(target)) as clip:
            pictures.append(np.stack([frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]))
    error = np.abs(pictures[0].astype(int) - pictures[1])
    assert pictures[0].std() > 10
    assert error.mean() <= 1
    assert (error <= 4).mean() >= 0.999
