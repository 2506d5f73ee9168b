"""What VGG's layers hold, made visible: content layer by layer, a painting's texture, fast against Gatys.

Gatys, Ecker, Bethge, "Texture Synthesis Using Convolutional Neural Networks" (2015) and "Image Style
Transfer Using Convolutional Neural Networks" (2016), figure 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from vidstyle.backends.protocol import Say
from vidstyle.frames import ImageArray
from vidstyle.gatys.options import GatysOptions
from vidstyle.gatys.sheets import sheet
from vidstyle.gatys.stills import Palette, StillPainter, to_image, to_tensor, with_edge
from vidstyle.networks.vgg import VGG
from vidstyle.training.photographs import squared

CONTENT_LAYERS = tuple(f"conv{block}_1" for block in range(1, 6))


def content_sheet(vgg: VGG, photograph: Tensor, *, options: GatysOptions, quick: VGG | None, say: Say) -> ImageArray:
    """Rebuild the photograph (1, 3, H, W) from each of conv1_1 to conv5_1 alone, from noise; a labelled sheet."""
    cells = [(to_image(photograph), "photograph")]
    for layer in CONTENT_LAYERS:
        alone = replace(
            options,
            content=1.0,
            content_layers=((layer, 1.0),),
            style=0.0,
            variation=0.05,
            start="noise",
            coarsest=10**6,
        )
        outcome = StillPainter(vgg, Palette(paintings=[(photograph, 1.0)]), alone, quick=quick).paint(photograph)
        say(f"{layer}: content loss {outcome.losses.content:.4f}")
        cells.append((to_image(outcome.picture), f"{layer}\ncontent loss {outcome.losses.content:.4f}"))
    return sheet(cells, columns=3)


def texture_sheet(
    vgg: VGG, painting: Tensor, *, options: GatysOptions, quick: VGG | None, size: int, say: Say
) -> ImageArray:
    """The painting's style alone, from noise, with its layers up to conv1_1, 2_1, ... 5_1; a labelled sheet."""
    square = squared(painting, size)
    cells = [(to_image(square), "painting")]
    for depth in range(1, 6):
        layers = tuple((f"conv{block}_1", 1.0) for block in range(1, depth + 1))
        alone = replace(options, content=0.0, style_layers=layers, variation=0.05, start="noise")
        outcome = StillPainter(vgg, Palette(paintings=[(painting, 1.0)]), alone, quick=quick).paint(square)
        say(f"up to conv{depth}_1: style loss {outcome.losses.style:.5f}")
        cells.append((to_image(outcome.picture), f"up to conv{depth}_1\nstyle loss {outcome.losses.style:.5f}"))
    return sheet(cells, columns=3)


def compare_sheet(
    stills: StillPainter,
    photograph: Tensor,
    networks: Sequence[tuple[str, Callable[[ImageArray], ImageArray]]],
    *,
    say: Say,
) -> ImageArray:
    """The photograph, each network's painting and Gatys', with losses and seconds; a labelled sheet."""
    image = to_image(photograph)
    objective = stills.objective(photograph)
    cells = [(image, "photograph")]

    def add(name: str, picture: ImageArray, seconds: float) -> None:
        losses = objective.evaluate(with_edge(to_tensor(picture, stills.device)))[1]
        text = f"{name}, {seconds:.2f} s\ncontent {losses.content:.3f}  style {losses.style:.4f}"
        say(text.replace("\n", ": "))
        cells.append((picture, text))

    for name, paint in networks:
        paint(image)  # the first call compiles
        began = time.perf_counter()
        picture = paint(image)
        add(name, picture, time.perf_counter() - began)
    began = time.perf_counter()
    picture = to_image(stills.paint(photograph).picture)
    add("gatys", picture, time.perf_counter() - began)
    return sheet(cells, columns=len(cells))
