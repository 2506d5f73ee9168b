"""Which backends there are, and which one runs.

A plain table, name to "module:Class"; a module is imported only when its turn comes, so the fast
path never loads what it does not use.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from vidstyle.backends import gpu
from vidstyle.backends.protocol import Availability, Backend, Engine, EngineSpec, Say
from vidstyle.cache import tell_stand_in
from vidstyle.errors import BackendError, OutOfMemory, UsageError
from vidstyle.networks.network import Network
from vidstyle.suggest import did_you_mean

BACKENDS = {
    "tensorrt": "vidstyle.backends.tensorrt:TensorRT",
    "openvino": "vidstyle.backends.openvino:OpenVino",
    "torch": "vidstyle.backends.torch:Torch",
}
"""Every backend, best first for the processor or GPU it is made for."""

INSTALL = {
    "tensorrt": "pip install 'vidstyle[tensorrt]'",
    "openvino": "pip install openvino",
    "torch": "pip install 'vidstyle[torch]'",
}


def get_backend(name: str) -> Backend:
    """The backend called `name`, its module imported. Raises UsageError for an unknown name."""
    if name not in BACKENDS:
        raise _unknown(name)
    module, _, attribute = BACKENDS[name].partition(":")
    backend: Backend = getattr(importlib.import_module(module), attribute)()
    return backend


def check_backend(name: str) -> None:
    """Refuse a name that is neither a backend's nor "auto", without importing any. Raises UsageError."""
    if name not in ("auto", *BACKENDS):
        raise _unknown(name)


def available_backend(name: str) -> Backend:
    """The backend called `name`, which can run here. Raises UsageError for an unknown name, else BackendError."""
    chosen = get_backend(name)
    availability = chosen.available()
    if not availability.ok:
        raise BackendError(f"backend {name} is not available: {availability.reason}")
    return chosen


def open_engine(network: Network, spec: EngineSpec, *, backend: str, say: Say) -> tuple[Engine, list[str]]:
    """Compile `network` with `backend`, or, for "auto", with the best one available.

    Returns the engine and one line of reason for each backend passed over. Where not even one frame
    fits the memory, or the spec asks for it, the engine paints in tiles, and that is said. Raises
    BackendError if the backend asked for, or every one, cannot run here; OutOfMemory for a batch of
    more than one frame that does not fit.
    """
    if spec.tile:
        return _open_tiled(network, spec, say, reason="as asked"), []
    try:
        if backend == "auto":
            return _first_that_loads(network, spec, say)
        return available_backend(backend).load(network, spec, say), []
    except OutOfMemory as error:
        if spec.batch > 1 or network.architecture is None:
            raise
        return _open_tiled(network, spec, say, reason=str(error)), []
    finally:
        tell_stand_in(say)


def survey() -> list[tuple[str, Availability]]:
    """Every backend and whether it can run here, in the order of `auto`."""
    return [(name, _availability(name)) for name in auto_order()]


def auto_order(device: str = "auto") -> Sequence[str]:
    """The order in which `auto` tries: PyTorch before OpenVINO only for a GPU that OpenVINO cannot use."""
    found = gpu.accelerator()
    if found and (device == "auto" or device.lower().startswith(found)):
        return ("tensorrt", "torch", "openvino")
    return ("tensorrt", "openvino", "torch")


def _unknown(name: str) -> UsageError:
    return UsageError(f"no backend {name!r}{did_you_mean(name, BACKENDS)}; there are: auto, {', '.join(BACKENDS)}")


def _first_that_loads(network: Network, spec: EngineSpec, say: Say) -> tuple[Engine, list[str]]:
    passed_over: list[str] = []
    for name in auto_order(spec.device):
        availability = _availability(name)
        if not availability.ok:
            passed_over.append(f"{name}: {availability.reason}")
            continue
        try:
            return get_backend(name).load(network, spec, say), passed_over
        except OutOfMemory:
            raise
        except BackendError as error:
            passed_over.append(f"{name}: {error}")
    raise BackendError("no engine can run here: " + "; ".join(passed_over))


def _open_tiled(network: Network, spec: EngineSpec, say: Say, *, reason: str) -> Engine:
    from vidstyle.backends.tiles import open_tiled

    say(f"painting in tiles on the processor, which takes several times as long ({reason})")
    return open_tiled(network, spec)


def _availability(name: str) -> Availability:
    """Availability, with a module that is not part of this installation as a reason like any other."""
    try:
        return get_backend(name).available()
    except ImportError as error:
        return Availability(ok=False, reason=f"{error}; install it with: {INSTALL[name]}")
