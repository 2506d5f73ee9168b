"""What goes along with the film besides sound: subtitles, chapters, attachments, covers and tags."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from tests.media.reading import write_film
from tests.media.remuxing import RATE, kinds, packets, reader_of, source_film
from tests.media.writing import copy_film, given, noise, stream_bytes, times
from vidstyle.media.reader import open_reader
from vidstyle.media.remux import OrderedTimes

JPEG_HEAD = b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("suffix", "becomes"), [("mkv", ["subrip", "ass"]), ("mp4", ["mov_text"] * 2), ("webm", ["webvtt"] * 2), ("ts", [])]
)
def test_subtitles_are_kept_converted_or_said_to_be_left_out(tmp_path: Path, suffix: str, becomes: list[str]) -> None:
    source = source_film(tmp_path / "in.mkv", subtitles=("srt", "ass"))
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(reader_of(source), target)
    assert [codec for kind, codec in kinds(target) if kind == "subtitle"] == becomes
    assert sum("subtitle" in line for line in warnings) == (0 if suffix == "mkv" else 2)
    with av.open(str(target)) as film:
        tracks = [stream.index for stream in film.streams.subtitles]
    for index in tracks:
        spoken = [p for p in packets(target, index) if b"hello" in bytes(p) or b"world" in bytes(p)]
        assert [float(p.pts * p.time_base) for p in spoken] == pytest.approx([0.2, 0.6], abs=0.002)
        assert [float(p.duration * p.time_base) for p in spoken] == pytest.approx([0.3, 0.3], abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_title_that_comes_late_and_briefly_keeps_its_moment(tmp_path: Path, suffix: str) -> None:
    source = source_film(tmp_path / "in.mkv", sound=("aac",), subtitles=("srt",))
    reader = reader_of(source)
    reader.frames = given([noise(1)[0]] * 25 * 20).frames
    with av.open(str(tmp_path / "late.mkv"), "w") as late:
        text = late.add_stream_from_template(av.open(str(source)).streams.subtitles[0])
        for begin, lasts in ((0, 40), (40, 40), (120, 40), (9000, 500), (9500, 1), (17000, 100)):
            packet = av.Packet(b"words")
            packet.pts = packet.dts = begin
            packet.duration, packet.time_base, packet.stream = lasts, Fraction(1, 1000), text
            late.mux(packet)
    reader.container, reader.video_stream = av.open(str(tmp_path / "late.mkv")), None
    copy_film(reader, tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        track = film.streams.subtitles[0]
        shown = [(p.pts * p.time_base * 1000, p.duration * p.time_base * 1000) for p in film.demux(track) if p.size > 2]
    assert shown == [(0, 40), (40, 40), (120, 40), (9000, 500), (9500, 1), (17000, 100)]


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_titles_that_overlap_are_shown_together(tmp_path: Path, suffix: str) -> None:
    """mp4 has one text at a time: each lasts until the next."""
    source = source_film(tmp_path / "in.mkv", subtitles=("ass",))
    slanted, fat = rb"{\i1}long", rb"{\b1}short"
    with av.open(str(tmp_path / "titles.mkv"), "w") as titles:
        text = titles.add_stream_from_template(av.open(str(source)).streams.subtitles[0])
        for number, (begin, lasts, words) in enumerate(
            [(100, 400, slanted), (100, 100, fat), (400, 200, b"late"), (600, 100, b"next"), (800, 100, b"last")]
        ):
            packet = av.Packet(b"%d,0,Default,,0,0,0,,%s" % (number, words))
            packet.pts = packet.dts = begin
            packet.duration, packet.time_base, packet.stream = lasts, Fraction(1, 1000), text
            titles.mux(packet)
    reader = reader_of(source)
    reader.container, reader.video_stream = av.open(str(tmp_path / "titles.mkv")), None
    copy_film(reader, tmp_path / f"out.{suffix}")
    shown = [
        (int(p.pts * p.time_base * 1000), int(p.duration * p.time_base * 1000), bytes(p)[2 : 2 + bytes(p)[1]])
        for p in packets(tmp_path / f"out.{suffix}", 1)
    ]
    assert shown == [
        (0, 100, b""),
        (100, 100, b"long\nshort"),
        (200, 200, b"long"),
        (400, 100, b"long\nlate"),
        (500, 100, b"late"),
        (600, 100, b"next"),
        (700, 100, b""),
        (800, 100, b"last"),
    ]


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("form", ["mkv", "mp4"])
def test_a_title_that_is_shown_where_a_part_begins_delays_no_other(tmp_path: Path, form: str, suffix: str) -> None:
    source = source_film(tmp_path / "whole.mkv", subtitles=("srt",))
    if form == "mp4":
        copy_film(reader_of(source), tmp_path / "whole.mp4")
    copy_film(open_reader(tmp_path / f"whole.{form}", start=Fraction("0.4")), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        texts = [packet for packet in film.demux(film.streams.subtitles[0]) if packet.size]
    shown = [(bytes(p)[2:], float(p.pts * p.time_base), float(p.duration * p.time_base)) for p in texts]
    assert shown == [(b"hello", 0, 0.1), (b"", 0.1, 0.1), (b"world", 0.2, 0.3)]


def test_subtitles_are_not_put_into_an_mp4_that_cannot_be_searched(tmp_path: Path) -> None:
    source = source_film(tmp_path / "in.mkv", subtitles=("srt",))
    target = tmp_path / "out.mp4"
    target.symlink_to("/dev/null")
    assert any("subtitle" in line and "left out" in line for line in copy_film(reader_of(source), target))


def test_players_show_the_subtitles_that_they_showed_before(tmp_path: Path) -> None:
    """Of two tracks beside a film, mp4 marks those as default that were."""
    source = source_film(tmp_path / "in.mkv", subtitles=("srt", "ass"), shown=1)
    with av.open(str(source)) as film:
        assert [bool(s.disposition & Disposition.default) for s in film.streams.subtitles] == [False, True]
    copy_film(reader_of(source), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert [bool(s.disposition & Disposition.default) for s in film.streams.subtitles] == [False, True]


def test_mp4_subtitles_come_to_matroska(tmp_path: Path) -> None:
    source = source_film(tmp_path / "in.mkv", subtitles=("srt",))
    copy_film(reader_of(source), tmp_path / "in.mp4")
    copy_film(reader_of(tmp_path / "in.mp4"), tmp_path / "out.mkv")
    assert [bytes(p) for p in packets(tmp_path / "out.mkv", 1)] == [b"hello", b"world"]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "webm"])
def test_chapters_titles_and_tags_are_kept(tmp_path: Path, suffix: str) -> None:
    source = source_film(tmp_path / "in.mkv", sound=("libopus" if suffix == "webm" else "aac",))
    copy_film(reader_of(source), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        marks = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in film.chapters()]
        assert film.metadata["title"] == "Hazard"
        assert film.streams.audio[0].metadata["language"] == "jpn"
        assert film.streams.audio[0].disposition & Disposition.default
    assert marks == [(0.0, "One"), (0.5, "Two")]


def test_a_tracks_title_goes_through_mp4(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with (
        av.open(str(source_film(tmp_path / "untitled.mkv", sound=("aac",)))) as film,
        av.open(str(source), "w") as copy,
    ):
        streams = [copy.add_stream_from_template(stream) for stream in film.streams]
        streams[1].metadata["title"] = "Director's comments"
        for packet in film.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    for before, after in (("in.mkv", "first.mp4"), ("first.mp4", "second.mp4"), ("second.mp4", "out.mkv")):
        copy_film(reader_of(tmp_path / before), tmp_path / after)
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert film.streams.audio[0].metadata["title"] == "Director's comments"


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv"])
@pytest.mark.parametrize(("start", "label"), [(None, "01:00:00:20"), (Fraction("0.39"), "01:00:01:05")])
def test_the_time_code_is_that_of_the_first_frame(
    tmp_path: Path, suffix: str, start: Fraction | None, label: str
) -> None:
    film = write_film(tmp_path / f"in.{suffix}", noise(15), tags={"timecode": "01:00:00:20"})
    copy_film(open_reader(film, start=start), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as written:
        tags = {key.lower(): value for key, value in written.streams.video[0].metadata.items()}
    assert tags["timecode"] == label


def test_chapters_that_cannot_be_kept_are_said_to_be_left_out(tmp_path: Path) -> None:
    warnings = copy_film(reader_of(source_film(tmp_path / "in.mkv")), tmp_path / "out.avi")
    assert any("2 chapters left out" in line for line in warnings)


def test_attachments_are_kept_or_said_to_be_left_out(tmp_path: Path) -> None:
    source = source_film(tmp_path / "in.mkv", font=True)
    assert copy_film(reader_of(source), tmp_path / "out.mkv") == []
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert film.streams.attachments[0].data == b"not really a font"
    assert any("font.ttf" in line for line in copy_film(reader_of(source), tmp_path / "out.mp4"))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_cover_stays_a_cover(tmp_path: Path, suffix: str) -> None:
    cover = jpeg()
    source = source_film(tmp_path / "in.mkv", sound=("aac",), cover=cover)
    target = tmp_path / f"out.{suffix}"
    copy_film(reader_of(source), target)
    with av.open(str(target)) as film:
        covers = [s for s in film.streams.video if s.disposition & Disposition.attached_pic]
        assert len(covers) == 1
        kept = next(bytes(p) for p in film.demux(covers[0]) if p.size)
    assert kept == cover
    assert len(times(target)) == 25
    assert stream_bytes(target, 1) == stream_bytes(source, 1)


def jpeg() -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    context.thread_count = 1
    frame = av.VideoFrame.from_ndarray(noise(1, 32, 32)[0], format="rgb24").reformat(format="yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    data = b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])
    assert data.startswith(JPEG_HEAD)
    return data


def test_a_second_film_is_left_out_and_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as film:
        films = [film.add_stream("mpeg4", rate=25, width=64, height=48) for _ in range(2)]
        for stream in films:
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            film.mux([*stream.encode(frame), *stream.encode(None)])
    assert any("another" in line for line in copy_film(reader_of(tmp_path / "in.mkv"), tmp_path / "out.mkv"))
    assert kinds(tmp_path / "out.mkv") == [("video", "h264")]


def in_order(order: OrderedTimes, stamps: list[tuple[int | None, int | None]]) -> list[tuple[Fraction, Fraction]]:
    """What becomes of packets with these pts and dts, in milliseconds."""
    with av.open("x.mp4", "w", format="mp4") as film:
        stream = film.add_stream("aac", rate=RATE)
        given_packets = []
        for pts, dts in stamps:
            packet = av.Packet(b"xx")
            packet.pts, packet.dts = pts, dts
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            given_packets.append(packet)
        return [(p.pts * p.time_base * 1000, p.dts * p.time_base * 1000) for p in order.in_order(given_packets)]


@pytest.mark.parametrize(("muxer", "moved", "counted"), [("mp4", ("10.125", "10.25"), 2), ("asf", ("11", "12"), 3)])
def test_times_that_run_backward_are_moved_and_counted(muxer: str, moved: tuple[str, ...], counted: int) -> None:
    order = OrderedTimes(muxer)
    placed = in_order(order, [(t, t) for t in (0, 10, 10, 4, None, 30)])
    assert placed == [(t, t) for t in (0, 10, *map(Fraction, moved), 30)]
    assert order.moved == counted  # the one without a time, and those that are not where milliseconds have them


def test_a_packet_with_one_time_gets_the_other() -> None:
    order = OrderedTimes("mp4")
    assert in_order(order, [(5, None), (None, 10), (30, 20)]) == [(5, 5), (10, 10), (30, 20)]
    assert order.moved == 0
