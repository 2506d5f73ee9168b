"""Gatys mode against the textbook: lower loss in less time, and far fewer iterations through time.

Needs trained weights and takes minutes: set VIDSTYLE_TEST_DATA (and -s, to see the figures). The sizes are
small; VIDSTYLE_TEST_SIDE and VIDSTYLE_TEST_ITERATIONS make them larger.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vidstyle.backends.cpu import processor
from vidstyle.backends.heap import keep_freed_memory
from vidstyle.frames import ImageArray
from vidstyle.gatys.options import CONTENT_LAYERS, STYLE_LAYERS, GatysOptions
from vidstyle.gatys.stills import Palette, StillPainter, quick_copy, to_image, to_tensor, with_edge
from vidstyle.gatys.through_time import ShotPainter
from vidstyle.media.reader import open_reader
from vidstyle.motion.flow import DisFlow
from vidstyle.motion.metrics import mean_steadiness, steadiness
from vidstyle.networks.vgg import VGG, load_vgg
from vidstyle.training.photographs import read_picture, resized

DATA = Path(os.environ.get("VIDSTYLE_TEST_DATA", ""))
SIDE = int(os.environ.get("VIDSTYLE_TEST_SIDE", "128"))
ITERATIONS = int(os.environ.get("VIDSTYLE_TEST_ITERATIONS", "150"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.name, reason="VIDSTYLE_TEST_DATA does not name the folder with VGG's weights"),
]


@pytest.fixture
def vgg(monkeypatch: pytest.MonkeyPatch) -> VGG:
    keep_freed_memory()  # as every rendering does; the textbook gains by it too
    monkeypatch.setenv("VIDSTYLE_VGG", str(DATA / "weights" / "vgg19.safetensors"))
    return load_vgg(pooling="average")


@pytest.fixture
def painting() -> torch.Tensor:
    return read_picture(DATA / "paintings" / "vangogh_starry_night_1889.jpg", longest=1024)


def _textbook(vgg: VGG, photograph: torch.Tensor, painting: torch.Tensor, options: GatysOptions) -> torch.Tensor:
    """The loop of every tutorial: the same losses, written out, and torch's L-BFGS as it comes."""
    layers = [name for name, _ in STYLE_LAYERS]
    content_layer = CONTENT_LAYERS[0][0]

    def gram(x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)[0]
        return flat @ flat.T / flat.shape[1]

    with torch.no_grad():
        wanted = vgg(photograph, [content_layer])[content_layer]
        grams = {name: gram(x) for name, x in vgg(painting, layers).items()}
    picture = photograph.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([picture], max_iter=options.iterations, max_eval=options.iterations)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        found = vgg(picture, [*layers, content_layer])
        content = (found[content_layer] - wanted).square().sum() / wanted.square().sum()
        style = sum((gram(found[n]) - grams[n]).square().sum() / grams[n].square().sum() for n in layers) / len(layers)
        across, down = picture[..., 1:] - picture[..., :-1], picture[:, :, 1:] - picture[:, :, :-1]
        variation = across.square().mean() + down.square().mean()
        loss = options.content * content + options.style * style + options.variation * variation
        loss.backward()
        return loss

    optimiser.step(closure)  # in steps of torch's usual 20 it would overshoot the number asked for
    return picture.detach().clamp(0, 1)


def test_a_still_beats_the_textbook_in_less_time(vgg: VGG, painting: torch.Tensor) -> None:
    if not processor().bf16:
        pytest.skip("this processor has no bfloat16: there is nothing to be faster with")
    photograph = resized(read_picture(DATA / "photos" / "val" / "0002.jpg"), SIDE, SIDE).clamp(0, 1)
    options = GatysOptions(iterations=ITERATIONS, tolerance=0.0)
    scaled_painting = resized(painting, round(painting.shape[2] * SIDE / painting.shape[3]), SIDE)
    began = time.process_time()
    plain = _textbook(vgg, with_edge(photograph), scaled_painting, options)
    middle = time.process_time()
    stills = StillPainter(vgg, Palette(paintings=[(painting, 1.0)]), options, quick=quick_copy(vgg))
    outcome = stills.paint(photograph)
    ours_seconds, plain_seconds = time.process_time() - middle, middle - began
    theirs, ours = stills.objective(photograph).evaluate(plain)[1].total, outcome.losses.total
    sys.stderr.write(
        f"\n{SIDE} px, {ITERATIONS} iterations: textbook loss {theirs:.4f} in {plain_seconds:.1f} CPU seconds, "
        f"vidstyle {ours:.4f} in {ours_seconds:.1f}"
    )
    assert ours <= theirs * (1.0 if SIDE >= 256 else 1.003)  # fewer iterations end where rounding still shows
    # A smaller picture does not fill the matrix unit's rows, and what is not arithmetic weighs more.
    with_amx = 0.5 if SIDE >= 256 else 0.6
    assert ours_seconds <= (with_amx if processor().amx else 0.7) * plain_seconds


def test_no_line_is_drawn_along_the_border(vgg: VGG, painting: torch.Tensor) -> None:
    photograph = resized(read_picture(DATA / "photos" / "val" / "0002.jpg"), SIDE, SIDE).clamp(0, 1)
    quick = quick_copy(vgg) if processor().bf16 else None
    stills = StillPainter(
        vgg, Palette(paintings=[(painting, 1.0)]), GatysOptions(iterations=60, tolerance=0.0), quick=quick
    )
    luma = to_image(stills.paint(photograph).picture).astype(float).mean(2)
    turned = (luma, luma[:, ::-1], luma.T, luma.T[:, ::-1])
    steps = [np.abs(np.diff(side, axis=1)).mean(0) for side in turned]  # between columns, from the border inwards
    rough = np.mean([side[:3] / side[10:-10].mean() for side in steps], axis=0)
    assert rough.max() < 1.25


@pytest.mark.parametrize("clip", ["dog_walk_720p.mp4", "bear.mp4"])
def test_a_film_needs_few_iterations_after_its_first_frame(clip: str, vgg: VGG, painting: torch.Tensor) -> None:
    film = _frames(DATA / "clips" / clip, count=int(os.environ.get("VIDSTYLE_TEST_FRAMES", "6")))
    options = GatysOptions(iterations=ITERATIONS, next_iterations=max(1, ITERATIONS // 8), tolerance=0.0)
    stills = StillPainter(
        vgg, Palette(paintings=[(painting, 1.0)]), options, quick=quick_copy(vgg) if processor().bf16 else None
    )
    painter = ShotPainter(stills, DisFlow("medium"), lambda frame: frame)
    carried = [painter.paint(frame).image for frame in film]
    alone = [to_image(stills.paint(to_tensor(frame)).picture) for frame in film]
    ratio = _loss(stills, film[1:], carried[1:]) / _loss(stills, film[1:], alone[1:])
    errors = [mean_steadiness(steadiness(zip(film, p, strict=True), second=99))["short"] for p in (carried, alone)]
    assert errors[0] is not None
    assert errors[1] is not None
    sys.stderr.write(
        f"\n{clip}: loss {ratio:.3f} of frame by frame, warping error {errors[0]:.2f} against {errors[1]:.2f}"
    )
    assert ratio <= 1.05
    assert errors[0] <= errors[1] / 3


def _frames(path: Path, *, count: int) -> list[ImageArray]:
    frames: list[ImageArray] = []
    with open_reader(path) as reader:
        for frame in reader:
            width = round(frame.image.shape[1] * SIDE / frame.image.shape[0])
            frames.append(np.asarray(cv2.resize(frame.image, (width, SIDE), interpolation=cv2.INTER_AREA), np.uint8))
            if len(frames) == count:
                break
    return frames


def _loss(stills: StillPainter, film: list[ImageArray], painted: list[ImageArray]) -> float:
    """Mean loss without the temporal term."""
    losses = [
        stills.objective(to_tensor(f)).evaluate(with_edge(to_tensor(p)))[1].total
        for f, p in zip(film, painted, strict=True)
    ]
    return float(np.mean(losses))
