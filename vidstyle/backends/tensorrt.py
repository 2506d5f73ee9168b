"""The TensorRT backend, for NVIDIA GPUs: fp16, plans compiled once for the GPU at hand and kept.

One code path serves TensorRT 10.12 to 11. `docs/tensorrt.md` tells how the files of this backend
divide the work. Nothing of NVIDIA's is imported before it is known to be there.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vidstyle.backends import fidelity
from vidstyle.backends.engine_cache import KeptEngine
from vidstyle.backends.protocol import Availability, Engine, EngineInfo, EngineSpec, Precision, Say
from vidstyle.errors import BackendError, OutOfMemory
from vidstyle.networks.network import Network

if TYPE_CHECKING:
    from vidstyle.backends.cuda_runtime import Gpu
    from vidstyle.backends.tensorrt_build import Profile

OLDEST = (10, 12)
_NEEDED = ("tensorrt", "cuda.bindings", "onnx")
_INSTALL = "pip install 'vidstyle[tensorrt]'"


class TensorRT:
    """The backend."""

    name = "tensorrt"

    def available(self) -> Availability:
        """Whether the packages, a driver and a GPU are here; the first device's name if so."""
        missing = [name for name in _NEEDED if not _installed(name)]
        if missing:
            return Availability(ok=False, reason=f"{', '.join(missing)} not installed; install with: {_INSTALL}")
        try:
            from vidstyle.backends.cuda_runtime import gpus

            devices = gpus()
            version = _version()
        except BackendError as error:
            return Availability(ok=False, reason=f"no usable NVIDIA GPU: {error}")
        except (ImportError, OSError) as error:
            return Availability(ok=False, reason=f"TensorRT does not load ({error}); install it with: {_INSTALL}")
        if not devices:
            return Availability(ok=False, reason="no NVIDIA GPU is visible")
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            return Availability(
                ok=False, reason=f"TensorRT {version} is older than {wanted}; install a newer one with: {_INSTALL}"
            )
        return Availability(ok=True, reason=f"{devices[0].name}, TensorRT {version}")

    def load(self, network: Network, spec: EngineSpec, say: Say) -> Engine:
        """Compile `network`, or take the plan that was kept. Raises OutOfMemory or BackendError."""
        from vidstyle.backends import cuda_runtime
        from vidstyle.backends.openvino import open_reference
        from vidstyle.backends.tensorrt_build import Profile

        gpu = _choose(cuda_runtime.gpus(), spec.device)
        cuda_runtime.use(gpu)
        profile = Profile.for_frames(spec.width, spec.height)

        def built(spec: EngineSpec, precision: Precision) -> EngineInfo:
            return spec.built(backend=self.name, device=f"cuda:{gpu.index}", precision=precision)

        def open_at(precision: Precision, width: int, height: int) -> Engine:
            if precision == "fp32":
                return open_reference(network, width, height)
            # Small frames through the very plan that will run: one for other sizes has other kernels.
            small = replace(spec, width=width, height=height, batch=1)
            return _open(network, built(small, precision), gpu=gpu, profile=profile, say=say)

        subject = fidelity.Subject(
            network=network, backend=self.name, device=gpu.name, versions=f"{_version()} {gpu.capability} {profile}"
        )
        if spec.precision == "auto":
            precision = fidelity.choose(subject, ("fp32", "fp16"), open_at, say)
        else:
            precision = _checked(spec.precision)
            fidelity.warn_if_unfaithful(subject, precision, open_at, say)
        return _open(network, built(spec, precision), gpu=gpu, profile=profile, say=say)


def _open(network: Network, info: EngineInfo, *, gpu: Gpu, profile: Profile, say: Say) -> Engine:
    """An engine from the kept plan if there is one that works, else from a new one."""
    import onnx

    from vidstyle.backends.tensorrt_build import build_plan
    from vidstyle.backends.tensorrt_engine import TensorRTEngine
    from vidstyle.backends.tensorrt_graph import typed_for_tensorrt

    def start(plan: bytes) -> Engine:
        part = profile.largest[0]
        return TensorRTEngine(plan, info=info, gpu=gpu, style_size=network.style_size, largest_part=part, say=say)

    graph = typed_for_tensorrt(onnx.load(str(network.graph)), info.precision).SerializeToString(deterministic=True)
    key = _key(graph, gpu=gpu, profile=profile, precision=info.precision)
    kept = KeptEngine(key, part="tensorrt", suffix=".plan", name="TensorRT plan", say=say)
    with kept.locked():
        plan = kept.read()
        if plan is not None:
            try:
                return start(plan)
            except OutOfMemory:
                raise  # nothing is wrong with the plan: a smaller batch will use it
            except BackendError as error:
                kept.discard(str(error))
        plan = build_plan(graph, profile, precision=info.precision, say=say)
        kept.write(plan)
    return start(plan)


def _key(graph: bytes, *, gpu: Gpu, profile: Profile, precision: Precision) -> dict[str, str | int]:
    """All that a plan depends on: it fits one graph, one TensorRT, one kind of GPU and one system only."""
    from vidstyle.backends.tensorrt_build import OPTIMIZATION_LEVEL, WORKSPACE

    return {
        "graph": hashlib.sha256(graph).hexdigest(),
        "tensorrt": _version(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": gpu.name,
        "capability": gpu.capability,
        "precision": precision,
        "profile": str(profile),
        "optimization_level": OPTIMIZATION_LEVEL,
        "workspace": WORKSPACE,
    }


def _checked(precision: Precision) -> Precision:
    if precision not in ("fp16", "fp32"):
        raise BackendError(f"TensorRT has precisions fp16 and fp32 here, not {precision}")
    return precision


def _choose(devices: list[Gpu], wanted: str) -> Gpu:
    """The device called "auto", "cuda" or "cuda:N". Raises BackendError if there is none."""
    names = {f"cuda:{gpu.index}": gpu for gpu in devices}
    name = wanted.lower()
    if name in ("auto", "cuda"):
        return devices[0]
    if name in names:
        return names[name]
    raise BackendError(f"backend tensorrt has no device {wanted!r}; there are: {', '.join(names)}")


def _version() -> str:
    return str(import_module("tensorrt").__version__)


def _installed(name: str) -> bool:
    """Whether a module could be imported; asks without importing it."""
    parent = name.rpartition(".")[0]
    return (not parent or find_spec(parent) is not None) and find_spec(name) is not None
