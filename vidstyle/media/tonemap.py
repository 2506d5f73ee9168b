"""From wide and high dynamic range colour to BT.709: one look-up cube for each kind of source.

The cube maps R'G'B' code values of the source to R'G'B' of BT.709 as a BT.1886 display shows them. It is computed
here with numpy and applied to every frame by FFmpeg's `lut3d` filter (tetrahedral interpolation, in C).

- PQ and HLG: Rec. ITU-R BT.2100-2, tables 4 and 5; HLG with the OOTF of a 1,000 cd/m2 display (gamma 1.2).
- Diffuse white lies at 203 cd/m2: Report ITU-R BT.2408, 2.1. It becomes the white of the BT.709 picture.
- What is brighter is rolled off by the EETF of Report ITU-R BT.2390-9, 5.4.1, applied to the largest of R, G and B
  and followed by the other two, so that hues stay.
- Primaries to BT.709 as BT.2087 does it, in linear light; a colour outside BT.709 is mixed with its own grey
  until it just fits, instead of being clipped channel by channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PQ: Final = 16
HLG: Final = 18
DIFFUSE_WHITE: Final = 203.0
"""cd/m2 of diffuse white in an HDR picture (BT.2408)."""
DEFAULT_PEAK: Final = 1000.0
"""cd/m2 of the brightest highlight where the film does not say: the usual mastering display."""

_XYZ_FROM: Final[dict[int, Array]] = {}  # filled below: H.273 primaries to the matrix from linear RGB to XYZ
_LUMA_709: Final = np.array([0.2126, 0.7152, 0.0722])


def bt709_cube(*, primaries: int, transfer: int, peak: float = DEFAULT_PEAK, size: int = 33) -> Array:
    """The cube from a source to BT.709: (size, size, size, 3) float in 0..1, indexed by R', G', B' of the source.

    `primaries` and `transfer` are H.273 numbers; `peak` is the brightest cd/m2 of a PQ source.
    """
    axis = np.linspace(0.0, 1.0, size)
    signal: Array = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    if transfer == PQ:
        light = pq_to_light(signal)
    elif transfer == HLG:
        light, peak = hlg_to_light(signal), 1000.0
    else:
        light = DIFFUSE_WHITE * signal**2.4  # BT.1886, black at zero: SDR of wider primaries
    light = light @ matrix_to_bt709(primaries).T
    light = _into_gamut(light)
    if transfer in (PQ, HLG):
        light = _roll_off(light, peak=peak)
    cube: Array = np.clip(light / DIFFUSE_WHITE, 0.0, 1.0) ** (1 / 2.4)
    return cube


@contextmanager
def cube_file(cube: Array) -> Iterator[Path]:
    """`cube` as a .cube file for FFmpeg, gone afterwards (red runs fastest: Adobe's Cube LUT specification 1.0)."""
    with TemporaryDirectory(prefix="vidstyle-") as folder:
        path = Path(folder) / "bt709.cube"
        rows = cube.transpose(2, 1, 0, 3).reshape(-1, 3)
        lines = [f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in rows.tolist()]
        path.write_text(f"LUT_3D_SIZE {len(cube)}\n" + "\n".join(lines) + "\n", encoding="ascii")
        yield path


def pq_to_light(signal: Array) -> Array:
    """PQ's EOTF (BT.2100, table 4): code values in 0..1 to cd/m2 in 0..10000."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root: Array = np.clip(signal, 0.0, 1.0) ** (1 / m2)
    light: Array = 10000.0 * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1)
    return light


def light_to_pq(light: Array) -> Array:
    """PQ's inverse EOTF (BT.2100, table 4): cd/m2 to code values in 0..1."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (np.clip(light, 0.0, 10000.0) / 10000.0) ** m1
    signal: Array = ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    return signal


def hlg_to_light(signal: Array) -> Array:
    """HLG's inverse OETF and OOTF for a 1,000 cd/m2 display (BT.2100, table 5): (..., 3) in 0..1 to cd/m2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene: Array = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    gain: Array = 1000.0 * np.maximum(luminance, 1e-9)[..., None] ** (1.2 - 1)
    return gain * scene


def matrix_to_bt709(primaries: int) -> Array:
    """3x3 from linear RGB of these primaries (H.273) to linear RGB of BT.709, both with the white point D65."""
    return np.linalg.solve(_XYZ_FROM[1], _XYZ_FROM[primaries]).astype(np.float64)


def convertible(primaries: int) -> bool:
    """Whether the primaries are wider than BT.709's and known here."""
    return primaries in _XYZ_FROM and primaries != 1


def _into_gamut(light: Array) -> Array:
    """Mix colours with a negative component with their own luminance until none is."""
    grey: Array = np.maximum(light @ _LUMA_709, 0.0)[..., None]
    lowest = light.min(axis=-1, keepdims=True)
    share = np.where(lowest < 0, grey / np.maximum(grey - lowest, 1e-12), 1.0)
    mixed: Array = np.maximum(grey + share * (light - grey), 0.0)
    return mixed


def _roll_off(light: Array, *, peak: float) -> Array:
    """BT.2390's EETF from a display of `peak` to one of DIFFUSE_WHITE, steered by the largest component."""
    peak = max(peak, DIFFUSE_WHITE)
    top = float(light_to_pq(np.array(peak)))
    target = float(light_to_pq(np.array(DIFFUSE_WHITE))) / top
    knee = 1.5 * target - 0.5
    largest = light.max(axis=-1, keepdims=True)
    e = np.minimum(light_to_pq(largest) / top, 1.0)
    t = np.clip((e - knee) / max(1 - knee, 1e-9), 0.0, 1.0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * target
    mapped = pq_to_light(np.where(e < knee, e, spline) * top)
    rolled: Array = light * (mapped / np.maximum(largest, 1e-9))
    return rolled


def _xyz_matrix(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float]) -> Array:
    """Linear RGB to XYZ from the chromaticities (SMPTE RP 177), white D65."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    white = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
    matrix: Array = columns * np.linalg.solve(columns, white)
    return matrix


_XYZ_FROM[1] = _xyz_matrix((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))  # BT.709
_XYZ_FROM[9] = _xyz_matrix((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))  # BT.2020
_XYZ_FROM[12] = _xyz_matrix((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))  # P3, D65 (SMPTE EG 432-1)
