"""Frames left on the GPU: here the processor plays the GPU, decoding into the planes that NVDEC would give.

`tests/gpu/test_nvdec.py` is the same on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from tests.conftest import numbered_picture
from tests.media.reading import set_display_matrix, write_film
from tests.media.test_reader import interlaced_film
from vidstyle import painter
from vidstyle.backends import gpu
from vidstyle.errors import BackendError, InputError, UsageError
from vidstyle.frames import DeviceFrame, Frame
from vidstyle.media import nvdec
from vidstyle.media.demux import FilmDecoder
from vidstyle.media.notes import Notes
from vidstyle.media.nvdec import DeviceFilm
from vidstyle.media.orientation import UPRIGHT
from vidstyle.media.protocol import CopiedPacket
from vidstyle.media.reader import open_reader
from vidstyle.media.upright import PictureFilter
from vidstyle.pipeline import render
from vidstyle.settings import RenderOptions, Size
from vidstyle.style_library import Library

pytest.importorskip("torch")

SURFACES = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le"}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor in NVDEC's place, with PyTorch's CPU as the device."""
    decode = FilmDecoder.decode

    def into_surfaces(self: FilmDecoder, packet: Packet[Stream] | None) -> list[VideoFrame]:
        frames = decode(self, packet)
        return [f.reformat(format=SURFACES[f.format.name]) if f.format.name in SURFACES else f for f in frames]

    monkeypatch.setattr(FilmDecoder, "decode", into_surfaces)
    monkeypatch.setattr(nvdec, "_surface", lambda f: f.format.name if f.format.name in SURFACES.values() else None)
    monkeypatch.setattr(nvdec, "_hardware", lambda device: nullcontext(None))
    monkeypatch.setattr(nvdec, "gpu", lambda wanted: "cpu")


def events(path: Path, **part: Fraction) -> tuple[list[DeviceFrame | CopiedPacket], list[str]]:
    """What comes by way of the device, and the reader's warnings."""
    with nvdec.open_film(path, device="cpu", **part) as reader:
        return list(DeviceFilm(reader).events()), reader.warnings


def host_events(path: Path, **part: Fraction) -> tuple[list[Frame | CopiedPacket], list[str]]:
    with open_reader(path, **part) as reader:
        return list(reader.events()), reader.warnings


def assert_alike(path: Path, **part: Fraction) -> int:
    """Both ways give the same events, moments and warnings, and pictures within a level; returns how many frames."""
    there, told_there = events(path, **part)
    host, told_host = host_events(path, **part)
    assert [type(event) is CopiedPacket for event in there] == [type(event) is CopiedPacket for event in host]
    pairs = [(d, h) for d, h in zip(there, host, strict=True) if isinstance(d, DeviceFrame) and isinstance(h, Frame)]
    for device, frame in pairs:
        assert (device.pts, device.time_base, device.index) == (frame.pts, frame.time_base, frame.index)
        assert device.duration == frame.duration
        assert np.abs(device.image.numpy().astype(int) - frame.image).max() <= 1
    assert told_there == told_host
    return len(pairs)


Film = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Writes a numbered H.264 film, `film(frames, width=..., height=..., ...)` and the words of `write_film`."""

    def write(frames: int = 8, *, width: int = 64, height: int = 48, **words: object) -> Path:
        pictures = [numbered_picture(index, width, height) for index in range(frames)]
        return write_film(tmp_path / "in.mkv", pictures, **words)  # type: ignore[arg-type]

    return write


@pytest.mark.usefixtures("stand_in")
def test_frames_and_packets_are_the_hosts(film: Film) -> None:
    assert assert_alike(film(12, sound=True)) == 12
    assert assert_alike(film(3, colour=(6, 2))) == 3
    assert assert_alike(film(3, pixel_format="yuv420p10le", colour=(1, 2))) == 3
    assert assert_alike(film(3, codec="mjpeg", pixel_format="yuvj420p")) == 3
    assert assert_alike(film(6, width=98, height=70, pts=[0, 1, 5, 6, 20, 21], time_base=Fraction(1, 1000))) == 6


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("part", [{"start": 1}, {"end": 1}, {"start": Fraction(1, 2), "end": Fraction(9, 10)}])
def test_parts_are_cut_alike(film: Film, part: dict[str, Fraction]) -> None:
    path = film(40, sound=True, options={"g": "10", "bf": "2"})
    assert 0 < assert_alike(path, **{name: Fraction(moment) for name, moment in part.items()}) < 40


@pytest.mark.usefixtures("stand_in")
def test_damage_is_counted_alike(film: Film) -> None:
    path = film(30, options={"g": "10"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as clip:
        packets = [(packet.pos, packet.size) for packet in clip.demux(video=0) if packet.size]
    for at, size in (packets[7], packets[14]):
        data[at + size // 2 : at + size - 4] = b"\xaa" * (size - size // 2 - 4)
    path.write_bytes(data)
    assert assert_alike(path) > 20
    assert events(path)[1]


def turned(path: Path) -> Path:
    write_film(path.with_suffix(".mp4"), [numbered_picture(0, 64, 48)])
    return set_display_matrix(path.with_suffix(".mp4"), (0, 1, -1, 0))


def hdr(path: Path) -> Path:
    options = {"x264-params": "transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"}
    return write_film(path, [numbered_picture(0, 64, 48)], pixel_format="yuv420p10le", options=options)


def of_several_sizes(path: Path) -> Path:
    parts = [write_film(path.with_name(f"{w}.ts"), [numbered_picture(k, w, 48) for k in range(4)]) for w in (64, 80)]
    path.with_suffix(".ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return path.with_suffix(".ts")


def odd(path: Path) -> Path:
    return write_film(path, [numbered_picture(0, 63, 47)], codec="libvpx-vp9")


def not_decodable_there(path: Path) -> Path:
    return write_film(path, [numbered_picture(0, 64, 48)], pixel_format="yuv422p")


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (turned, "must be turned upright"),
        (interlaced_film, "must be deinterlaced"),
        (hdr, "mapped to BT.709"),
        (of_several_sizes, "several sizes"),
        (odd, r"odd sides \(63x47\)"),
        (not_decodable_there, r"does not decode this kind of h264 \(yuv422p\)"),
    ],
)
def test_films_that_need_the_host_are_refused(tmp_path: Path, write: Callable[[Path], Path], reason: str) -> None:
    path = write(tmp_path / "in.mkv")
    with pytest.raises(BackendError, match=f"^--decode nvdec is not possible: .*{reason}.*; use --decode cpu$"):
        events(path)


@pytest.mark.usefixtures("stand_in")
def test_a_film_that_is_cropped_at_its_left_is_refused(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's frames keep what is cut off there, and so are wider than the film."""
    decode = FilmDecoder.decode

    def uncropped(self: FilmDecoder, packet: Packet[Stream] | None) -> list[VideoFrame]:
        return [frame.reformat(width=frame.width + 8) for frame in decode(self, packet)]

    monkeypatch.setattr(FilmDecoder, "decode", uncropped)
    with pytest.raises(BackendError, match="cropped at its left or top"):
        events(film())


@pytest.mark.usefixtures("stand_in")
def test_a_film_whose_first_frame_is_not_the_hosts_is_refused(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the GPU's frames were cropped or coloured otherwise, or not finished when they are read."""
    convert = nvdec.rgb_from_nv12
    monkeypatch.setattr(nvdec, "rgb_from_nv12", lambda luma, *rest, **words: convert(luma.roll(2, 1), *rest, **words))
    with pytest.raises(BackendError, match=r"first frame is up to \d+ levels off"):
        events(film())


def test_a_film_that_turns_interlaced_on_its_way_is_refused() -> None:
    """The filters of the host take no frames in a GPU's memory."""
    picture = PictureFilter(orientation=UPRIGHT, time_base=Fraction(1, 25), notes=Notes())
    still = {"width": 64, "height": 48, "format": av.VideoFormat("nv12"), "colorspace": 1, "color_range": 1}
    frame = SimpleNamespace(**still, interlaced_frame=False, sw_format=av.VideoFormat("nv12"))
    assert picture.push(frame) == [frame]  # type: ignore[arg-type, comparison-overlap]
    frame.interlaced_frame = True
    with pytest.raises(BackendError, match="not deinterlaced"):
        picture.push(frame)  # type: ignore[arg-type]


def test_numbered_pictures_are_refused(tmp_path: Path) -> None:
    write_film(tmp_path / "f_0001.png", [numbered_picture(0, 64, 48)], codec="png", pixel_format="rgb24")
    with pytest.raises(BackendError, match="numbered pictures"):
        events(tmp_path / "f_%04d.png")


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "accelerator", lambda: None)
    assert not nvdec.availability().ok
    with pytest.raises(BackendError, match="no NVIDIA GPU with its driver here; use --decode cpu"):
        nvdec.gpu("auto")
    monkeypatch.setattr(gpu, "nvidia_gpus", lambda: ["a GPU"])
    assert "needs a PyTorch built for CUDA" in nvdec.availability().reason
    monkeypatch.setattr(nvdec, "accelerator", lambda: "cuda")
    assert nvdec.availability().ok
    with pytest.raises(BackendError, match="device cpu is no NVIDIA GPU"):
        nvdec.gpu("cpu")
    monkeypatch.setattr(nvdec, "hwdevices_available", lambda: ["vaapi"])
    assert nvdec.availability().reason == "this build of PyAV has no CUDA"
    monkeypatch.setattr(gpu, "NEEDED", ("torch", "no_such_package"))
    assert "no_such_package not installed" in nvdec.availability().reason


def test_a_gpu_that_ffmpeg_cannot_use_is_not_the_films_fault(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    with pytest.raises(BackendError, match="FFmpeg cannot use cuda:99"):
        nvdec.open_film(film(), device="cuda:99")


NVDEC = {"decode": "nvdec", "codec": "ffv1"}


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("working_side", "batch"), [(720, 3), (32, 2)])
def test_the_painted_film_is_the_hosts(
    film: Film, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, working_side: int, batch: int
) -> None:
    monkeypatch.setattr(painter, "WORKING_SIDE", working_side)
    path, pictures, stamps = film(8, sound=True), [], []
    for decode in ("cpu", "nvdec"):
        target = tmp_path / f"{decode}.mkv"
        options = RenderOptions(
            backend="torch", device="cpu", precision="fp32", codec="ffv1", decode=decode, batch=batch
        )
        report = render(path, target, options=options, library=library)
        assert (report.decode, report.backend, report.frames_in, report.frames_out) == (decode, "torch", 8, 8)
        with av.open(str(target)) as clip:
            frames = list(clip.decode(video=0))
        pictures.append(np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(int))
        stamps.append([frame.pts for frame in frames])
    error = np.abs(pictures[0] - pictures[1])
    assert pictures[0].std() > 10
    assert error.mean() < 0.5
    assert error.max() <= 6, "a level before the network is a few after it"
    assert stamps[0] == stamps[1]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"strength": 0.05}, "strength 0.05 cross-fades"),
        ({"strength": 0.0}, "strength 0 cross-fades"),
        ({"keep_colors": True}, "--keep-colors"),
        ({"stroke": 0.3}, "64x48 is scaled to 216x160"),
    ],
)
def test_looks_that_need_the_host_are_refused(
    film: Film, library: Library, tmp_path: Path, asked: dict[str, object], reason: str
) -> None:
    options = RenderOptions(**NVDEC, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=reason):
        render(film(), tmp_path / "out.mkv", options=options, library=library)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"stabilize": True}, "--stabilize"),
        ({"size": Size(short=32)}, "--size"),
        ({"tile": True}, "--tile"),
        ({"mode": "gatys"}, "--mode gatys"),
    ],
)
def test_options_that_need_the_host_are_refused(asked: dict[str, object], flag: str) -> None:
    with pytest.raises(UsageError, match=f"^{flag} works on frames in host memory"):
        RenderOptions(decode="nvdec", **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="decode is 'gpu'"):
        RenderOptions(decode="gpu")  # type: ignore[arg-type]


def test_engines_that_need_the_host_are_refused(film: Film, library: Library, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="openvino takes no frames from a GPU's memory, torch does"):
        render(film(), tmp_path / "out.mkv", options=RenderOptions(backend="openvino", decode="nvdec"), library=library)


@pytest.mark.usefixtures("stand_in")
def test_an_unreadable_film_is_still_the_inputs_fault(library: Library, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        render(tmp_path / "absent.mkv", tmp_path / "out.mkv", options=RenderOptions(decode="nvdec"), library=library)
