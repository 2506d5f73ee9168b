"""Photographs for the content term: crops of a folder's pictures, endlessly, as real cameras vary them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.backends.protocol import Say
from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.colour_profile import srgb_transform
from vidstyle.media.heif import HEAD, is_heif_picture
from vidstyle.media.through_pillow import as_png, is_ink

LARGEST = 720
"""Short side of a photograph, in pixels, when it is seen largest (or the crop, if that is larger): the height of
a 720p film. Films and webcams are smoother and have wider even areas, pixel for pixel, than a small photograph."""

ENORMOUS = 2**25
"""Pixels from which a picture is halved before anything else: as floats a museum's scan would fill the memory."""

NARROWEST = 16
"""Pixels of a picture's shorter side at least, as VGG halves what it sees four times; and how often that side of a
photograph may fit into the longer one: of a narrower one a sample would leave nothing, and a crop would make
gigabytes."""

_BAND = 256  # rows

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"}


def read_picture(path: Path, *, longest: int | None = None) -> Tensor:
    """A picture as (1, 3, H, W) float32 RGB in 0..1, its longer side reduced to `longest`. Raises InputError."""
    return _reduced(_decoded(path, _bytes(path)), longest)


def read_painting(path: Path, *, longest: int, trim: float = 0) -> Tensor:
    """As `read_picture`, but laid on white where it is transparent: colours that lie hidden there are no style.

    `trim`, below a half, is the part of the height and width that is cut off at each side first. Raises InputError.
    """
    image = _on_white(path)
    top, left = round(trim * image.shape[0]), round(trim * image.shape[1])
    image = image[top : image.shape[0] - top, left : image.shape[1] - left]
    height, width = image.shape[:2]
    if min(height, width) < NARROWEST * max(1.0, max(height, width) / longest):
        trimmed = f" when {trim:g} of each side is cut off" if trim else ""
        raise InputError(f"{path}: {width}x{height} pixels{trimmed}, too narrow to take a style from")
    return _reduced(image, longest)


def _reduced(image: ImageArray, longest: int | None) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) float32 in 0..1, its longer side reduced to `longest`."""
    while longest and image.shape[0] * image.shape[1] > ENORMOUS and max(image.shape[:2]) > 4 * longest:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    picture = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    if longest and max(image.shape[:2]) > longest:
        scale = longest / max(image.shape[:2])
        size = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
        # Not OpenCV's mean over areas: it softens strokes, and with them what the finest layers take for the style.
        picture = resized(picture, *size).clamp(0, 1)
    return picture


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """`picture` (1, C, H, W) at this size, bicubic, antialiased on the way down; itself if it fits already."""
    if tuple(picture.shape[2:]) == (height, width):
        return picture
    return F.interpolate(picture, size=(height, width), mode="bicubic", antialias=True, align_corners=False)


def squared(picture: Tensor, side: int) -> Tensor:
    """The middle of `picture` (1, C, H, W) as (1, C, side, side), in 0..1."""
    short = min(picture.shape[2:])
    top, left = ((length - short) // 2 for length in picture.shape[2:])
    return resized(picture[..., top : top + short, left : left + short], side, side).clamp(0, 1)


class Photographs:
    """Batches of random square crops, (N, 3, size, size) float32 RGB in 0..1, each repeatable from seed and number.

    Crops differ in scale, side and light: half of them keep the photograph's light, the rest are
    darkened or brightened (gamma) and flattened in contrast, because dark and flat areas are what a
    network trained on good photographs leaves bare.
    """

    def __init__(self, folder: Path, size: int, *, say: Say = lambda line: None) -> None:
        """`say` is told of each photograph that cannot be read or is too narrow; another one is taken instead."""
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        self.size = size
        self._folder = folder
        self._say = say
        self._unreadable: set[Path] = set()
        if not self.paths:
            raise InputError(f"{folder}: no photographs in this folder")

    def samples(self, count: int, *, longest: int) -> list[Tensor]:
        """Up to `count` whole photographs from all over the folder, (1, 3, H, W) float32 RGB in 0..1."""
        stride = max(1, len(self.paths) // count)
        found: list[Tensor] = []
        for path in (path for first in range(stride) for path in self.paths[first::stride]):
            if len(found) == count:
                break
            try:
                found.append(_reduced(_read_photograph(path), longest))
            except InputError as error:
                self._leave_out(path, error)
        return found

    def batches(self, count: int, *, seed: int, first: int = 0) -> Iterator[Tensor]:
        """Endless batches of `count` crops from number `first` on; decoding runs one batch ahead in a thread."""
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._batch, count, seed, first)
            for number in itertools.count(first + 1):
                batch = ahead.result()
                ahead = pool.submit(self._batch, count, seed, number)
                yield batch

    def _batch(self, count: int, seed: int, number: int) -> Tensor:
        rng = np.random.default_rng((seed, number))
        crops = [self._crop(self._photograph(rng), rng) for _ in range(count)]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()

    def _photograph(self, rng: np.random.Generator) -> ImageArray:
        """One that can be read. Raises InputError if none of them can."""
        while True:
            path = self.paths[rng.integers(len(self.paths))]
            try:
                return _read_photograph(path)
            except InputError as error:
                self._leave_out(path, error)

    def _leave_out(self, path: Path, error: InputError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            self._say(f"{error}; the others are taken")
        if len(self._unreadable) == len(self.paths):
            raise InputError(f"{self._folder}: none of its {len(self.paths)} photographs can be used") from error

    def _crop(self, image: ImageArray, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        scale = self.size / min(image.shape[:2]) * max(1.0, LARGEST / self.size) ** rng.random()
        size = max(self.size, round(image.shape[1] * scale)), max(self.size, round(image.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        y, x = rng.integers(image.shape[0] - self.size + 1), rng.integers(image.shape[1] - self.size + 1)
        crop = image[y : y + self.size, x : x + self.size].astype(np.float32) / 255
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.5:
            contrast = rng.uniform(0.5, 1.1)
            crop = np.clip((crop ** rng.uniform(0.5, 2.2) - 0.5) * contrast + 0.5 * rng.uniform(0.4, 1.3), 0, 1)
        return np.ascontiguousarray(crop, np.float32)


def _read_photograph(path: Path) -> ImageArray:
    """(H, W, 3) uint8 RGB. Raises InputError, also for a picture that is too narrow to learn from."""
    image = _decoded(path, _bytes(path))
    shorter, longer = sorted(image.shape[:2])
    if shorter < max(NARROWEST, longer / NARROWEST):
        raise InputError(f"{path}: {longer}x{shorter} pixels, too narrow to learn from")
    return image


def _on_white(path: Path) -> ImageArray:
    """(H, W, 3) uint8 sRGB, what is transparent laid on white. Raises InputError."""
    data = _bytes(path)
    whole = _opencv(path, data, cv2.IMREAD_UNCHANGED)
    opaque = np.iinfo(whole.dtype).max if whole.dtype.kind == "u" else 1
    if whole.ndim < 3 or whole.shape[2] < 4 or whole[..., 3].min() == opaque:
        # Turned upright too: only cameras leave that to others, and none of them writes alpha.
        return _decoded(path, data)
    laid = np.empty((*whole.shape[:2], 3), np.uint8)
    for top in range(0, len(whole), _BAND):  # as floats a museum's scan would fill the memory
        values = np.clip(whole[top : top + _BAND].astype(np.float32) / opaque, 0, 1)
        colours, opacity = values[..., 2::-1], values[..., 3:]
        laid[top : top + _BAND] = (colours * opacity + 1 - opacity) * 255 + 0.5
    return _srgb(laid, data)


def _decoded(path: Path, data: bytes) -> ImageArray:
    """(H, W, 3) uint8 sRGB. Raises InputError, naming `path`."""
    return _srgb(np.asarray(_opencv(path, data, cv2.IMREAD_COLOR_RGB), np.uint8), data)


def _srgb(image: ImageArray, data: bytes) -> ImageArray:
    """(H, W, 3) uint8 RGB in sRGB's colours; `data` is the file that it came from."""
    transform = srgb_transform(data)
    return image if transform is None else transform(image)


def _opencv(path: Path, data: bytes, form: int) -> npt.NDArray[Any]:
    """What OpenCV makes of a picture in this form, one of its IMREAD constants. Raises InputError, naming `path`."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), form)
    except cv2.error as error:
        raise InputError(f"{path}: not a picture that OpenCV can read (more than 2^30 pixels?)") from error
    if image is None:
        raise InputError(f"{path}: not a picture that can be read")
    return np.asarray(image)


def _bytes(path: Path) -> bytes:
    """The file as it is, or as a PNG file where OpenCV reads it not at all or in other colours. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise InputError(f"{path}: an empty file, not a picture")  # OpenCV takes nothing for a fault of the caller
    if is_heif_picture(data[:HEAD]) or is_ink(data[:HEAD], BytesIO(data)):
        try:
            return as_png(data)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
    return data
