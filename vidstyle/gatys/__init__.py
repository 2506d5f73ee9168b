"""The offline path: every frame's pixels optimised. `render` is all that the rest of vidstyle calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidstyle.backends.protocol import Say
    from vidstyle.fileloop import Progress
    from vidstyle.report import RenderReport
    from vidstyle.settings import RenderOptions
    from vidstyle.style_library import Library


def render(
    source: str,
    target: str,
    *,
    options: RenderOptions,
    library: Library | None = None,
    say: Say = lambda line: None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> RenderReport:
    """Paint the film `source` into `target` by optimisation; see `vidstyle.gatys.render_film`.

    The imports wait until here: they load PyTorch.
    """
    from vidstyle.backends.heap import prepare_to_optimise

    prepare_to_optimise()
    from vidstyle.gatys.render_film import GatysJob

    return GatysJob(source, target, options=options, library=library, say=say, progress=progress).run()
