"""Where a new style begins: at the known style whose pictures come nearest to its painting.

From there the strokes have less far to go than from the average of all styles, which paints hardly any.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vidstyle.styles import IDENTITY
from vidstyle.training.trainer import Trainer, training_type


@torch.no_grad()
def begin_at_nearest(trainer: Trainer, known: Mapping[str, Tensor], photographs: Tensor) -> dict[str, str]:
    """Give each style of the recipe that is not in `known` the vector of the nearest that is.

    `known` has the (S,) vectors that the trainer's network was trained with; `photographs` are
    (N, 3, H, W) RGB in 0..1. Near is what has the least content and style loss, weighted as in the
    recipe. Returns the name of the nearest for each new style; nothing where only identity is known.
    """
    weights, device = trainer.recipe.weights, trainer.device
    new = [style.name for style in trainer.recipe.styles if style.name not in known]
    photographs = photographs.to(device).contiguous(memory_format=torch.channels_last)
    number = training_type(device)
    losses: dict[str, dict[str, float]] = {name: {} for name in new}
    trainer.network.eval()
    for candidate in known if new else ():
        if candidate == IDENTITY:
            continue
        vectors = known[candidate].to(device).expand(len(photographs), -1)
        with torch.autocast(device.type, dtype=number, enabled=number != torch.float32):
            painted = trainer.network(photographs, vectors).float()
            found, content = trainer.loss.look(painted, photographs)
            for name in new:
                target = {layer: grams[_index(trainer, name)] for layer, grams in trainer.targets.items()}
                style = trainer.loss.style(found, target) * len(target)
                losses[name][candidate] = (weights.content * content + weights.style * style).mean().item()
    trainer.network.train()
    nearest = {name: min(loss, key=loss.__getitem__) for name, loss in losses.items() if loss}
    for name, candidate in nearest.items():
        trainer.vectors.data[trainer.names.index(name)] = known[candidate].to(device)
    return nearest


def _index(trainer: Trainer, name: str) -> slice:
    """The style's place among the recipe's, as a slice, so that its Gram matrices keep their first dimension."""
    place = [style.name for style in trainer.recipe.styles].index(name)
    return slice(place, place + 1)
