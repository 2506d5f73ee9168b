"""Every frame once, in its own time; parts of films; sizes that change; interlacing; transparency; damage."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from PIL import Image

from tests.media.reading import field_colours, frames_of, near, quarters, split, write_film
from vidstyle.errors import InputError, UsageError
from vidstyle.frames import ImageArray
from vidstyle.media.reader import open_reader, probe
from vidstyle.media.window import TimeWindow


def numbered(count: int, *, width: int = 64, height: int = 48) -> list[ImageArray]:
    """Grey pictures, each 4 levels lighter than the one before."""
    return [np.full((height, width, 3), 4 * k + 10, np.uint8) for k in range(count)]


def number_of(picture: ImageArray) -> int:
    return round((float(picture.mean()) - 10) / 4)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.avi"])
def test_every_frame_once_and_in_order(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    options = {"bf": "2", "g": "6"} | ({"crf": "4"} if codec == "libx264" else {"qmin": "1", "qmax": "2"})
    path = write_film(tmp_path / name, numbered(40), codec=codec, options=options)
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert not [line for line in reader.warnings if "assumed" not in line]
    assert [number_of(frame.image) for frame in frames] == list(range(40))
    assert all(later.pts > earlier.pts for earlier, later in pairwise(frames))


@pytest.mark.parametrize("between", [0, 1, 4])
@pytest.mark.parametrize("start", [0, 15])
def test_frames_of_avi_come_at_their_own_times(tmp_path: Path, between: int, start: int) -> None:
    """AVI says where a packet lies, which with B-frames is not the order in which they are shown."""
    options = {"crf": "4", "bf": str(between), "b_strategy": "0", "b-pyramid": "normal", "g": "10"}
    path = write_film(tmp_path / "a.avi", numbered(40), options=options)
    with open_reader(path, start=Fraction(start, 25) if start else None) as reader:
        frames = frames_of(reader)
        assert not [line for line in reader.warnings if "assumed" not in line]
    assert [number_of(frame.image) for frame in frames] == list(range(start, 40))
    assert [frame.time for frame in frames] == [Fraction(k, 25) for k in range(40 - start)]


def test_info_before_the_first_frame(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", numbered(10), colour=(1, 1))
    info = probe(path)
    assert (info.width, info.height, info.frames, info.rate) == (64, 48, 10, 25)
    assert info.duration == Fraction(10, 25)
    assert (info.codec, info.bit_depth, info.has_alpha, info.interlaced) == ("h264", 8, False, False)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.h264", "a.avi"])
@pytest.mark.parametrize(
    ("start", "end"), [("0.3", "0.9"), ("1.2", None), (None, "0.5"), ("0.04", "1.5"), ("1.56", None)]
)
def test_a_part_has_exactly_its_frames(tmp_path: Path, name: str, start: str | None, end: str | None) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    options = {"bf": "0" if codec == "mpeg4" else "2", "g": "10"} | (
        {"crf": "4"} if codec == "libx264" else {"qmin": "1", "qmax": "2"}
    )
    path = write_film(tmp_path / name, numbered(40), codec=codec, options=options)
    with open_reader(path) as reader:
        begins = frames_of(reader)[0].time
    first, last = Fraction(start or 0), Fraction(end) if end else None
    with open_reader(path, start=Fraction(start) if start else None, end=last) as reader:
        frames = frames_of(reader)
    wanted = [k for k in range(40) if Fraction(k, 25) >= first and (last is None or Fraction(k, 25) < last)]
    assert [number_of(frame.image) for frame in frames] == wanted
    for frame, k in zip(frames, wanted, strict=True):
        assert abs(frame.time - (begins + Fraction(k, 25) - first)) <= frame.time_base


def test_sound_of_a_part_keeps_its_distance(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", numbered(50), sound=True, options={"g": "10", "bf": "2", "crf": "4"})
    with open_reader(path) as reader:
        _, whole = split(reader)
        times = {bytes(p.packet): p.packet.pts * p.packet.time_base for p in whole if p.packet.pts is not None}
    start, end = Fraction("0.52"), Fraction("1.4")
    with open_reader(path, start=start, end=end) as reader:
        _, part = split(reader)
        kept = {bytes(p.packet): p.packet.pts * p.packet.time_base for p in part if p.packet.pts is not None}
    assert kept.keys() == {data for data, time in times.items() if start <= time < end}
    assert all(abs(times[data] - start - time) <= Fraction(1, 1000) for data, time in kept.items())


def test_chapters_of_a_part_move_with_it() -> None:
    marks = [(0, 1000, "One"), (1000, 2000, "Two"), (2000, 3000, "Three")]
    whole = [
        {"id": i, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for i, (a, b, title) in enumerate(marks)
    ]
    part = TimeWindow(origin=Fraction(0), tick=Fraction(1, 25), start=Fraction("1.5"), end=Fraction("2.5"))
    assert [(c["start"], c["end"], c["metadata"]["title"]) for c in part.chapters(whole)] == [
        (0, 500, "Two"),
        (500, 1000, "Three"),
    ]
    assert TimeWindow(origin=Fraction(0), tick=Fraction(1, 25)).chapters(whole) == whole
    late = TimeWindow(origin=Fraction(1), tick=Fraction(1, 25))  # the file's clock runs a second already
    assert [(c["start"], c["end"]) for c in late.chapters(whole)] == [(0, 1000), (1000, 2000)]
    early = TimeWindow(origin=Fraction(-1), tick=Fraction(1, 25))  # it has still to reach 0
    assert [(c["start"], c["end"]) for c in early.chapters(whole)] == [(1000, 2000), (2000, 3000), (3000, 4000)]
    primed = TimeWindow(origin=Fraction(-1, 50), tick=Fraction(1, 25))  # an encoder's silence before 0 is to be cut off
    assert primed.chapters(whole) == whole


@pytest.mark.parametrize("hours", [Fraction(20), Fraction(2**33 - 90_000, 90_000 * 3600)])
def test_the_clock_of_a_recorded_broadcast_begins_at_0(tmp_path: Path, hours: Fraction) -> None:
    """Sound 40 ms before the picture, both after 20 hours; mp4 would keep the hours as an empty beginning.

    Or both a second before the clock of MPEG-TS wraps: to FFmpeg that is before 0, and mp4 would cut it off.
    """
    path = write_film(tmp_path / "a.mkv", numbered(25), sound=True)
    with av.open(str(path)) as film, av.open(str(tmp_path / "late.ts"), "w", options={"muxdelay": "0"}) as late:
        routes = {stream.index: late.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.dts is None:
                continue
            seconds = hours * 3600 + Fraction(packet.stream.type == "video") / 25
            packet.pts, packet.dts = (round(x + seconds / packet.time_base) for x in (packet.pts, packet.dts))
            packet.stream = routes[packet.stream.index]
            late.mux(packet)
    with open_reader(tmp_path / "late.ts") as reader:
        frames, packets = split(reader)
        assert not any("key frame" in line for line in reader.warnings)
    begins = packets[0].packet.pts * packets[0].packet.time_base
    assert min(begins, frames[0].time) == 0
    assert abs(frames[0].time - begins - Fraction(1, 25)) <= Fraction(1, 1000)
    assert abs(frames[-1].time - frames[0].time - Fraction(24, 25)) <= Fraction(1, 1000)


def test_parts_that_make_no_sense(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", numbered(5))
    with pytest.raises(InputError, match="no frames in the part"):
        open_reader(path, start=Fraction(10))
    with pytest.raises(UsageError, match="not after the start"):
        open_reader(path, start=Fraction(2), end=Fraction(1))
    with pytest.raises(UsageError, match="before the beginning"):
        open_reader(path, start=Fraction(-1))


def test_the_film_is_chosen_by_what_it_is(tmp_path: Path) -> None:
    """A cover in first place, then a small film, then the one to be found; the others come as packets."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as film:
        streams = []
        for size, pictures in ((32, 1), (64, 5), (128, 5)):
            stream = film.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuvj420p"
            streams.append((stream, size, pictures))
        streams[0][0].disposition = av.stream.Disposition.attached_pic
        for index in range(5):
            for stream, size, pictures in streams:
                if index < pictures:
                    frame = VideoFrame.from_ndarray(quarters(size, size), format="rgb24")
                    frame.pts = index
                    film.mux(stream.encode(frame))
        for stream, _, _ in streams:
            film.mux(stream.encode(None))
    with open_reader(path) as reader:
        frames, packets = split(reader)
        assert (reader.info.width, reader.video_stream) == (128, 2)
    assert len(frames) == 5
    assert {packet.stream for packet in packets} == {0, 1}


def test_size_changes_in_the_middle(tmp_path: Path) -> None:
    parts = []
    for index, size in enumerate(((64, 48), (128, 96))):
        parts.append(write_film(tmp_path / f"{index}.ts", [quarters(*size)] * 6).read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert "frames of another size, scaled to the first frame's 64x48: 6" in reader.warnings
    assert len(frames) == 12
    assert all(near(field_colours(f.image), field_colours(quarters()), within=10) for f in frames)


def interlaced_film(path: Path) -> Path:
    """A white bar that moves 8 pixels from field to field, top field first."""
    pictures = []
    for index in range(10):
        picture = np.zeros((64, 96, 3), np.uint8)
        for field in (0, 1):
            left = 8 * (2 * index + field) % 80
            picture[field::2, left : left + 16] = 235
        pictures.append(picture)
    options = {"flags": "+ildct+ilme", "field_order": "tt", "q": "2", "g": "5"}
    coded = [VideoFrame.from_ndarray(p, format="rgb24").reformat(format="yuv420p") for p in pictures]
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 96, 64, "yuv420p", options
        graph = av.filter.Graph()
        source = graph.add_buffer(width=96, height=64, format="yuv420p", time_base=Fraction(1, 25))
        flag, sink = graph.add("setfield", "mode=tff"), graph.add("buffersink")
        source.link_to(flag)
        flag.link_to(sink)
        graph.configure()
        for index, frame in enumerate(coded):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            graph.vpush(frame)
            film.mux(stream.encode(graph.vpull()))
        film.mux(stream.encode(None))
    return path


def combing(picture: ImageArray) -> float:
    """How much more neighbouring lines differ than lines two apart."""
    grey = picture.mean(2)
    return float(np.abs(np.diff(grey, axis=0)).mean() - np.abs(grey[2:] - grey[:-2]).mean())


def test_interlaced_material_is_deinterlaced(tmp_path: Path) -> None:
    path = interlaced_film(tmp_path / "a.mkv")
    with av.open(str(path)) as film:
        raw = list(film.decode(video=0))
        assert raw[3].interlaced_frame
        assert combing(raw[3].to_ndarray(format="rgb24")) > 10
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert reader.info.interlaced
        assert "interlaced material was deinterlaced" in reader.warnings
    assert [frame.pts for frame in frames] == [frame.pts for frame in raw]
    assert all(combing(frame.image) < 1 for frame in frames[1:-1])


def test_a_tape_of_dv_has_a_rate(tmp_path: Path) -> None:
    """FFmpeg's average for it is the time base; without a rate it would be taken for a still picture."""
    path, coded = tmp_path / "tape.dv", av.CodecContext.create("dvvideo", "w")
    assert isinstance(coded, VideoCodecContext)
    coded.width, coded.height, coded.pix_fmt, coded.time_base = 720, 576, "yuv420p", Fraction(1, 25)
    pictures = [VideoFrame.from_ndarray(p, format="rgb24") for p in numbered(4, width=720, height=576)]
    path.write_bytes(b"".join(bytes(packet) for picture in pictures for packet in coded.encode(picture)))
    assert probe(path).rate == 25


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [("exr", "grayf32le"), ("exr", "gbrpf32le"), ("hdr", "gbrpf32le"), ("pfm", "grayf32le"), ("pfm", "gbrpf32le")],
)
def test_light_becomes_code_values(tmp_path: Path, codec: str, pixel_format: str) -> None:
    """As every program shows such pictures: the curve is sRGB's."""
    path, coded = tmp_path / f"render.{codec}", av.CodecContext.create(codec, "w")
    assert isinstance(coded, VideoCodecContext)
    coded.width, coded.height, coded.pix_fmt, coded.time_base = 64, 48, pixel_format, Fraction(1, 25)
    light = VideoFrame(64, 48, pixel_format)
    for plane in light.planes:
        plane.update(np.full((48, plane.line_size // 4), 0.18, np.float32).tobytes())
    light.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in coded.encode(light)))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert reader.info.colour.transfer == 13
    assert np.abs(frame.image.astype(int) - 118).max() <= 1  # 255 * (1.055 * 0.18 ** (1 / 2.4) - 0.055)


def test_what_lies_behind_a_photograph_is_no_second_frame(tmp_path: Path) -> None:
    """Phones' photographs have a gain map there; the studio keeps its files without a suffix, as here."""
    path = tmp_path / "photo"
    noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)  # no raw film, at first sight
    Image.fromarray(noise).save(path, "MPO", save_all=True, append_images=[Image.new("L", (16, 12), 90)])
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert (reader.info.frames, reader.info.rate) == (1, None)
        assert not reader.warnings
    assert frame.image.shape == noise.shape


def test_jpeg_pictures_end_to_end_are_a_film(tmp_path: Path) -> None:
    """As cameras in a network record."""
    path, noise = tmp_path / "film.mjpeg", np.random.default_rng(1).integers(0, 256, (5, 120, 160, 3), np.uint8)
    with path.open("wb") as file:
        for picture in noise:
            Image.fromarray(picture).save(file, "JPEG")
    with open_reader(path) as reader:
        assert (reader.info.frames, reader.info.rate) == (None, 25)  # else the studio takes it for a picture
        assert [frame.time for frame in frames_of(reader)] == [Fraction(k, 25) for k in range(5)]


def test_a_film_behind_a_photograph_is_no_second_frame(tmp_path: Path) -> None:
    """It may hold bytes that look like the beginning of a JPEG picture."""
    path, noise = tmp_path / "photo", np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG")
    with path.open("ab") as file:
        file.write(b"\0\0\0\x18ftypmp42" + b"\xff\xd8\xff\xe0" * 9)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert (reader.info.frames, reader.info.rate) == (1, None)
    assert frame.image.shape == noise.shape


def test_png_passes_are_no_fields(tmp_path: Path) -> None:
    lines = np.zeros((64, 96, 3), np.uint8)
    lines[::2] = 235
    pictures = [lines, 255 - lines, lines]
    path = write_film(tmp_path / "a.mov", pictures, codec="png", pixel_format="rgb24", options={"flags": "+ildct"})
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert not reader.info.interlaced
        assert not reader.warnings
    assert all(np.array_equal(frame.image, picture) for frame, picture in zip(frames, pictures, strict=True))


def test_gif_delays_and_transparency(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    delays = [4, 8, 20, 4, 9]
    with av.open(str(path), "w") as film:
        stream = film.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "pal8"
        stream.codec_context.time_base = Fraction(1, 100)
        for index in range(5):
            frame = VideoFrame(16, 16, "pal8")
            palette = np.zeros((256, 4), np.uint8)
            palette[1:] = (10 * index, 20, 200, 255)
            frame.planes[1].update(palette.tobytes())
            rows = np.ones((16, frame.planes[0].line_size), np.uint8)
            rows[:, :4] = 0
            frame.planes[0].update(rows.tobytes())
            frame.pts, frame.time_base = sum(delays[:index]), Fraction(1, 100)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert reader.info.has_alpha
    assert [frame.time for frame in frames] == [Fraction(sum(delays[:k]), 100) for k in range(5)]
    for index, frame in enumerate(frames):
        assert frame.alpha is not None
        assert tuple(frame.image[8, 10]) == (200, 20, 10 * index)
        assert (frame.alpha[8, 1], frame.alpha[8, 10]) == (0, 255)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_of_vp8_and_vp9(tmp_path: Path, codec: str) -> None:
    rgba = np.dstack([quarters(), np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))])
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.options = {"crf": "4", "b": "2M", "auto-alt-ref": "0", "deadline": "realtime", "cpu-used": "8"}
        stream.metadata["alpha_mode"] = "1"
        for index in range(4):
            frame = VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="yuva420p")
            frame.pts = index
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert reader.info.has_alpha
    assert len(frames) == 4
    assert frames[3].alpha is not None
    assert np.abs(frames[3].alpha.astype(int) - rgba[..., 3]).max() <= 6


def test_a_film_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    pictures = [np.random.default_rng(k).integers(0, 256, (48, 64, 3), dtype=np.uint8) for k in range(40)]
    whole = write_film(tmp_path / "a.mkv", pictures, codec="ffv1", pixel_format="bgr0").read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert any(line.startswith("the file is cut short") for line in reader.warnings)
    assert 20 <= len(frames) <= 25
    assert all(np.array_equal(frame.image, pictures[k]) for k, frame in enumerate(frames[:-1]))


def test_damage_is_passed_over_and_counted(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mov", numbered(30), codec="png", pixel_format="rgb24")
    data = path.read_bytes()
    pictures = data.split(b"\x89PNG")
    damaged = [b"\0\0\0\0" if 10 <= k < 13 else b"\x89PNG" for k in range(30)]
    path.write_bytes(pictures[0] + b"".join(mark + rest for mark, rest in zip(damaged, pictures[1:], strict=True)))
    with open_reader(path) as reader:
        frames = frames_of(reader)
        warnings = reader.warnings
    assert [number_of(frame.image) for frame in frames] == [*range(10), *range(13, 30)]
    assert "packets that could not be decoded: 3" in warnings
    assert "frames lost: 3" in warnings


def test_a_film_without_a_decodable_frame_is_an_error(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mov", numbered(5), codec="png", pixel_format="rgb24")
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"\0\0\0\0"))
    with pytest.raises(InputError, match=r"a\.mov': no frames; its pictures are damaged"):
        open_reader(path)


def test_frames_that_cannot_be_decoded_at_the_beginning_are_counted(tmp_path: Path) -> None:
    """A recording that was begun between two key frames, by a clock that runs already."""
    path = write_film(tmp_path / "a.ts", numbered(30), options={"g": "10", "bf": "0", "crf": "4"})
    with av.open(str(path)) as film, av.open(str(tmp_path / "cut.ts"), "w") as cut:
        stream = cut.add_stream_from_template(film.streams.video[0])
        for packet in [packet for packet in film.demux(video=0) if packet.size][6:]:
            packet.stream = stream
            cut.mux(packet)
    with open_reader(tmp_path / "cut.ts") as reader:
        frames = frames_of(reader)
        assert "frames before the first key frame, not decodable: 4" in reader.warnings
    assert [number_of(frame.image) for frame in frames] == list(range(10, 30))


def test_closing_early_and_reading_on_after_a_stop(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", numbered(20))
    with open_reader(path) as reader:
        taken = [next(iter(reader)) for _ in range(3)]  # each iteration goes on where the last one stopped
    assert [number_of(frame.image) for frame in taken] == [0, 1, 2]
    assert number_of(taken[0].image) == 0  # the pictures outlive the reader
