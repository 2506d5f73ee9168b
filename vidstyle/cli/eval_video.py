"""`vidstyle eval video FILM PAINTED`: how steady and how well painted a film is, whoever painted it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.cli.targets import check_png
from vidstyle.errors import InputError

if TYPE_CHECKING:
    from vidstyle.frames import ImageArray
    from vidstyle.media.protocol import Reader


def video(
    film: Annotated[str, typer.Argument(metavar="FILM", help="The source.")],
    painted: Annotated[str, typer.Argument(metavar="PAINTED", help="What any program painted of it.")],
    painting: Annotated[
        list[Path], typer.Option(metavar="FILE", help="The painting that was aimed at: adds style and content loss.")
    ] = [],
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Losses of every Nth frame only.")] = 10,
    limit: Annotated[int | None, typer.Option("-n", min=2, metavar="N", help="Only the first N frames.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the curves into this PNG file.")] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace the plot if it exists.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Warping error (to the frame before, and over one second), still regions, style and content loss.

    Less is better. short and long are 8-bit levels between a frame and the one before, or that of a second before,
    carried along by the film's motion; still is the change where the film stands still. Losses are 0 where the painting
    (style) or the film (content) is met, and 1 as far from it as a blank picture.
    """
    from vidstyle.media.reader import open_reader
    from vidstyle.motion.metrics import Steadiness, mean_steadiness, steadiness

    if plot:
        check_png(plot, sources=[Path(film), Path(painted), *painting], overwrite=overwrite)
    losses: dict[int, tuple[float, float]] = {}
    with open_reader(film) as first, open_reader(painted) as second:
        judge = _judge(painting)
        rate = first.info.rate or 25

        def pairs() -> Iterator[tuple[ImageArray, ImageArray]]:
            for index, (source, result) in enumerate(_pairs(first, second, limit)):
                if judge and index % every == 0:
                    losses[index] = judge(source, result)
                yield source, result

        rows: list[Steadiness] = []
        for row in steadiness(pairs(), second=max(2, round(rate))):
            rows.append(row)
            console.detail(f"frame {row.index}: {_text(row.short)} short, {_text(row.long)} long")
    if len(rows) < 2:
        raise InputError(f"{film}: two frames at least are needed")
    means = mean_steadiness(rows)
    if losses:
        style, content = (sum(column) / len(losses) for column in zip(*losses.values(), strict=True))
        means |= {"style": style, "content": content}
    if plot:
        from vidstyle.gatys.sheets import plot as draw
        from vidstyle.gatys.sheets import save_picture

        curves = {name: [getattr(row, name) for row in rows] for name in ("short", "long", "still")}
        save_picture(plot, draw(curves, label="warping error in 8-bit levels"))
    if json:
        frames = [
            asdict(row) | dict(zip(("style", "content"), losses.get(row.index, ()), strict=False)) for row in rows
        ]
        console.data({"film": film, "painted": painted, "mean": means, "frames": frames})
    else:
        console.table(list(means), [[_text(value) for value in means.values()]])


def _pairs(first: Reader, second: Reader, limit: int | None) -> Iterator[tuple[ImageArray, ImageArray]]:
    """Frames of both films, the source scaled to the painting's size."""
    from vidstyle.media.scale import resize

    others = iter(second)
    for frame in first:
        if limit is not None and frame.index >= limit:
            return
        other = next(others, None)
        if other is None:
            console.warn(f"the painted film ends after {frame.index} frames, before its source")
            return
        height, width = other.image.shape[:2]
        yield resize(frame.image, width=width, height=height), other.image
    if limit is None and next(others, None) is not None:
        console.warn("the painted film goes on after its source has ended: what is more is not measured")


def _judge(paintings: list[Path]) -> Callable[[ImageArray, ImageArray], tuple[float, float]] | None:
    """(film, painted) pictures to (style, content); None without paintings."""
    if not paintings:
        return None
    from vidstyle.backends.cpu import guard

    guard()
    from vidstyle.gatys.stills import to_tensor
    from vidstyle.networks.vgg import load_vgg
    from vidstyle.training.evaluation import Judge, read_paintings

    targets = read_paintings(paintings)
    judge = Judge(load_vgg(say=console.say), targets)
    return lambda film, painted: judge.losses(to_tensor(film), to_tensor(painted))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
