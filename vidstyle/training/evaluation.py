"""How good a painted picture is, in numbers: how near to the painting, how near to the scene, how steady.

Losses are relative, at Gatys' layers, so any program's pictures can be judged alike: 0 is perfect,
1 as far from the target as no picture at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.networks.vgg import VGG
from vidstyle.training.losses import content_loss, gram, style_loss
from vidstyle.training.photographs import SUFFIXES, read_painting, read_picture, resized

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
PAINTING_SIZE = 512
"""The painting's longer side, in pixels, when its Gram matrices are taken."""
SENSOR_NOISE = 2.0
"""Standard deviation of the made sensor noise, in 8-bit levels."""
_BORDER = 16

Paint = Callable[[ImageArray], ImageArray]
"""Paints (1, H, W, 3) uint8 RGB pictures."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One picture's numbers. `style` and `content` are relative losses.

    `shift`: mean difference, in 8-bit levels, between the paintings of a photograph and of the same
    photograph moved by one pixel, moved back. `noise`: standard deviation that sensor noise causes in
    the painting, over its own. Both are None for pictures that came from elsewhere.
    """

    name: str
    style: float
    content: float
    shift: float | None = None
    noise: float | None = None


def mean(judgements: Iterable[Judgement]) -> Judgement:
    """The mean of every number, called `mean`."""
    rows = list(judgements)
    values: dict[str, float | None] = {}
    for field in fields(Judgement)[1:]:
        column = [getattr(row, field.name) for row in rows]
        values[field.name] = None if None in column else float(np.mean(column))
    return Judgement(name="mean", **values)  # type: ignore[arg-type]


def read_paintings(paths: Iterable[Path]) -> list[Tensor]:
    """The paintings in these files, (1, 3, H, W) in 0..1, at the size at which pictures are judged. Raises InputError.

    To be called before VGG is loaded, which may have to be fetched first.
    """
    return [read_painting(path, longest=PAINTING_SIZE) for path in paths]


class Judge:
    """Judges pictures against one painting (or the mean of several), as `read_paintings` gives them."""

    def __init__(self, vgg: VGG, paintings: Iterable[Tensor]) -> None:
        self.vgg = vgg
        with torch.no_grad():
            found = [vgg(painting, STYLE_LAYERS) for painting in paintings]
            self.targets = {layer: torch.stack([gram(f[layer]) for f in found]).mean(0) for layer in STYLE_LAYERS}

    @torch.no_grad()
    def losses(self, photograph: Tensor, painted: Tensor) -> tuple[float, float]:
        """(style, content) of one picture; both (1, 3, H, W) in 0..1."""
        wanted = self.vgg(photograph, [CONTENT_LAYER])
        found = self.vgg(painted, {*STYLE_LAYERS, CONTENT_LAYER})
        style = torch.stack([style_loss(gram(found[layer]), self.targets[layer]) for layer in STYLE_LAYERS]).mean()
        return style.item(), content_loss(found[CONTENT_LAYER], wanted[CONTENT_LAYER]).item()

    def program(self, photographs: Path, paint: Paint, *, size: int, limit: int | None) -> Iterator[Judgement]:
        """Judge what `paint` makes of a folder's photographs, their shorter side scaled to `size` pixels."""
        for number, (name, photograph) in enumerate(_photographs(photographs, size, limit)):
            painted = paint(photograph)
            style, content = self.losses(_tensor(photograph), _tensor(painted))
            yield Judgement(
                name=name,
                style=style,
                content=content,
                shift=shift_error(photograph, paint),
                noise=noise_gain(photograph, paint, seed=number),
            )

    def pictures(self, photographs: Path, painted: Path, *, limit: int | None) -> Iterator[Judgement]:
        """Judge pictures that any program made; those of the same name (less its ending) belong together."""
        originals = {p.stem: p for p in _files(photographs)}
        for path in _files(painted)[:limit]:
            if path.stem not in originals:
                raise InputError(f"{path}: no photograph called {path.stem!r} in {photographs}")
            picture = read_picture(path)
            photograph = F.interpolate(
                read_picture(originals[path.stem]), picture.shape[2:], mode="bicubic", antialias=True
            ).clamp(0, 1)
            style, content = self.losses(photograph, picture)
            yield Judgement(name=path.stem, style=style, content=content)


def shift_error(photograph: ImageArray, paint: Paint) -> float:
    """Mean difference in 8-bit levels after a move by one pixel; 8 columns are left out to make room for it."""
    here, there = paint(photograph[:, :, :-8]), paint(photograph[:, :, 1:-7])
    difference = here[:, :, 1:].astype(np.float32) - there[:, :, :-1]
    return float(np.abs(difference[:, :, _BORDER:-_BORDER]).mean())


def noise_gain(photograph: ImageArray, paint: Paint, *, seed: int) -> float:
    """Noise in the painting over noise in the photograph, from two renderings with fresh sensor noise."""
    rng = np.random.default_rng(seed)
    noisy = (np.clip(photograph + rng.normal(0, SENSOR_NOISE, photograph.shape), 0, 255).round() for _ in range(2))
    first, second = (paint(n.astype(np.uint8)).astype(np.float32) for n in noisy)
    return float((first - second).std() / np.sqrt(2) / SENSOR_NOISE)


def _files(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder}: no pictures in this folder")
    return found


def _photographs(folder: Path, size: int, limit: int | None) -> Iterator[tuple[str, ImageArray]]:
    """Name and (1, H, W, 3) uint8 RGB of each picture, the shorter side `size`, both a multiple of 8."""
    for path in _files(folder)[:limit]:
        picture = read_picture(path)
        shorter = min(picture.shape[2:])
        height, width = (side * size // shorter for side in picture.shape[2:])
        picture = resized(picture, height, width).clamp(0, 1)
        pixels = (picture[..., : height // 8 * 8, : width // 8 * 8] * 255).round().byte()
        yield path.stem, pixels.permute(0, 2, 3, 1).contiguous().numpy()


def _tensor(picture: ImageArray) -> Tensor:
    return torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
