"""What a run is asked to do, and the words of the command line for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, Literal, get_args

from vidstyle.errors import UsageError

Mode = Literal["fast", "gatys"]
Decode = Literal["cpu", "nvdec"]
Audio = Literal["copy", "none"]
PrecisionChoice = Literal["auto", "fp32", "fp16", "bf16", "int8"]

LARGEST_OUTPUT = 16384
"""Longest side, in pixels, that a film may be scaled to: the limit of the encoders."""


def check_strength(strength: float) -> float:
    """Return `strength` if it lies in 0..1, else raise UsageError."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength is {strength}; it runs from 0 to 1")
    return strength


@dataclass(frozen=True, kw_only=True)
class Size:
    """A wanted picture size: both sides, or only the short one (`width` is None), in pixels."""

    short: int = 0
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        sides = (self.width, self.height) if self.short == 0 else (self.short,)
        alone = self.short == 0 or self.width is self.height is None
        if not alone or not all(isinstance(side, Integral) and 2 <= side <= LARGEST_OUTPUT for side in sides):
            raise UsageError(f"{self}: give width and height, or short alone, 2 to {LARGEST_OUTPUT} each")

    def apply(self, width: int, height: int) -> tuple[int, int]:
        """The wanted (width, height) for a picture of this one; sides made even, as encoders need them."""
        if self.width and self.height:
            return self.width, self.height
        scale = Fraction(self.short, min(width, height))
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


_CHOICES: dict[str, Any] = {"mode": Mode, "decode": Decode, "audio": Audio, "precision": PrecisionChoice}
"""Options of `RenderOptions` that are one of a few words: the command line checks them by itself."""


def check_choice(name: str, value: object) -> None:
    """Raise UsageError if the option `name` of `RenderOptions`, one of a few words, cannot be `value`."""
    choices = get_args(_CHOICES[name])
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; it is {' or '.join(map(repr, choices))}")


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Everything that can be asked of `render`; the defaults are those of the command line.

    `start` and `end` are seconds from the beginning of the film, `rate` the frames a second of numbered pictures;
    `crf` is the encoder's own quality number; `styles` are names (in Gatys mode also pictures' paths) with weights,
    `gatys` `KEY=VALUE` words.
    `decode` says who decodes: the processor, or NVDEC with the frames left in the GPU's memory. `batch` None goes by
    the number of processors; `tile` paints in tiles, for pictures larger than the memory.
    """

    styles: tuple[tuple[str, float], ...] = (("mosaic", 1.0),)
    strength: float = 1.0
    network: str = "live"
    mode: Mode = "fast"
    gatys: tuple[str, ...] = ()
    keep_colors: bool = False
    stroke: float = 1.0
    stabilize: bool = False
    size: Size | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    rate: Fraction | None = None
    codec: str | None = None
    crf: float | None = None
    decode: Decode = "cpu"
    bit_depth: int = 8
    audio: Audio = "copy"
    backend: str = "auto"
    device: str = "auto"
    precision: PrecisionChoice = "auto"
    batch: int | None = None
    tile: bool = False
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        for name in _CHOICES:
            check_choice(name, getattr(self, name))
        self._check_kinds()
        check_strength(self.strength)
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise UsageError(f"the end ({float(self.end):g} s) is not after the start ({float(self.start):g} s)")
        if self.rate is not None and self.rate <= 0:
            raise UsageError(f"rate is {self.rate}; it is more than 0 frames a second")
        if self.gatys and self.mode != "gatys":
            raise UsageError("--gatys sets options of Gatys mode: add --mode gatys, or leave it out")
        if self.resume and self.mode != "gatys":
            raise UsageError("--resume continues a Gatys rendering: add --mode gatys, or leave it out")
        on_host = {
            "--mode gatys": self.mode == "gatys",
            "--stabilize": self.stabilize,
            "--size": self.size is not None,
            "--fps": self.rate is not None,
            "--tile": self.tile,
        }
        asked = [flag for flag, is_asked in on_host.items() if is_asked]
        if self.decode == "nvdec" and asked:
            raise UsageError(f"{asked[0]} works on frames in host memory: leave out --decode nvdec")
        if self.tile:
            self._check_tiles()
        if self.mode == "gatys" and self.batch is not None:
            raise UsageError("--batch is for the network; Gatys mode paints frame after frame")
        if self.bit_depth not in (8, 10):
            raise UsageError(f"bit depth is {self.bit_depth}; it is 8 or 10")
        if self.batch is not None and self.batch < 1:
            raise UsageError(f"batch is {self.batch}; it must be 1 or more")

    def _check_kinds(self) -> None:
        """Raise UsageError for words of the command line where Python has values."""
        for pair in self.styles:
            match pair:
                case (str(), Real()):
                    continue
            raise UsageError(f'styles is {self.styles!r}; give pairs of name and weight, such as (("mosaic", 1.0),)')
        if self.size is not None and not isinstance(self.size, Size):
            raise UsageError(f"size is {self.size!r}; give a Size, such as Size(short=720)")
        for name in ("start", "end", "rate"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Rational):  # a float 0.1 lies behind the frame at 1/10 s
                raise UsageError(f"{name} is {value!r}; give an exact number, such as Fraction(3, 2)")

    def _check_tiles(self) -> None:
        """There is one way to paint in tiles. Raises UsageError where another one is asked for."""
        if self.mode == "gatys":
            raise UsageError("--tile is for the network; Gatys mode has --gatys tile=512")
        asked = {"--backend": self.backend, "--device": self.device.lower(), "--precision": self.precision}
        for flag, own in {"--backend": "openvino", "--device": "cpu", "--precision": "fp32"}.items():
            if asked[flag] not in ("auto", own):
                raise UsageError(f"OpenVINO paints tiles, on the processor and in fp32: leave out {flag} {asked[flag]}")


def parse_size(text: str) -> Size:
    """`WxH`, or one number for the short side. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,6})(?:[xX]([0-9]{1,6}))?", text.strip())
    sides = [int(side) for side in match.groups() if side] if match else []
    if not sides or not all(2 <= side <= LARGEST_OUTPUT for side in sides):
        raise UsageError(f"size {text!r}: give WxH (1280x720) or the short side (720), 2 to {LARGEST_OUTPUT} each")
    return Size(short=sides[0]) if len(sides) == 1 else Size(width=sides[0], height=sides[1])


def parse_time(text: str) -> Fraction:
    """Seconds, `M:S` or `H:M:S`, with decimals in the seconds, exactly. Raises UsageError."""
    if not re.fullmatch(r"([0-9]{1,6}:){0,2}[0-9]{1,9}(\.[0-9]{1,9})?", text.strip()):
        raise UsageError(f"time {text!r}: give seconds (12.5) or H:M:S (1:02:03.5)")
    seconds = Fraction(0)
    for part in text.strip().split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds


def parse_rate(text: str) -> Fraction:
    """Frames a second, such as 24, 12.5, 24000/1001; 23.976 and 29.97 mean that, n * 1000/1001. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?:/([0-9]{1,6}))?", text.strip())
    rate = Fraction(match[1]) / Fraction(match[2] or 1) if match and match[2] != "0" else Fraction(0)
    if not Fraction(1, 100) <= rate <= 1000:
        raise UsageError(f"fps {text!r}: give frames a second (24, 23.976 or 24000/1001), up to 1000")
    broadcast = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return broadcast if rate.denominator > 1 and abs(rate - broadcast) < Fraction(1, 200) else rate
