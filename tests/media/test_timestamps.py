"""Stamps that are repaired: joins, missing, repeated, backward and damaged ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame

from tests.media.reading import frames_of, quarters, split, write_film
from vidstyle.media.notes import Notes
from vidstyle.media.reader import open_reader
from vidstyle.media.timestamps import FrameClock, PacketRebaser, count_finer


def clocked(raw: list[int | None], *, step: Fraction = Fraction(40)) -> tuple[list[int | None], Notes]:
    """What a FrameClock makes of frames with these pts, in milliseconds; their packets begin at 0."""
    notes = Notes()
    clock = FrameClock(step=step, tick=Fraction(1, 1000), notes=notes)
    placed: list[VideoFrame] = []
    for pts in raw:
        frame = VideoFrame(8, 8, "gray")
        frame.pts, frame.dts = pts, 0
        placed += clock.place(frame)
    return [frame.pts for frame in [*placed, *clock.flush()]], notes


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        ([0, 40, 80, 200], [0, 40, 80, 200]),
        ([0, 0, 80, 80, 160, 160], [0, 40, 80, 120, 160, 200]),
        ([0, 40, 20, 120], [0, 40, 80, 120]),
        ([0, 0, 1, 2, 40], [0, 1, 2, 21, 40]),
        ([7] * 7, [7, 47, 87, 127, 167, 207, 247]),
        ([None] * 3, [0, 40, 80]),
        ([100, None, None, 220], [100, 140, 180, 220]),
        ([0, 40, 9_000_000, 120], [0, 40, 80, 120]),
        ([9_000_000, 40, 80], [0, 40, 80]),
        ([0, 15_000, 30_000, 30_040, 60_000], [0, 15_000, 30_000, 30_040, 60_000]),
    ],
)
def test_frames_are_placed_between_their_neighbours(raw: list[int | None], want: list[int]) -> None:
    placed, notes = clocked(raw)
    assert placed == want
    assert len(notes.lines()) == (0 if raw == want else 1)


def test_missing_stamps_do_not_drift() -> None:
    placed, notes = clocked([None] * 3000, step=Fraction(1001, 30))
    assert placed[-1] == round(2999 * Fraction(1001, 30))
    assert notes.lines() == ["frames without a time stamp, placed by the frame rate: 3000"]


def test_frames_closer_than_a_tick_are_a_tick_apart() -> None:
    placed, _ = clocked([None] * 4, step=Fraction(1, 4))
    assert placed == [0, 1, 2, 3]


def test_counted_frames_are_shown_in_the_order_in_which_their_decoder_lets_them_go() -> None:
    clock = FrameClock(step=Fraction(1), tick=Fraction(1, 25), notes=Notes(), counted=True)
    placed: list[VideoFrame] = []
    for pts, dts in ((0, 2), (3, 3), (1, 5), (2, None), (None, None)):  # a frame is lost, and the last ones are held
        frame = VideoFrame(8, 8, "gray")
        frame.pts, frame.dts = pts, dts
        placed += clock.place(frame)
    assert [frame.pts for frame in placed] == [0, 1, 3, 4, 5]


@dataclass
class FakeStream:
    type: str


@dataclass
class FakePacket:
    """As much of a packet as the rebaser looks at."""

    stream_index: int
    dts: int | None
    pts: int | None = None
    duration: int = 40
    time_base: Fraction = Fraction(1, 1000)
    stream: FakeStream = field(init=False)

    def __post_init__(self) -> None:
        self.pts = self.dts if self.pts is None else self.pts
        self.stream = FakeStream(["video", "audio", "subtitle"][self.stream_index])


def rebased(packets: list[Any]) -> tuple[list[Any], Notes]:
    notes = Notes()
    rebaser = PacketRebaser(film=0, notes=notes)
    placed = [done for packet in packets for done in rebaser.place(packet)]
    return [*placed, *rebaser.flush()], notes


def test_a_join_shifts_all_streams_alike() -> None:
    part = [FakePacket(stream, 40 * k + 15 * stream) for k in range(10) for stream in (0, 1)]
    again = [FakePacket(stream, 40 * k + 15 * stream) for k in range(10) for stream in (0, 1)]
    # sound of the first part may still come after the picture's jump
    mixed = [FakePacket(2, 100), *part[:-1], again[0], part[-1], *again[1:], FakePacket(2, 100)]
    placed, notes = rebased(mixed)
    assert placed[0].pts == 100
    for stream in (0, 1):
        stamps = [p.dts for p in placed if p.stream_index == stream]
        assert stamps == sorted(set(stamps))
        assert len(stamps) == 20
    assert {p.dts - q.dts for p, q in zip(again[1::2], again[::2], strict=True)} == {15}
    assert placed[-1].pts == 100 + again[0].dts  # the subtitle belongs to the second part
    assert notes.lines() == ["jumps back of the file's clock, joined on: 1"]


def test_one_packet_that_leaps_is_damaged_but_a_gap_is_not() -> None:
    for stream, want in ((0, None), (1, 41)):  # a frame's own clock places it better
        damaged, notes = rebased([FakePacket(stream, t) for t in (0, 40, 7_000_000, 120, 160)])
        assert [p.dts for p in damaged] == [0, 40, 41, 120, 160]
        assert [p.pts for p in damaged] == [0, 40, want, 120, 160]
        assert notes.lines() == ["packets with damaged time stamps, replaced: 1"]
    for stamps in ([0, 40, 60_000, 60_040], [0, 40, 60_000, 59_990], [0, 40, 60_000]):
        gap, notes = rebased([FakePacket(1, t) for t in stamps])
        assert [p.dts for p in gap] == stamps
        assert notes.lines() == []
    joined, notes = rebased([FakePacket(1, t) for t in (1000, 1040, 60_000, 0, 40)])
    assert [p.dts for p in joined] == [1000, 1040, 60_000, 60_040, 60_080]
    assert notes.lines() == ["jumps back of the file's clock, joined on: 1"]


def test_packets_without_all_their_stamps_pass() -> None:
    given = [FakePacket(1, 5000), FakePacket(1, None), FakePacket(1, 0), FakePacket(1, None), FakePacket(1, 40)]
    placed, _ = rebased(given)
    assert [(p.dts, p.pts) for p in placed] == [(t, t) for t in (5000, None, 5040, None, 5080)]
    leap, notes = rebased([FakePacket(1, 0), FakePacket(1, 60_000), FakePacket(1, None)])
    assert [p.dts for p in leap] == [0, 60_000, None]
    assert notes.lines() == []


def test_packets_wait_only_where_the_clock_leaps() -> None:
    rebaser = PacketRebaser(film=0, notes=Notes())
    for stamp in range(600_000, 600_400, 40):
        packet: Any = FakePacket(1, stamp)
        assert rebaser.place(packet) == [packet]


def test_a_packet_counted_in_finer_units_keeps_its_times() -> None:
    packet: Any = FakePacket(1, 1001, duration=1502, time_base=Fraction(1, 90_000))
    packet.pts = None
    count_finer(packet)
    assert (packet.dts, packet.pts, packet.duration) == (11_122, None, 16_689)
    assert packet.time_base == Fraction(1, 1_000_000)


def test_sound_with_packets_shorter_than_a_tick_keeps_its_pace() -> None:
    stamps = [round(k * Fraction(5, 6)) for k in range(60)]  # TrueHD's 1200 packets a second, in milliseconds
    placed, notes = rebased([FakePacket(1, stamp) for stamp in stamps])
    assert [p.dts for p in placed] == stamps
    assert notes.lines() == []


def test_a_pts_far_behind_its_dts_is_given_up() -> None:
    placed, notes = rebased([FakePacket(0, 0), FakePacket(0, 40, pts=-9_000_000), FakePacket(0, 80)])
    assert [p.pts for p in placed] == [0, None, 80]
    assert notes.lines() == ["packets with damaged time stamps, replaced: 1"]


def test_a_pause_among_reordered_frames_stays(tmp_path: Path) -> None:
    pts = [*range(0, 400, 40), *range(60_000, 60_400, 40)]
    path = write_film(
        tmp_path / "pause.mp4", [quarters()] * 20, pts=pts, time_base=Fraction(1, 1000), options={"bf": "2"}
    )
    with open_reader(path) as reader:
        assert [frame.time * 1000 for frame in frames_of(reader)] == pts
        assert not any("stamp" in line for line in reader.warnings)


def test_variable_rate_stays_and_the_clock_begins_at_0(tmp_path: Path) -> None:
    pts = [9000, 9100, 9101, 9500, 12000]
    path = write_film(tmp_path / "vfr.mkv", [quarters()] * 5, pts=pts, time_base=Fraction(1, 1000), codec="ffv1")
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert [frame.pts for frame in frames] == [stamp - 9000 for stamp in pts]
        assert {frame.time_base for frame in frames} == {Fraction(1, 1000)}
        assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]


def test_raw_stream_without_stamps(tmp_path: Path) -> None:
    path = write_film(tmp_path / "raw.h264", [quarters()] * 8)
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert reader.info.rate == 25
    assert [frame.time for frame in frames] == [Fraction(k, 25) for k in range(8)]


def test_joined_transport_streams(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.ts", [quarters()] * 10, codec="mpeg2video", sound=False)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)
    with open_reader(twice) as reader:
        frames, _ = split(reader)
        assert any("jumps back" in line for line in reader.warnings)
    assert len(frames) == 20
    gaps = {later.time - earlier.time for earlier, later in pairwise(frames)}
    assert gaps == {Fraction(1, 25)}


def test_packets_of_other_streams_come_untouched(tmp_path: Path) -> None:
    path = write_film(tmp_path / "sound.mkv", [quarters()] * 6, codec="ffv1", pixel_format="bgr0", sound=True)
    with av.open(str(path)) as film:
        want = [(p.pts, bytes(p)) for p in film.demux(audio=0) if p.size]
    with open_reader(path) as reader:
        frames, packets = split(reader)
        assert [(p.packet.pts, bytes(p.packet)) for p in packets] == want
        assert {p.stream for p in packets} == {1}
        assert reader.video_stream == 0
    assert len(frames) == 6
