"""Films with sound, subtitles and all else beside them, and what is in a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from tests.media.writing import GivenReader, given, noise

RATE = 48_000


def tone(codec: str, seconds: float = 1.0) -> tuple[av.audio.codeccontext.AudioCodecContext, list[av.AudioFrame]]:
    """A new encoder, and a tone of 440 Hz in frames of 20 ms."""
    context = av.CodecContext.create(codec, "w")
    frames = []
    for start in range(0, int(RATE * seconds), 960):
        wave = np.sin(2 * np.pi * 440 * np.arange(start, start + 960) / RATE)
        samples = np.round(wave * 9000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        frames.append(frame)
    return context, frames


def source_film(
    path: Path,
    *,
    sound: tuple[str, ...] = (),
    subtitles: tuple[str, ...] = (),
    font: bool = False,
    shown: int | None = None,
    cover: bytes | None = None,
    sound_starts: Fraction = Fraction(0),
) -> Path:
    """A film of one second with what is asked for beside it; `shown` is the subtitle that is on by default."""
    with av.open(str(path), "w", container_options={"default_mode": "passthrough"}) as film:
        video = film.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        voices = [film.add_stream(codec, rate=RATE) for codec in sound]
        for voice in voices:
            voice.layout = "mono"
        texts = []
        for codec in subtitles:
            text = film.add_stream(codec)
            text.time_base = Fraction(1, 1000)
            header = av.CodecContext.create("srt", "r")
            header.open(strict=False)
            text.codec_context.subtitle_header = header.subtitle_header
            text.disposition = Disposition.default if shown == len(texts) else Disposition(0)
            texts.append(text)
        if voices:
            voices[0].metadata["language"] = "jpn"
            voices[0].disposition = Disposition.default | Disposition.comment
        if font:
            film.add_attachment("font.ttf", "application/x-truetype-font", b"not really a font")
        if cover is not None:
            film.add_attachment("cover.jpg", "image/jpeg", cover)
        film.metadata["title"] = "Hazard"
        marks = [(0, 500, "One"), (500, 1000, "Two")]
        film.set_chapters(
            [
                {"id": i + 1, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": name}}
                for i, (a, b, name) in enumerate(marks)
            ]
        )
        for index, image in enumerate(noise(25)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            film.mux(video.encode(frame))
        for voice, codec in zip(voices, sound, strict=True):
            for frame in tone(codec)[1]:
                frame.pts += int(sound_starts * RATE)
                film.mux(voice.encode(frame))
            film.mux(voice.encode(None))
        for text in texts:
            for begin, words in ((200, b"hello"), (600, b"world")):
                line = av.subtitles.subtitle.SubtitleSet.create(b"0,0,Default,,0,0,0,," + words, 0, 300)
                packet = text.codec_context.encode_subtitle(line)
                packet.pts = packet.dts = begin
                packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), text
                film.mux(packet)
        film.mux(video.encode(None))
    return path


def sounding_film(path: Path, codec: str, *, layout: str = "mono", samples: int, seconds: float = 1.0) -> Path:
    """A film of one second in any container, with nothing beside it but sound in packets of so many samples."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("mpeg4", rate=25, width=64, height=48)
        sound = film.add_stream(codec, rate=RATE, layout=layout, bit_rate=64_000)
        for index, image in enumerate(noise(25)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        cut = av.AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=samples)
        pieces = [piece for heard in tone(codec, seconds)[1] for piece in cut.resample(heard)]
        for packet in [packet for piece in [*pieces, None] for packet in sound.encode(piece)]:
            if packet.size:  # FLAC's last one is empty
                film.mux(packet)
    return path


def reader_of(path: Path) -> GivenReader:
    """The film's own 25 frames as they were drawn, with the file's other streams."""
    reader = given(noise(25))
    container = av.open(str(path))
    return GivenReader(reader.frames, reader.info, container, container.streams.video[0].index)


def kinds(path: Path) -> list[tuple[str, str]]:
    """Type and codec of every stream but chapter tracks."""
    with av.open(str(path)) as film:
        return [
            (s.type, "" if s.codec_context is None else s.codec_context.codec.canonical_name)
            for s in film.streams
            if s.type != "data"
        ]


def packets(path: Path, index: int) -> list[av.Packet]:
    """Those of one stream, without the empty one at the end."""
    with av.open(str(path)) as film:
        return [packet for packet in film.demux(film.streams[index]) if packet.size]
