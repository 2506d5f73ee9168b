"""`vidstyle train PAINTING... --name NAME --content DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidstyle.cli import console, options
from vidstyle.errors import InputError, UsageError

if TYPE_CHECKING:
    from vidstyle.style_library import Library
    from vidstyle.training.recipes import StyleTarget
    from vidstyle.training.session import Session
    from vidstyle.training.trainer import Progress


Tune = Literal["style", "decoder", "all"]

STEPS = {"style": 400, "decoder": 800, "all": 2000}
"""Steps where none are asked for: a style alone takes six minutes of one core then (docs/training.md)."""

RATES = {"style": 6e-3, "decoder": 2e-3, "all": 2e-3}
"""Learning rates of the network; the vector's is five times that."""

BATCHES = {"style": 1, "decoder": 2, "all": 2}
"""Photographs in a step. A vector needs few to know its way, and many steps to get there."""

CROP = 384
"""Side of the crops of photographs, in pixels: in small ones a network learns what is right beside a border only."""


def train(
    paintings: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="The painting; several make one style.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What the style will be called.")] = "",
    content: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Photographs of what you will film; some hundred will do.")
    ] = None,
    network: options.Network = "live",
    tune: Annotated[
        Tune,
        typer.Option(
            help="style: fit a vector to the network; decoder: also its second half; all: all of it. "
            "The last two make a network of the style's own name."
        ),
    ] = "style",
    size: Annotated[
        int, typer.Option(min=64, metavar="N", help="The painting's longer side in pixels: larger, larger strokes.")
    ] = 512,
    trim: Annotated[
        float,
        typer.Option(min=0, max=0.45, metavar="PART", help="Cut this part of each side off the painting: its frame."),
    ] = 0.0,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="How long to train.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train a whole network by this recipe; IMAGE is the paintings' folder."),
    ] = None,
    run: Annotated[Path | None, typer.Option(metavar="DIR", help="Where checkpoints and samples go.")] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Publish into this folder instead of the user's styles.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Start anew, replace a style of this name.")
    ] = False,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Make a style of a painting, or train a whole network by a recipe."""
    from vidstyle.backends.heap import prepare_to_optimise
    from vidstyle.media.part_file import writing
    from vidstyle.style_library import Library, shipped_data, user_data

    if content is None or not name or not paintings:
        raise UsageError("train needs the painting, --name and --content, a folder of photographs")
    _check_exist(*paintings, content, *filter(None, [recipe]))
    prepare_to_optimise()
    root, run = into or user_data(), run or user_data() / "training" / name
    library = Library() if into is None else Library([into, *Library().roots])
    if recipe is not None:
        session = _by_recipe(recipe, paintings, name, content, run, root, device, steps)
        if session.recipe.tune == "style":
            library.network(name)  # has to be there
        elif into is None and (shipped_data() / "networks" / name).exists():  # it would be hidden
            raise UsageError(f"vidstyle comes with a network {name!r}; choose another --name, or a folder: --into DIR")
    else:
        with writing(run):
            goes_on = resume and (run / "checkpoint.pt").exists()
        with writing(root):
            _check_free(name, library, root, tune=tune, replace=overwrite or goes_on)
        from vidstyle.training.recipes import StyleTarget

        target = StyleTarget(name=name, paintings=tuple(paintings), size=size, trim=trim)
        session = _one_style(target, content, library, network, tune, steps, run, root, device)
    written = _train(session, library, resume=resume, overwrite=overwrite)
    for folder in written:
        console.say(f"wrote {folder}")
    if recipe is None and into is None:
        console.say(f"trained {name}: vidstyle render IN OUT -s {name}")
    if json:
        console.data({"name": name, "steps": session.recipe.steps, "wrote": [str(folder) for folder in written]})


def _check_exist(*paths: Path) -> None:
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")


def _check_free(name: str, library: Library, root: Path, *, tune: Tune, replace: bool) -> None:
    """Raise UsageError if a style cannot be called `name`, or what it would take the place of is shipped or in use."""
    from vidstyle.style_library import check_unneeded, shipped_data
    from vidstyle.styles import IDENTITY, check_name

    if check_name(name) == IDENTITY:
        raise UsageError(f"{IDENTITY!r} is the style that every strength starts from; choose another --name")
    shipped = shipped_data()
    if (shipped / "styles" / name / "card.json").exists() and root.resolve() != shipped.resolve():
        raise UsageError(f"vidstyle comes with a style {name!r}; choose another --name")
    if not replace and (root / "styles" / name / "card.json").exists():
        raise UsageError(f"there is a style {name!r} already; -y replaces it")
    if tune != "style":
        check_unneeded(name, library)


def _one_style(
    target: StyleTarget,
    content: Path,
    library: Library,
    network: str,
    tune: Tune,
    steps: int | None,
    run: Path,
    root: Path,
    device: str,
) -> Session:
    from vidstyle.networks.network import sha256_of
    from vidstyle.training.recipes import Recipe
    from vidstyle.training.session import Session

    architecture = library.network(network).architecture
    if architecture is None:
        raise UsageError(f"network {network!r} was imported and holds one style; train from live or classic")
    name, alone = target.name, tune == "style"
    source = ", ".join(f"{painting.name} ({sha256_of(painting)[:8]})" for painting in target.paintings)
    card = {"title": name, "author": "unknown", "year": "", "licence": "yours", "source": source}
    return Session(
        recipe=Recipe(
            architecture=architecture,
            styles=(target,),
            steps=steps or STEPS[tune],
            batch=BATCHES[tune],
            crop=CROP,
            rate=RATES[tune],
            identity_share=0 if alone else 1 / 14,
            tune=tune,
        ),
        network=network if alone else name,
        start=network,
        cards={name: card},
        content=content,
        run=run,
        root=root,
        device=device,
    )


def _by_recipe(
    recipe: Path, paintings: list[Path], name: str, content: Path, run: Path, root: Path, device: str, steps: int | None
) -> Session:
    from dataclasses import replace

    from vidstyle.training.recipes import read_recipe
    from vidstyle.training.session import Session

    if len(paintings) != 1 or not paintings[0].is_dir():
        raise UsageError("with --recipe, IMAGE is the one folder that holds the recipe's paintings")
    found = read_recipe(recipe, paintings[0])
    wanted = replace(found.recipe, steps=steps) if steps else found.recipe
    return Session(
        recipe=wanted,
        network=name,
        start=found.start,
        cards=found.cards,
        content=content,
        run=run,
        root=root,
        device=device,
    )


def _train(session: Session, library: Library, *, resume: bool, overwrite: bool) -> list[Path]:
    from vidstyle.errors import Interrupted
    from vidstyle.interrupts import stop_requests
    from vidstyle.training.session import train as run_session

    def report(progress: Progress) -> None:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in sorted(progress.losses.items()))
        left = console.format_seconds((progress.steps - progress.step) / progress.rate)
        console.say(f"step {progress.step}/{progress.steps}  {losses}  {left} left")

    try:
        with stop_requests() as stop:
            return run_session(
                session, library, resume=resume, overwrite=overwrite, report=report, say=console.say, stop=stop
            )
    except Interrupted as error:
        if not (session.run / "checkpoint.pt").exists():
            raise
        raise type(error)(f"stopped; --resume goes on from {session.run}") from None
