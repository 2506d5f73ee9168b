"""The sound of a film goes along with it, as it is or encoded anew: all of it, and in time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.remuxing import RATE, kinds, packets, reader_of, sounding_film, source_film, tone
from tests.media.writing import copy_film, noise, stream_bytes, times
from vidstyle.media.reader import open_reader
from vidstyle.media.writer import EncodeOptions


@pytest.mark.parametrize(
    ("sound", "suffix"),
    [
        *[("aac", "mkv"), ("aac", "mp4"), ("aac", "mov"), ("aac", "ts"), ("libopus", "mkv"), ("libopus", "webm")],
        *[("pcm_s16le", "mkv"), ("pcm_s16le", "mov"), ("pcm_s16le", "avi"), ("flac", "mp4"), ("ac3", "mp4")],
        *[("libmp3lame", "mp4"), ("libmp3lame", "avi"), ("mp2", "ts")],
    ],
)
def test_sound_is_copied_bit_by_bit(tmp_path: Path, sound: str, suffix: str) -> None:
    source = source_film(tmp_path / "in.mkv", sound=(sound,))
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(reader_of(source), target)
    before, after = stream_bytes(source, 1), stream_bytes(target, 1)
    if suffix == "ts" and sound == "aac":
        after = b"".join(bytes(p)[7:] for p in packets(target, 1))  # the header that MPEG-TS asks for
    assert after == before
    assert not any("audio" in line for line in warnings)


def test_sound_from_mpeg_ts_loses_only_its_headers(tmp_path: Path) -> None:
    middle = tmp_path / "in.ts"
    source = source_film(tmp_path / "in.mkv", sound=("aac",))
    copy_film(reader_of(source), middle)
    for suffix in ("mp4", "mkv"):
        copy_film(reader_of(middle), tmp_path / f"out.{suffix}")
        assert stream_bytes(tmp_path / f"out.{suffix}", 1) == stream_bytes(source, 1)
        assert all(packet.is_keyframe for packet in packets(tmp_path / f"out.{suffix}", 1))
        assert kinds(tmp_path / f"out.{suffix}") == [("video", "h264"), ("audio", "aac")]  # its head is sound


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_from_mpeg_ts_whose_channels_change_is_kept_as_far_as_it_can_be_played(
    tmp_path: Path, suffix: str
) -> None:
    layouts = ("stereo", "5.1")
    parts = [sounding_film(tmp_path / f"{layout}.ts", "aac", layout=layout, samples=1024) for layout in layouts]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    warnings = copy_film(open_reader(tmp_path / "both.ts"), tmp_path / f"out.{suffix}")
    copy_film(open_reader(parts[0]), tmp_path / f"stereo.{suffix}")
    kept = [bytes(packet) for packet in packets(tmp_path / f"stereo.{suffix}", 1)]
    assert [bytes(packet) for packet in packets(tmp_path / f"out.{suffix}", 1)] == kept
    refused = [line for line in warnings if "packets beside the film" in line]
    assert [int(line.split()[0]) for line in refused] == [len(packets(parts[1], 1))]


@pytest.mark.parametrize("suffix", ["mkv", "mov", "mp4"])
def test_sound_with_packets_shorter_than_matroskas_tick_keeps_its_pace(tmp_path: Path, suffix: str) -> None:
    source = sounding_film(tmp_path / "in.mkv", "pcm_s16le", samples=40)  # as in TrueHD
    assert len(packets(source, 1)) == 1200
    with open_reader(source) as reader:
        warnings = copy_film(reader, tmp_path / f"out.{suffix}")
        assert not any("time" in line for line in [*warnings, *reader.warnings])
    last = packets(tmp_path / f"out.{suffix}", 1)[-1]
    begins = times(tmp_path / f"out.{suffix}")[0]
    assert float(last.pts * last.time_base - begins) == pytest.approx(1.0, abs=0.025)


@pytest.mark.parametrize("seconds", [0.9, 1.0, 1.1])  # one of them ends with a fragment that has one packet of sound
def test_sound_of_unknown_duration_is_heard_to_its_end(tmp_path: Path, seconds: float) -> None:
    """AVI does not say how long FLAC's packets are; a fragment of mp4 that lasts no time is lost."""
    source = sounding_film(tmp_path / "in.avi", "flac", samples=4608, seconds=seconds)
    assert {packet.duration for packet in packets(source, 1)} == {0}
    copy_film(reader_of(source), tmp_path / "out.mp4")
    assert stream_bytes(tmp_path / "out.mp4", 1) == stream_bytes(source, 1)


@pytest.mark.parametrize(("sound", "becomes"), [("pcm_f32be", "s32"), ("pcm_f64be", "s32"), ("pcm_s8", "s16")])
def test_sound_that_is_encoded_anew_without_loss_keeps_its_precision(tmp_path: Path, sound: str, becomes: str) -> None:
    source = source_film(tmp_path / "in.mov", sound=(sound,))
    copy_film(reader_of(source), tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as film:
        context = film.streams.audio[0].codec_context
        assert (context.name, context.format.name) == ("flac", becomes)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts"])
@pytest.mark.parametrize("late", [Fraction(0), Fraction(3, 10)])
def test_the_distance_of_sound_and_picture_is_kept(tmp_path: Path, suffix: str, late: Fraction) -> None:
    source = source_film(tmp_path / "in.mkv", sound=("libopus",) if suffix == "mkv" else ("ac3",), sound_starts=late)
    target = tmp_path / f"out.{suffix}"
    copy_film(reader_of(source), target)

    def distance(path: Path) -> Fraction:
        first = packets(path, 1)[0]
        return first.pts * first.time_base - times(path)[0]

    assert abs(distance(target) - distance(source)) <= Fraction(1, 1000)


@pytest.mark.parametrize(
    ("sound", "suffix", "becomes"),
    [
        *[("pcm_s16le", "mp4", "aac"), ("libopus", "mov", "aac"), ("aac", "webm", "opus"), ("flac", "ts", "aac")],
        *[("aac", "avi", "mp3"), ("ac3", "avi", "mp3")],
    ],
)
def test_sound_that_the_target_cannot_hold_is_encoded_anew_at_its_place(
    tmp_path: Path, sound: str, suffix: str, becomes: str
) -> None:
    source = source_film(tmp_path / "in.mkv", sound=(sound,), sound_starts=Fraction(1, 4))
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(reader_of(source), target)
    assert ("audio", becomes) in kinds(target)
    assert any("encoded anew" in line for line in warnings)
    start = times(target)[0]
    with av.open(str(target)) as film:
        heard = [frame for frame in film.decode(audio=0) if frame.pts is not None]
    levels = np.concatenate([np.abs(f.to_ndarray().astype(float)).reshape(-1, f.samples).max(0) for f in heard])
    loud = np.flatnonzero(levels > levels.max() / 2)
    begins = heard[0].pts * heard[0].time_base + Fraction(int(loud[0]), heard[0].sample_rate)
    assert abs(float(begins - start) - 0.25) < 0.03  # MP3 begins with 23 ms of silence, which AVI has no word for
    assert (loud[-1] - loud[0]) / heard[0].sample_rate == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("language", "kept"), [("deu", "ger"), ("swe", "sve"), ("fra", "fra"), ("ger", "ger")])
def test_quicktime_knows_languages_by_names_of_its_own(tmp_path: Path, language: str, kept: str) -> None:
    reader = reader_of(source_film(tmp_path / "in.mkv", sound=("aac",)))
    assert reader.container is not None
    for stream in reader.container.streams:
        stream.metadata["language"] = language
    copy_film(reader, tmp_path / "out.mov")
    with av.open(str(tmp_path / "out.mov")) as film:
        for stream in (*film.streams.video, *film.streams.audio):
            assert stream.metadata["language"] == kept


@pytest.mark.parametrize(
    ("sound", "suffix", "encoder"),
    [("flac", "avi", "libmp3lame"), ("flac", "mpg", "mp2"), ("libopus", "wmv", "wmav2")],
)
def test_surround_sound_becomes_stereo_where_the_encoder_holds_no_more(
    tmp_path: Path, sound: str, suffix: str, encoder: str
) -> None:
    source = sounding_film(tmp_path / "in.mkv", sound, layout="5.1", samples=960)
    warnings = copy_film(reader_of(source), tmp_path / f"out.{suffix}")
    assert any(f"is encoded anew ({encoder}, in stereo)" in line for line in warnings)
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        assert film.streams.audio[0].channels == 2


def damaged(source: Path, damage: dict[int, Callable[[bytes], bytes]]) -> Path:
    """A copy of a film and its sound; `damage` is what becomes of the sound's packets of these numbers."""
    target = source.with_name("damaged.mkv")
    with av.open(str(source)) as film, av.open(str(target), "w") as copy:
        streams = [copy.add_stream_from_template(stream) for stream in film.streams]
        heard = itertools.count()
        for packet in film.demux():
            if packet.dts is None:  # the end
                continue
            change = damage.get(next(heard)) if packet.stream.index == 1 else None
            changed = av.Packet(change(bytes(packet))) if change else packet
            changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
            changed.duration, changed.stream = packet.duration, streams[packet.stream.index]
            copy.mux(changed)
    return target


def headless(data: bytes) -> bytes:
    """With nothing where the synchronisation word and the rest of the head were."""
    return bytes(8) + data[8:]


def enhanced(data: bytes) -> bytes:
    """With the bit stream identification of E-AC-3 (12 for AC-3's 8), as which the rest makes little sense."""
    return data[:5] + bytes([data[5] ^ 0x20]) + data[6:]


def of_the_future(data: bytes) -> bytes:
    """With the last bit stream identification, which nothing has."""
    return data[:5] + bytes([data[5] | 0xF8]) + data[6:]


def of_one_block(data: bytes) -> bytes:
    """With E-AC-3's code for a single block of sound, where encoders put six."""
    return data[:4] + bytes([data[4] & ~0x30]) + data[5:]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(
    ("sound", "damage"),
    [
        *[("ac3", headless), ("ac3", enhanced), ("ac3", of_the_future)],
        *[("eac3", headless), ("eac3", of_the_future), ("eac3", of_one_block)],
    ],
)
def test_a_damaged_head_costs_its_packet_at_most(
    tmp_path: Path, sound: str, damage: Callable[[bytes], bytes], suffix: str
) -> None:
    source = damaged(source_film(tmp_path / "in.mkv", sound=(sound,)), {20: damage})
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(reader_of(source), target)
    expected = [bytes(packet) for packet in packets(source, 1)]
    if suffix != "mkv":  # Matroska does not look into its packets
        del expected[20]
    assert [bytes(packet) for packet in packets(target, 1)] == expected
    left_out = "1 packets beside the film were damaged or coded otherwise than before, and are left out"
    assert (left_out in warnings) == (suffix != "mkv")
    assert len(times(target)) == 25


@pytest.mark.parametrize(("sound", "suffix"), [("aac", "webm"), ("aac", "avi"), ("alac", "webm"), ("alac", "avi")])
def test_whatever_a_decoder_says_of_a_damaged_packet_the_next_one_is_read(
    tmp_path: Path, sound: str, suffix: str
) -> None:
    random = np.random.default_rng(1)
    whole = source_film(tmp_path / "in.mkv", sound=(sound,))
    source = damaged(
        whole, {number: lambda data: random.bytes(len(data)) for number in range(2, len(packets(whole, 1)), 5)}
    )
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(reader_of(source), target)
    assert any("damaged or coded otherwise than before, and are left out" in line for line in warnings)
    with av.open(str(target)) as film:
        heard = list(film.decode(audio=0))
    assert sum(frame.samples for frame in heard) / heard[0].sample_rate == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm", "avi"])
def test_what_a_decoder_held_to_the_end_goes_behind_the_rest(tmp_path: Path, suffix: str) -> None:
    """WMA's last frame comes without a time."""
    source = sounding_film(tmp_path / "in.wmv", "wmav2", samples=2048)
    with av.open(str(source)) as film:
        heard = list(film.decode(audio=0))
    assert heard[-1].pts is None
    warnings = copy_film(reader_of(source), tmp_path / f"out.{suffix}")
    assert not any("beside the film" in line for line in warnings)
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        assert film.duration / av.time_base == pytest.approx((heard[-2].time or 0) + 2 * 2048 / RATE, abs=0.1)


@pytest.mark.parametrize("suffix", ["webm", "avi"])
def test_sound_whose_channels_and_rate_change_is_encoded_anew_to_its_end(tmp_path: Path, suffix: str) -> None:
    """As broadcasts go from stereo to 5.1 and back: a packet says itself what it holds."""
    with av.open(str(tmp_path / "in.mkv"), "w") as film:
        video = film.add_stream("libx264", rate=25, width=64, height=48)
        sound = film.add_stream("eac3", rate=RATE, layout="mono")
        for index, image in enumerate(noise(25)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        for part, (layout, rate) in enumerate([("mono", RATE), ("5.1", RATE), ("stereo", 32_000)]):
            other = av.CodecContext.create("eac3", "w")
            other.layout, other.sample_rate, other.format = layout, rate, "fltp"
            other.time_base = Fraction(1, rate)
            convert = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=1536)
            pieces = [piece for frame in tone("eac3")[1] for piece in convert.resample(frame)]
            for packet in [packet for piece in pieces for packet in other.encode(piece)]:
                packet.stream = sound
                packet.pts = packet.dts = packet.pts + part * rate
                film.mux(packet)
    copy_film(reader_of(tmp_path / "in.mkv"), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        heard = list(film.decode(audio=0))
    assert sum(frame.samples for frame in heard) / heard[0].sample_rate == pytest.approx(3.0, abs=0.15)
    loud = [np.abs(frame.to_ndarray().astype(np.float64)).max() > 0 for frame in heard]
    assert np.mean(loud) > 0.9


def test_the_silence_that_mp3_begins_with_does_not_move_the_film_in_avi(tmp_path: Path) -> None:
    copy_film(reader_of(source_film(tmp_path / "in.mkv", sound=("aac",))), tmp_path / "out.avi")
    with av.open(str(tmp_path / "out.avi")) as film:
        assert [packet.dts for packet in film.demux(video=0) if packet.size] == list(range(25))


@pytest.mark.parametrize("sound", ["libmp3lame", "ac3", "mp2"])
def test_sound_that_comes_unevenly_goes_into_avi_packet_by_packet(tmp_path: Path, sound: str) -> None:
    whole, uneven = source_film(tmp_path / "in.mkv", sound=(sound,)), tmp_path / "uneven.mkv"
    with av.open(str(whole)) as film, av.open(str(uneven), "w") as copy:
        streams = [copy.add_stream_from_template(stream) for stream in film.streams]
        heard, last = itertools.count(1), 0
        for packet in film.demux():
            if packet.dts is None:  # the end
                continue
            if packet.stream.index == 1:
                packet.pts = packet.dts = packet.dts if next(heard) % 5 else last + 1
                last = packet.dts
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
    warnings = copy_film(reader_of(uneven), tmp_path / "out.avi")
    assert stream_bytes(tmp_path / "out.avi", 1) == stream_bytes(whole, 1)
    assert not any("beside the film" in line for line in warnings)


def declared_sound(path: Path, codec: str, *, seconds: int = 1, comes: bool = False) -> Path:
    """MPEG-TS, a frame a second, that declares sound; it comes after so many seconds, or never."""
    with av.open(str(path), "w", format="mpegts") as film:
        video = film.add_stream("libx264", rate=1, width=64, height=48)
        sound = film.add_stream(codec, rate=RATE, layout="mono")
        for index in range(seconds):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        if comes:
            for piece in tone(codec)[1]:
                piece.pts += seconds * RATE
                film.mux(sound.encode(piece))
            film.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts", "avi"])
@pytest.mark.parametrize("sound", ["aac", "mp2", "ac3"])
def test_sound_that_never_comes_does_not_keep_the_film_from_being_written(
    tmp_path: Path, sound: str, suffix: str
) -> None:
    warnings = copy_film(reader_of(declared_sound(tmp_path / "in.ts", sound)), tmp_path / f"out.{suffix}")
    assert len(times(tmp_path / f"out.{suffix}")) == 25
    anew = (sound, suffix) == ("aac", "avi")
    assert any("encoded anew" in line for line in warnings) == anew
    assert any("left out: no sound was found in it" in line for line in warnings) == (not anew)


@pytest.mark.parametrize("sound", ["aac", "mp2"])
def test_sound_that_comes_late_is_encoded_anew_at_its_place(tmp_path: Path, sound: str) -> None:
    source = declared_sound(tmp_path / "in.ts", sound, seconds=12, comes=True)
    with av.open(str(source)) as film:
        assert film.streams.audio[0].codec_context.sample_rate == 0  # FFmpeg has not looked as far as that
    copy_film(reader_of(source), tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as film:
        heard = list(film.decode(audio=0))
    first = packets(source, 1)[0]
    assert heard[0].time == pytest.approx(float(first.pts * first.time_base), abs=0.1)
    assert sum(frame.samples for frame in heard) / heard[0].sample_rate == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_comes_late_in_a_file_is_found_and_copied(tmp_path: Path, suffix: str) -> None:
    source = declared_sound(tmp_path / "in.ts", "aac", seconds=12, comes=True)
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(open_reader(source), target)
    assert not any("audio" in line for line in warnings)
    assert b"".join(bytes(packet)[7:] for packet in packets(source, 1)) == stream_bytes(target, 1)
    begins = packets(target, 1)[0].pts * packets(target, 1)[0].time_base - times(target)[0]
    assert float(begins) == pytest.approx(12, abs=0.05)


def test_no_sound_where_none_is_wanted(tmp_path: Path) -> None:
    source = source_film(tmp_path / "in.mkv", sound=("aac",), subtitles=("srt",))
    copy_film(reader_of(source), tmp_path / "out.mkv", options=EncodeOptions(audio="none"))
    assert [kind for kind, _ in kinds(tmp_path / "out.mkv")] == ["video", "subtitle"]
