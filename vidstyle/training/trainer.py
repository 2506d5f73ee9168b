"""Trains a transformation network and the vectors of its styles on photographs and paintings.

Johnson et al. (2016) for the losses, Dumoulin et al. (2017) for many styles at once. Differences:
losses are relative (see `losses`), identity is one of the styles, and the network learns to be
steady under made-up motion (see `motion`).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from vidstyle.backends.cpu import processor
from vidstyle.errors import StyleError
from vidstyle.interrupts import StopRequest
from vidstyle.media.part_file import write_file, writing
from vidstyle.networks.network import sha256_of
from vidstyle.networks.transform import TransformNetwork, identity_style, neutral_style
from vidstyle.networks.vgg import VGG
from vidstyle.training.lessons import Lesson, draw_lesson
from vidstyle.training.losses import PerceptualLoss, off_palette, out_of_range, palette, total_variation
from vidstyle.training.motion import unsteadiness
from vidstyle.training.muon import Muon
from vidstyle.training.photographs import Photographs, read_painting
from vidstyle.training.recipes import Recipe

WARM_UP = 100
"""Steps over which the learning rate rises, but a tenth of the training at most: instance norms start far from their
place."""

EVERY = 50
"""Steps between two reports, each with a checkpoint."""

STEEPEST = 10.0
"""Norm to which gradients are cut: a nearly blank crop, which instance norm blows up, gives a hundred times more."""

_ANEW = "-y without --resume starts anew"

VECTOR_RATE = 5.0
"""The vectors learn so much faster than the convolutions: their values are of order one, a kernel's of some
hundredths, and each is met only when its style is drawn. At equal rates all styles stay alike."""

STYLE_RISE = 0.03, 0.4
"""A network trained from nothing starts with this part of the style (and steadiness) weight, which rises over this
part of the steps: at full weight it first learns textures that ignore the scene, and hardly finds back."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How training goes: means since the last report; `rate` is steps a second."""

    step: int
    steps: int
    losses: dict[str, float]
    rate: float


class Trainer:
    """A training run: `run` takes it to its last step, `save` and `resume` carry it over a stop.

    `start` is the state of a trained network and its vectors by style name (identity included), as
    `TransformNetwork.state_dict()` and (S,) tensors; without it training starts from nothing.
    `samples` are some whole photographs, (1, 3, H, W) in 0..1, like those that it will learn from.
    `vgg` becomes the trainer's: it is moved to `device`, its kernels into the type that training computes in.
    """

    def __init__(
        self,
        recipe: Recipe,
        vgg: VGG,
        *,
        device: torch.device,
        samples: Sequence[Tensor],
        start: tuple[dict[str, Tensor], dict[str, Tensor]] | None = None,
    ) -> None:
        self.recipe, self.device = recipe, device
        torch.manual_seed(recipe.seed)
        self.network = TransformNetwork(recipe.architecture)
        vectors = {"identity": identity_style(recipe.architecture)}
        vectors |= {style.name: neutral_style(recipe.architecture) for style in recipe.styles}
        if start is not None:
            self.network.load_state_dict(start[0])
            average = torch.stack(list(start[1].values())).mean(0)
            vectors = {name: start[1].get(name, average).clone() for name in vectors}
        self.names = list(vectors)
        _move(self.network, device)
        self.vectors = nn.Parameter(torch.stack(list(vectors.values())).to(device))
        if recipe.architecture.bypass:  # 1 and 0 by definition: a painting that lets the picture through stays bare
            learned = torch.ones_like(self.vectors)
            learned[:, -3:] = 0
            self.vectors.register_hook(lambda slope: slope * learned)
        _move(vgg, device)
        vgg.convolutions.to(training_type(device))  # once; autocast would do it in every step
        self.loss = PerceptualLoss(
            vgg, recipe.weights, period=recipe.architecture.stride, photographs=[s.to(device) for s in samples]
        )
        paintings = [
            [read_painting(path, longest=style.size, trim=style.trim).to(device) for path in style.paintings]
            for style in recipe.styles
        ]
        self.palettes = tuple(torch.stack(part) for part in zip(*map(palette, paintings), strict=True))
        targets = [self.loss.targets(pictures) for pictures in paintings]
        self.targets = {layer: torch.stack([t[layer] for t in targets]) for layer in recipe.weights.style_layers}
        self.strengths = torch.tensor([s.strength for s in recipe.styles], device=device)
        self.from_nothing = start is None
        self.fingerprint = _fingerprint(recipe, self.network)
        tuned = self._tuned()
        kernels, biases = ([p for p in tuned if (p.dim() > 1) == matrix] for matrix in (True, False))
        groups = [{"params": [self.vectors], "factor": VECTOR_RATE}, {"params": biases, "factor": 1.0}]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam([g for g in groups if g["params"]], lr=recipe.rate)
        ]
        if kernels:
            self.optimisers.append(Muon([{"params": kernels, "factor": 1.0}], lr=recipe.rate))
        self.step = 0

    def _tuned(self) -> list[nn.Parameter]:
        """The network's parameters that learn: none, those of its second half, or all."""
        half = self.recipe.architecture.blocks // 2
        second_half = ("up", "refine", "head", *(f"block{i}." for i in range(half, self.recipe.architecture.blocks)))
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(
                self.recipe.tune == "all" or (self.recipe.tune == "decoder" and name.startswith(second_half))
            )
        return [p for p in self.network.parameters() if p.requires_grad]

    def run(
        self,
        photographs: Photographs,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        save_to: Path | None = None,
        every: int = EVERY,
        stop: StopRequest | None = None,
    ) -> None:
        """Train to the recipe's last step, reporting and saving `every` so many steps.

        Raises StyleError if the loss stops being a number; the last checkpoint is then still good. Once `stop` is
        asked for, saves after the step in hand and raises its error.
        """
        recipe = self.recipe
        batches = photographs.batches(recipe.batch, seed=recipe.seed, first=self.step)
        sums: dict[str, float] = {}
        began, counted = time.perf_counter(), 0
        while self.step < recipe.steps:
            for group in self._groups():
                group["lr"] = self._learning_rate() * group["factor"]
            losses = self._learn(next(batches))
            self.step, counted = self.step + 1, counted + 1
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step % every == 0 or self.step == recipe.steps:
                means = {name: value / counted for name, value in sums.items()}
                if not all(map(math.isfinite, means.values())):
                    raise StyleError(f"training diverged at step {self.step}: {means}; a recipe may set a lower rate")
                if save_to is not None:
                    self.save(save_to)
                elapsed = time.perf_counter() - began
                report(Progress(step=self.step, steps=recipe.steps, losses=means, rate=counted / elapsed))
                sums, counted, began = {}, 0, time.perf_counter()
            if stop is not None and stop.error is not None:
                if save_to is not None:
                    self.save(save_to)
                raise stop.error

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimiser in self.optimisers for group in optimiser.param_groups]

    def _learning_rate(self) -> float:
        rehearsal = self.recipe.rehearsal if self.from_nothing else 0
        phase = self.step - rehearsal if self.step >= rehearsal else self.step  # the losses change, so warm up again
        warm = min(1.0, (phase + 1) / min(WARM_UP, math.ceil(self.recipe.steps / 10)))
        return self.recipe.rate * warm * 0.5 * (1 + math.cos(math.pi * self.step / self.recipe.steps))

    def _rise(self) -> float:
        """The factor of style and steadiness at this step, rising geometrically to 1."""
        first, part = STYLE_RISE
        done = (self.step - self.recipe.rehearsal) / (part * self.recipe.steps)
        return first ** max(0.0, 1 - done) if self.from_nothing else 1.0

    def _learn(self, photographs: Tensor) -> dict[str, float]:
        """One step on (N, 3, H, W) photographs, each in a style drawn by its share."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        rehearsal = self.from_nothing and self.step < self.recipe.rehearsal
        lesson = draw_lesson(self.recipe, photographs, step=self.step, rehearsal=rehearsal)
        terms = self._judge(lesson.to(self.device))
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        tuned = [parameter for group in self._groups() for parameter in group["params"]]
        slope = torch.nn.utils.clip_grad_norm_(tuned, STEEPEST)
        if torch.isfinite(slope):  # a blank crop can overflow; one step less is nothing, a broken network is
            for optimiser in self.optimisers:
                optimiser.step()
        return {name: term.item() for name, term in terms.items()} | {"total": total.item()}

    def _judge(self, lesson: Lesson) -> dict[str, Tensor]:
        """Paint a lesson's pictures; returns what counts against them, weighted and averaged over all of them."""
        weights, rise, number = self.recipe.weights, self._rise(), training_type(self.device)
        photographs, as_is = lesson.photographs, lesson.as_is
        n, pairs = len(photographs), len(lesson.moved)
        vectors = self.vectors[lesson.vectors]
        spikes: list[Tensor] = []
        with torch.autocast(self.device.type, dtype=number, enabled=number != torch.float32):
            both = torch.cat([photographs, lesson.moved]).contiguous(memory_format=torch.channels_last)
            result = self.network(both, torch.cat([vectors, vectors[:pairs]]), spikes)
            painted, painted_moved = result.float().split([n, pairs])
            unsteady = unsteadiness(painted[:pairs], painted_moved, lesson.motion)
            terms = {
                "steadiness": unsteady.mean() * weights.steadiness * rise,
                "variation": total_variation(painted)[~as_is].sum() / n * weights.variation,
                "spikes": torch.stack(spikes).sum(0).mean() * weights.spikes,
                "range": out_of_range(painted).mean() * weights.out_of_range,
                "identity": (painted - photographs)[as_is].square().mean((1, 2, 3)).sum() / n * weights.identity,
            }
            if as_is.all():
                return terms
            chosen = lesson.styles[~as_is]
            content, style, lattice = self.loss(
                painted[~as_is].contiguous(memory_format=torch.channels_last),
                photographs[~as_is].contiguous(memory_format=torch.channels_last),
                {layer: grams[chosen] for layer, grams in self.targets.items()},
            )
            colours = off_palette(painted[~as_is], *(part[chosen] for part in self.palettes))
            return terms | {
                "palette": colours.sum() / n * weights.palette,
                "lattice": lattice.sum() / n * weights.lattice,
                "content": content.sum() / n * weights.content,
                "style": (style * self.strengths[chosen]).sum() / n * weights.style * rise * len(self.targets),
            }

    def vector(self, name: str) -> Tensor:
        """The learned vector of a style, (S,) float32 on the CPU."""
        return self.vectors[self.names.index(name)].detach().cpu().float().clone()

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the one before. Raises OutputError."""
        state = {
            "network": self.network.state_dict(),
            "names": self.names,
            "fingerprint": self.fingerprint,
            "vectors": self.vectors.detach(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
        }
        data = BytesIO()
        torch.save(state, data)  # into a file, PyTorch calls a full disk a RuntimeError
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data.getvalue())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same paintings. Raises StyleError if it does not fit.

        How they are learned may change on the way: steps, rate, crops, weights of the losses.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            if state["names"] != self.names:
                raise StyleError(f"{path}: trained the styles {state['names']}, not {self.names}")
            if "fingerprint" not in state:
                raise StyleError(f"{path}: an earlier vidstyle did not say in it what it trained; {_ANEW}")
            told = dict(state["fingerprint"])
            if other := [what for what, value in self.fingerprint.items() if told.get(what) != value]:
                raise StyleError(f"{path}: is of a training with another {', '.join(other)}; {_ANEW}")
            self.network.load_state_dict(state["network"])
            self.vectors.data.copy_(state["vectors"])
            for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)
            self.step = int(state["step"])
        except (OSError, EOFError, UnpicklingError, LookupError, TypeError, RuntimeError, ValueError) as error:
            raise StyleError(f"{path}: not a checkpoint of this training ({error})") from error

    @torch.no_grad()
    def paint(self, photographs: Tensor, name: str) -> Tensor:
        """Paint (N, 3, H, W) photographs in 0..1 in the style called `name`, for sample sheets."""
        styles = self.vectors[self.names.index(name)].expand(len(photographs), -1)
        self.network.eval()
        result: Tensor = self.network(photographs.to(self.device), styles).float().cpu()
        self.network.train()
        return result


def _move(module: nn.Module, device: torch.device) -> None:
    """Move a module to the device, its kernels with their channels last in memory, as convolutions like them."""
    to: Callable[..., object] = module.to  # PyTorch 2.13's types do not know `memory_format`
    to(device, memory_format=torch.channels_last)


def _fingerprint(recipe: Recipe, network: TransformNetwork) -> dict[str, str]:
    """What is learned, as words and checksums: a checkpoint of anything else would be published as what it is not.

    `network` is as it was at the start, which counts where it stays so.
    """
    found = {"architecture": str(recipe.architecture.to_json()), "--tune": recipe.tune}
    if recipe.tune == "style":
        digest = hashlib.sha256()
        for weight in network.state_dict().values():
            digest.update(weight.cpu().numpy().tobytes())
        found["network"] = digest.hexdigest()
    for style in recipe.styles:
        found[f"painting of {style.name}"] = " ".join(map(sha256_of, style.paintings))
        found[f"size of {style.name}"] = str(style.size)
        found[f"trim of {style.name}"] = str(style.trim)
    return found


def training_type(device: torch.device) -> torch.dtype:
    """bf16, which has fp32's range so that losses need no scaling, but not on a CPU that would emulate it."""
    return torch.float32 if device.type == "cpu" and not processor().bf16 else torch.bfloat16
