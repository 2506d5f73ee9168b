"""A training from beginning to end: where it starts, its run folder, what it publishes.

The run folder holds `checkpoint.pt` (to go on from), `samples.png` (how it looks by now) and
`losses.tsv` (how it went).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from vidstyle.backends.torch import find_device
from vidstyle.errors import UsageError
from vidstyle.frames import StyleVector
from vidstyle.gatys.sheets import save_picture
from vidstyle.gatys.stills import to_image
from vidstyle.interrupts import StopRequest
from vidstyle.locks import take
from vidstyle.media.part_file import nearest_existing, writing
from vidstyle.networks.graph import read_weights
from vidstyle.networks.network import load_network
from vidstyle.networks.publish import publish_file, publish_network, publish_style
from vidstyle.networks.vgg import load_vgg
from vidstyle.previews import FILE, paint_preview
from vidstyle.style_library import Library
from vidstyle.styles import IDENTITY, StyleCard, check_name
from vidstyle.training.curves import write_losses
from vidstyle.training.nearest import begin_at_nearest
from vidstyle.training.photographs import Photographs, squared
from vidstyle.training.recipes import Recipe
from vidstyle.training.trainer import EVERY, Progress, Trainer

Start = tuple[dict[str, Tensor], dict[str, Tensor]]

SAMPLES = 32
"""Photographs that stand for all of them."""

SHOWN = 4
"""So many of these, from all over the folder, are on the sample sheet."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What to train, on what, where, and under which names it is published.

    `network` is the name of the network that the styles' vectors will belong to; it is published
    too unless only vectors were tuned. `start` names the network to start from, None for nothing.
    `cards` has title, author, year, licence and source per style.
    """

    recipe: Recipe
    network: str
    start: str | None
    cards: dict[str, dict[str, str]]
    content: Path
    run: Path
    root: Path
    device: str = "auto"


def train(
    session: Session,
    library: Library,
    *,
    resume: bool,
    overwrite: bool,
    report: Callable[[Progress], None],
    say: Callable[[str], None],
    stop: StopRequest,
) -> list[Path]:
    """Train and publish; returns the folders written.

    Raises UsageError if an unfinished run or one at work is in the way, OutputError if its folder or the library's root
    cannot be written to, and what VGG, photographs, the start network or the trainer raise. `stop` ends it after the
    step in hand, with a checkpoint to resume from.
    """
    check_name(session.network)
    for folder in (session.run, session.root):
        _check_writable(folder)
    checkpoint = session.run / "checkpoint.pt"
    if checkpoint.exists() and not (resume or overwrite):
        raise UsageError(f"{session.run}: an earlier training lies here; --resume goes on with it, -y starts anew")
    photographs = Photographs(session.content, session.recipe.crop, say=say)
    device = torch.device(find_device(session.device))
    say(f"training on {device}: {len(photographs.paths)} photographs, {session.recipe.steps} steps")
    start = _start_from(library, session.start, session.recipe) if session.start else None
    samples = photographs.samples(SAMPLES, longest=384)
    trainer = Trainer(session.recipe, load_vgg(say=say), device=device, samples=samples, start=start)
    with _alone_in(session.run):
        log = session.run / "losses.tsv"
        if resume and checkpoint.exists():
            trainer.resume(checkpoint)
            say(f"resuming at step {trainer.step}")
        else:
            if resume:
                say(f"nothing to go on with in {session.run}: starting anew")
            with writing(log):
                log.unlink(missing_ok=True)
        if start is not None and trainer.step == 0:
            beginning = next(photographs.batches(session.recipe.batch, seed=session.recipe.seed))
            for name, known in begin_at_nearest(trainer, start[1], beginning).items():
                say(f"{name} begins at {known}, the nearest of the styles that {session.start} knows")
        _run(session, trainer, photographs, samples[:: -(-len(samples) // SHOWN)], report=report, say=say, stop=stop)
        written = publish(session, trainer, library, say=say)
    for style in session.recipe.styles:
        publish_file(session.root / "styles" / style.name, FILE, paint_preview(library, style.name))
    return written


def _run(
    session: Session,
    trainer: Trainer,
    photographs: Photographs,
    samples: list[Tensor],
    *,
    report: Callable[[Progress], None],
    say: Callable[[str], None],
    stop: StopRequest,
) -> None:
    """Train to the end, leaving in the run's folder what there is to see of it; `samples` are for its sheet."""
    say(f"{session.run / 'samples.png'} shows how it looks by now, every {EVERY} steps")
    counted = time.process_time()

    def tell(progress: Progress) -> None:
        nonlocal counted
        with writing(session.run):
            write_losses(session.run / "losses.tsv", progress, cpu=time.process_time() - counted)
        counted = time.process_time()
        _write_sheet(session.run / "samples.png", trainer, samples)
        report(progress)

    # An exception out of a signal, in the middle of PyTorch's own work, would leave half a step.
    stop.finish = lambda: None
    trainer.run(photographs, report=tell, save_to=session.run / "checkpoint.pt", stop=stop)


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    """Makes the run's folder and keeps other trainings out of it. Raises UsageError if one is at work there."""
    lock = FileLock(run / "lock")
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
    try:
        take(lock)
    except Timeout as error:
        raise UsageError(f"{run}: another training is at work here; wait or choose another --run") from error
    try:
        yield
    finally:
        lock.release()


def publish(session: Session, trainer: Trainer, library: Library, *, say: Callable[[str], None]) -> list[Path]:
    """Write the trained vectors, and the network unless it was left as it is, into the library root.

    Vectors of an earlier training of another painting go; `say` is told of them.
    """
    written = []
    if session.recipe.tune == "style":
        sha256 = library.network(session.network).sha256
    else:
        weights = {name: w.detach().cpu().float().numpy() for name, w in trainer.network.state_dict().items()}
        folder = publish_network(
            session.root,
            session.network,
            architecture=session.recipe.architecture,
            weights=weights,
            identity=trainer.vector(IDENTITY).numpy(),
        )
        sha256 = load_network(folder).sha256
        written.append(folder)
    for style in session.recipe.styles:
        before = _published(session, style.name)
        card = _card(session, style.name, trainer.step, before)
        vector: StyleVector = trainer.vector(style.name).numpy()
        fitted = {session.network: sha256}
        written.append(publish_style(session.root, card, {session.network: vector}, fitted=fitted))
        if before and (gone := sorted(before.vectors.keys() - card.vectors.keys() - {session.network})):
            say(f"{style.name} was of {before.source} for {', '.join(gone)}: that is gone")
            library.forget_networks(session.root, gone)
    return written


def _published(session: Session, name: str) -> StyleCard | None:
    """The card of the style as it was so far."""
    there = (session.root / "styles" / name / "card.json").is_file()
    return Library([session.root]).card(name) if there else None


def _card(session: Session, name: str, steps: int, before: StyleCard | None) -> StyleCard:
    """The style's card; its vectors for other networks stay if they are of the same painting."""
    # A network of the style's own name would never be painted with beside a vector for `live`.
    keeps = name != session.network and (
        session.recipe.tune != "style" or (before and before.source == session.cards[name]["source"])
    )
    known = before if keeps else None
    tune = {"style": "its vector fitted to", "decoder": "with the second half of", "all": "together with"}
    return StyleCard(
        name=name,
        **session.cards[name],
        trained=f"{tune[session.recipe.tune]} the network {session.network}, "
        f"{steps} steps of {session.recipe.batch} photographs",
        vectors=known.vectors if known else {},
        fitted=known.fitted if known else {},
        folder=session.root / "styles" / name,
        shipped=False,
    )


def _start_from(library: Library, name: str, recipe: Recipe) -> Start:
    network = library.network(name)
    if network.architecture != recipe.architecture:
        raise UsageError(f"network {name!r} is of another architecture than what shall be trained from it")
    weights = {k: torch.from_numpy(np.array(v)) for k, v in read_weights(network.graph).items()}
    vectors = {
        card: torch.from_numpy(library.style(card, network).vector.copy())
        for card in (IDENTITY, *library.fitted_to(name))
    }
    return weights, vectors


def _write_sheet(path: Path, trainer: Trainer, samples: list[Tensor]) -> None:
    """Photographs in the first row, below them every style that is being learned."""
    stride = 2 * trainer.recipe.architecture.stride
    side = 256 // stride * stride
    photographs = torch.cat([squared(sample, side) for sample in samples])
    rows = [photographs, *(trainer.paint(photographs, style.name) for style in trainer.recipe.styles)]
    sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    save_picture(path, to_image(sheet[None]))


def _check_writable(folder: Path) -> None:
    """Raise OutputError if nothing can be written to `folder`, or to where it will be made.

    By trying: permissions promise too much to an administrator, in /proc as on a medium that is read only.
    """
    with writing(folder), tempfile.TemporaryFile(dir=nearest_existing(folder)):
        pass
