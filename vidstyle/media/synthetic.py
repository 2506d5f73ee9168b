"""A scene that vidstyle draws itself: for the demonstration film, for previews and where no camera is.

A painted valley: drifting clouds, a sinking sun, mountains, textured hills, a lake, a house with smoke,
a turning windmill, a balloon and somebody walking by. Everything is a function of time, so any
frame can be drawn alone and a film of it has exact, smooth motion. Nothing is taken from anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from vidstyle.errors import UsageError
from vidstyle.frames import ImageArray
from vidstyle.media.drawing import Canvas, Colour, Plane
from vidstyle.media.part_file import check_target, writing

SOUND_RATE = 48000
"""Samples a second of the demonstration film's sound."""

SMPTE_170M = 6
"""BT.601 in H.273: what swscale makes of RGB unless told otherwise, so what the film is tagged with."""

HORIZON = 0.56
"""Where sky meets land, as a fraction of the picture's height from the top."""

LOOP_SECONDS = 40.0
"""Walker and balloon cross the picture within this time and then come again."""


def scene(width: int, height: int, *, seconds: float = 6.0) -> ImageArray:
    """The scene at a moment, (height, width, 3) uint8 RGB."""
    canvas = Canvas(width, height)
    _sky(canvas, seconds)
    _land(canvas, seconds)
    _windmill(canvas, 0.24, 0.5, seconds)
    _house(canvas, 0.62, 0.66, seconds)
    for x, size in ((0.08, 1.1), (0.42, 0.8), (0.5, 0.6), (1.0, 1.25)):
        _tree(canvas, x * canvas.aspect / 1.78, 0.74 + 0.03 * size, size, seconds)
    _balloon(canvas, seconds)
    _walker(canvas, seconds)
    return canvas.picture()


def write_film(path: Path, *, width: int = 640, height: int = 360, seconds: int = 8, rate: int = 25) -> None:
    """Write the scene as a film with sound (H.264 and AAC in whatever container `path` names)."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = Fraction(1, rate)
        colours = video.codec_context
        colours.colorspace = colours.color_primaries = colours.color_trc = SMPTE_170M
        colours.color_range = ColorRange.MPEG
        audio = film.add_stream("aac", rate=SOUND_RATE)
        sound = av.AudioFrame.from_ndarray(melody(seconds)[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        film.mux(audio.encode(sound))
        film.mux(audio.encode(None))
        for index in range(seconds * rate):
            frame = av.VideoFrame.from_ndarray(scene(width, height, seconds=index / rate), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))


def melody(seconds: int) -> npt.NDArray[np.float32]:
    """Plucked notes of a pentatonic scale over a breath of wind, (seconds * SOUND_RATE,) float32, -1..1."""
    count = seconds * SOUND_RATE
    time = np.arange(count, dtype=np.float32) / SOUND_RATE
    random = np.random.default_rng(7)
    sound = np.zeros(count, np.float32)
    for start, step in zip(np.arange(0, seconds, 0.5), random.choice([0, 2, 4, 7, 9, 12], 2 * seconds), strict=True):
        note = time - np.float32(start)
        pitch = 262.0 * 2 ** (int(step) / 12)
        sound += np.where(note >= 0, np.sin(2 * np.pi * pitch * note) * np.exp(-4 * np.maximum(note, 0)), 0) * 0.25
    wind = np.convolve(random.standard_normal(count), np.ones(64) / 64, "same") * (0.3 + 0.2 * np.sin(time))
    return np.clip(sound + 0.3 * wind, -1, 1).astype(np.float32)


def _sky(c: Canvas, t: float) -> None:
    sky = c.window(0, 0, c.aspect, HORIZON)
    depth = np.clip(c.y[sky] / HORIZON, 0, 1)[..., None]
    part = c.pixels[sky]
    part[:] = np.array([70, 120, 200], np.float32) * (1 - depth) + np.array([250, 205, 150], np.float32) * depth
    sun_x, sun_y = 0.76 * c.aspect, 0.22 + 0.004 * t
    glow = np.exp(-np.hypot(c.x[sky] - sun_x, c.y[sky] - sun_y) * 5)[..., None]
    part += glow * np.array([110, 80, 10], np.float32)
    c.disc(sun_x, sun_y, 0.055, (255, 244, 200))
    noise = c.grain(0.35, shift=0.012 * t, window=sky) + 0.6 * c.grain(0.9, shift=0.02 * t, window=sky)
    clouds = np.clip(noise - 0.25, 0, 1) * (1 - depth[..., 0])
    part += np.minimum(clouds * 1.6, 0.9)[..., None] * (np.array([250, 246, 240], np.float32) - part)


def _land(c: Canvas, t: float) -> None:
    land, cover, lake = _still_land(c.width, c.height)
    ground = c.window(0, 0.3, c.aspect, 1)
    c.pixels[ground] += (land[ground] - c.pixels[ground]) * cover[ground][..., None]
    shore = c.window(0, 0.64, c.aspect, 0.8)
    x, y = c.x[shore], c.y[shore]
    ripple = np.sin(220 * y + 9 * np.sin(7 * x + 1.7 * t)) + np.sin(150 * y - 2.4 * t + 11 * x)
    water = _shade((92, 150, 186), 16 * ripple + 12 * c.grain(1.3, window=shore))
    c.pixels[shore] += (water - c.pixels[shore]) * lake[shore][..., None]


@lru_cache(maxsize=4)
def _still_land(width: int, height: int) -> tuple[Plane, Plane, Plane]:
    """What of the land does not move: its colours (H, W, 3), where it is and where the lake is, both 0..1."""
    c = Canvas(width, height)
    x, grain = c.x, c.grain(1.3)
    peaks = 0.44 + 0.05 * np.sin(3.1 * x + 1) + 0.03 * np.sin(7.3 * x) + 0.02 * c.grain(0.8)[:1]
    hills = 0.555 + 0.04 * np.sin(2.3 * x + 4) + 0.012 * np.sin(9 * x)
    meadow = 0.76 + 0.03 * np.sin(1.7 * x + 0.5) - 0.02 * np.sin(5 * x)
    lake = np.abs(c.y - 0.715 - 0.012 * np.sin(4 * x)) - np.clip(0.055 * (x - 0.75), -0.01, 0.05)
    path = np.abs(x - 0.55 * c.aspect - 0.25 * np.sin(6 * c.y)) - 0.25 * np.clip(c.y - 0.76, 0, 1)
    furrows = np.sin(90 * (x - 0.9) / (0.35 + c.y) + 2 * grain)
    c.pixels[:] = _shade((112, 128, 168), 26 * grain + 60 * (c.y - 0.45))
    c.fill(hills - c.y, _shade((96, 148, 82), 34 * grain + 10 * np.sin(60 * (c.y + 0.25 * x))))
    c.fill(meadow - c.y, _shade((142, 158, 62), 30 * c.grain(2.1) + 12 * furrows))
    c.fill(np.maximum(path, meadow - c.y), _shade((196, 164, 112), 24 * grain))
    return c.pixels, c.cover(np.minimum(peaks, hills) - c.y), c.cover(np.maximum(lake, c.y - meadow))


def _shade(colour: Colour, change: Plane) -> Plane:
    """A colour made lighter and darker by `change` levels, (H, W, 3)."""
    return np.asarray(np.asarray(colour, np.float32) + change[..., None], np.float32)


def _house(c: Canvas, x: float, y: float, t: float) -> None:
    x *= c.aspect
    for puff in range(6):
        age = (0.35 * t + puff / 6) % 1
        grey = int(205 + 40 * age)
        c.disc(
            x + 0.07 + 0.1 * age + 0.01 * np.sin(9 * age + puff), y - 0.19 - 0.2 * age, 0.008 + 0.022 * age, (grey,) * 3
        )
    c.polygon([(x + 0.055, y - 0.2), (x + 0.085, y - 0.2), (x + 0.085, y - 0.1), (x + 0.055, y - 0.1)], (140, 80, 66))
    c.polygon([(x - 0.12, y - 0.08), (x + 0.12, y - 0.08), (x + 0.12, y + 0.08), (x - 0.12, y + 0.08)], (236, 222, 196))
    c.polygon([(x - 0.15, y - 0.07), (x, y - 0.18), (x + 0.15, y - 0.07)], (178, 66, 48))
    for left in (-0.09, 0.05):
        c.polygon(
            [
                (x + left - 0.004, y - 0.044),
                (x + left + 0.044, y - 0.044),
                (x + left + 0.044, y + 0.004),
                (x + left - 0.004, y + 0.004),
            ],
            (120, 84, 52),
        )
        c.polygon(
            [(x + left, y - 0.04), (x + left + 0.04, y - 0.04), (x + left + 0.04, y), (x + left, y)], (250, 214, 110)
        )
    c.polygon([(x - 0.025, y), (x + 0.025, y), (x + 0.025, y + 0.08), (x - 0.025, y + 0.08)], (92, 62, 44))


def _windmill(c: Canvas, x: float, y: float, t: float) -> None:
    x *= c.aspect
    c.polygon([(x - 0.02, y - 0.1), (x + 0.02, y - 0.1), (x + 0.04, y + 0.12), (x - 0.04, y + 0.12)], (226, 214, 200))
    c.polygon([(x - 0.026, y - 0.1), (x, y - 0.135), (x + 0.026, y - 0.1)], (110, 74, 60))
    for sail in range(4):
        angle = 0.9 * t + sail * np.pi / 2
        c.stroke(x, y - 0.1, x + 0.13 * np.cos(angle), y - 0.1 + 0.13 * np.sin(angle), 0.014, (250, 248, 240))
    c.disc(x, y - 0.1, 0.01, (80, 60, 50))


def _tree(c: Canvas, x: float, y: float, size: float, t: float) -> None:
    c.stroke(x, y, x, y - 0.1 * size, 0.022 * size, (98, 70, 46))
    random = np.random.default_rng(int(1000 * x))
    for _ in range(16):
        dx, dy = random.normal(0, 0.035, 2) * size
        sway = 0.006 * np.sin(1.5 * t + 20 * dx) * (1 - 8 * dy)
        green = int(random.integers(-26, 34))
        centre = x + dx + sway, y - 0.15 * size + dy
        c.disc(*centre, float(0.034 * size * random.uniform(0.7, 1.2)), (58 + green, 106 + green, 50 + green // 2))


def _balloon(c: Canvas, t: float) -> None:
    x = (0.3 + t / LOOP_SECONDS) % 1.2 * c.aspect - 0.1
    y = 0.2 + 0.02 * np.sin(0.8 * t)
    c.stroke(x - 0.03, y + 0.05, x - 0.012, y + 0.12, 0.003, (90, 60, 40))
    c.stroke(x + 0.03, y + 0.05, x + 0.012, y + 0.12, 0.003, (90, 60, 40))
    for stripe, colour in ((1.0, (206, 48, 44)), (0.66, (244, 190, 60)), (0.3, (206, 48, 44))):
        at = c.window(x - 0.08, y - 0.09, x + 0.08, y + 0.09)
        c.fill((np.hypot((c.x[at] - x) / stripe, (c.y[at] - y) * 0.9) - 0.075) * stripe, colour, at)
    c.polygon(
        [(x - 0.016, y + 0.115), (x + 0.016, y + 0.115), (x + 0.012, y + 0.14), (x - 0.012, y + 0.14)], (120, 82, 48)
    )


def _walker(c: Canvas, t: float) -> None:
    x = (0.12 + 1.6 * t / LOOP_SECONDS) % 1.25 * c.aspect - 0.1
    step = 4.2 * t
    y = 0.92 - 0.006 * abs(np.sin(step))
    hip, neck = y - 0.13, y - 0.25
    for phase, shade in ((np.pi, 0.75), (0.0, 1.0)):  # the far arm and leg first, darker
        swing = np.sin(step + phase)
        trousers, sleeve = _times((52, 60, 110), shade), _times((196, 62, 92), shade)
        knee = x + 0.035 * swing, hip + 0.07
        c.stroke(x, hip, *knee, 0.034, trousers)
        c.stroke(
            *knee, knee[0] - 0.02 + 0.03 * swing, y + 0.015 * min(0.0, float(np.cos(step + phase))), 0.028, trousers
        )
        c.stroke(x, neck + 0.03, x - 0.045 * swing, hip - 0.005, 0.024, sleeve)
    c.stroke(x, neck + 0.035, x, hip - 0.01, 0.07, (214, 70, 98))
    c.disc(x + 0.004, neck - 0.035, 0.037, (234, 190, 158))
    c.stroke(x - 0.026, neck - 0.058, x + 0.024, neck - 0.066, 0.024, (84, 52, 34))
    c.disc(x + 0.022, neck - 0.036, 0.0045, (40, 30, 30))
    c.stroke(x - 0.012, neck + 0.004, x - 0.07 - 0.01 * np.sin(1.3 * step), neck + 0.02, 0.016, (250, 206, 70))


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(value * factor) for value in colour)
    return red, green, blue


def main(words: Sequence[str]) -> None:
    """OUT. Raises UsageError, OutputError."""
    if len(words) != 1:
        raise UsageError("name the film to write: python -m vidstyle.media.synthetic OUT.mp4")
    path = Path(words[0])
    check_target(None, path, overwrite=True)
    with writing(path):
        try:
            write_film(path)
        except ValueError as error:  # PyAV's, for a container that cannot hold it
            message = f"{path}: the scene is H.264 and AAC, which this format does not hold; try .mp4"
            raise UsageError(message) from error


if __name__ == "__main__":
    from vidstyle.cli import console

    console.run_tool(main)
