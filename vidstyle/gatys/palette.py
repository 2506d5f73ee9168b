"""Finds the paintings: picture files, or the ones behind shipped styles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidstyle.errors import InputError, UsageError
from vidstyle.gatys.stills import Palette, to_tensor
from vidstyle.styles import check_weights
from vidstyle.training.photographs import read_painting, read_picture

LARGEST_PAINTING = 2048
"""Longer side, in pixels, that paintings are read at: more detail than any style layer uses."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Painting:
    """A painting (1, 3, H, W) in 0..1, its weight, its name as asked for and the sha256 of its pixels."""

    name: str
    weight: float
    picture: Tensor
    sha256: str


def find_paintings(styles: Sequence[tuple[str, float]]) -> list[Painting]:
    """The paintings that `--style` means in Gatys mode, with their weights.

    Raises InputError if one cannot be read, UsageError for a style whose painting is not at hand and for weights that
    cannot be mixed.
    """
    check_weights([weight for _, weight in styles])
    found = []
    for name, weight in styles:
        picture = _picture(name)
        digest = hashlib.sha256(picture.numpy().tobytes()).hexdigest()
        found.append(Painting(name=name, weight=weight, picture=picture, sha256=digest))
    return found


def _picture(name: str) -> Tensor:
    path = Path(name)
    if path.is_file() or path.suffix:
        if not path.is_file():
            raise InputError(f"{name}: no such painting")
        return read_painting(path, longest=LARGEST_PAINTING)
    if name == "mosaic":
        from vidstyle.training.mosaic import draw_mosaic

        return to_tensor(draw_mosaic())
    raise UsageError(f"Gatys mode paints with a picture: give --style the painting's file, not the style {name!r}")


def make_palette(paintings: Sequence[Painting], masks: Sequence[str], *, grey: bool, device: torch.device) -> Palette:
    """The palette; with `grey` the paintings lose their colours. Raises InputError for unreadable masks."""
    pictures = [(luma(p.picture) if grey else p.picture, p.weight) for p in paintings]
    found = [read_picture(Path(mask)).mean(1, keepdim=True) for mask in masks]
    for name, mask in zip(masks, found, strict=True):
        if not mask.any():
            raise InputError(f"{name}: a mask needs something white")
    return Palette(
        paintings=[(picture.to(device), weight) for picture, weight in pictures],
        masks=[mask.to(device) for mask in found],
    )


def luma(picture: Tensor) -> Tensor:
    """(1, 3, H, W) with the BT.601 luma in all three channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=picture.device).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True).expand_as(picture).contiguous()
