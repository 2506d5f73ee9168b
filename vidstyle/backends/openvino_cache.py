"""Networks that OpenVINO has compiled, on disk: half of a processor's compiling is saved, and nearly all of a GPU's.

Not OpenVINO's own cache (`CACHE_DIR`): that one paints from a damaged file without a word, removes nothing, a file for
each size of picture, and maps files into memory, where one that another process writes meanwhile is a bus error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vidstyle.backends import cpu
from vidstyle.backends.engine_cache import KeptEngine
from vidstyle.backends.protocol import Say

if TYPE_CHECKING:
    import openvino


def compiled(
    core: openvino.Core,
    model: openvino.Model,
    device: str,
    config: Mapping[str, Any],
    *,
    key: Mapping[str, str | int],
    say: Say,
) -> openvino.CompiledModel:
    """`model` compiled for `device` with `config`, or what was kept of it; `key` is all that `model` depends on.

    Raises what OpenVINO raises, and BackendError if the cache cannot be used.
    """
    settings = dict(config)
    if "EXPORT_IMPORT" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
        return core.compile_model(model, device, settings)
    made_for = {"device": device, "config": str(sorted(settings.items())), "versions": versions(core, device)}
    kept = KeptEngine({**key, **made_for}, part="openvino", suffix=".blob", name="OpenVINO engine", say=say)
    if (engine := kept.read()) is not None:
        try:
            return core.import_model(engine, device, settings)
        except RuntimeError as error:
            kept.discard(f"OpenVINO does not take it ({' '.join(str(error).split())[-200:]})")
    ready = core.compile_model(model, device, settings)
    kept.write(ready.export_model().getvalue())
    return ready


def versions(core: openvino.Core, device: str) -> str:
    """Libraries, device, its driver and the processor, which compiled networks and verdicts on them are for."""
    import openvino

    drivers = [name for name in core.get_property(device, "SUPPORTED_PROPERTIES") if name.endswith("DRIVER_VERSION")]
    told = [core.get_property(device, name) for name in ("FULL_DEVICE_NAME", *drivers)]
    return " ".join(map(str, [openvino.__version__, *told, cpu.processor()]))
