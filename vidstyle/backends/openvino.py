"""OpenVINO: the default on processors, and for Intel's GPUs and NPUs by `--device`.

Compiled for one frame size: that takes a tenth of a second on a processor, half of it from the cache, and runs about
1.5 times faster than a graph of free size. A batch is run as single frames, several at once on a share of the
cores each: the same total speed as a batched graph or better, any number of frames up to the batch
without compiling again, and the statistics of one frame stay in the cache of its cores.
"""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from vidstyle.backends import cpu, fidelity, int8
from vidstyle.backends.openvino_cache import compiled, versions
from vidstyle.backends.openvino_core import openvino_core
from vidstyle.backends.openvino_unfold import unfold, without_unfold
from vidstyle.backends.protocol import Availability, Engine, EngineInfo, EngineSpec, Precision, Say
from vidstyle.errors import BackendError, OutOfMemory
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network

if TYPE_CHECKING:
    import openvino

_HINTS: dict[Precision, str] = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
_FORMAT = 1
"""Of compiled networks in the cache: another number where one is made ready for compiling in another way."""

_OUT_OF_MEMORY = ("bad_alloc", "allocat", "out of memory", "out_of_resources", "out of resources")


class OpenVino:
    """The backend."""

    name = "openvino"

    def available(self) -> Availability:
        """Whether the package is installed; finding it is enough, its CPU plugin runs everywhere."""
        if importlib.util.find_spec("openvino") is None:
            return Availability(ok=False, reason="not installed; install it with: pip install openvino")
        return Availability(ok=True, reason=f"on {cpu.processor().model}")

    def load(self, network: Network, spec: EngineSpec, say: Say) -> Engine:
        """Compile `network` for frames of the spec's size. Raises BackendError or OutOfMemory."""
        core = openvino_core()
        device = _device(core, spec.device)
        model = _read(core, network)

        subject = fidelity.Subject(network=network, backend=self.name, device=device, versions=versions(core, device))

        def open_at(precision: Precision, width: int, height: int) -> Engine:
            where = "CPU" if precision == "fp32" else device
            size = EngineSpec(width=width, height=height, latency=True)
            return _compile(
                core, network, model, size, device=where, precision=precision, rest=rest(precision), say=say
            )

        def rest(precision: Precision) -> Precision:
            """What all but the quantised convolutions compute in: bf16 where that alone is faithful and faster."""
            if precision != "int8" or not cpu.processor().bf16:
                return "fp32"
            verdict = fidelity.judge(subject, "bf16", open_at, say)
            return "bf16" if verdict.faithful and verdict.relative_time < 1 else "fp32"

        if spec.precision == "auto":
            precision = fidelity.choose(subject, _candidates(core, model, device, latency=spec.latency), open_at, say)
        else:
            precision = _checked(core, model, device, spec.precision)
            fidelity.warn_if_unfaithful(subject, precision, open_at, say)
        return _compile(core, network, model, spec, device=device, precision=precision, rest=rest(precision), say=say)


def open_reference(network: Network, width: int, height: int) -> Engine:
    """The fp32 engine on the processor that others are compared with, for frames of one size."""
    spec = EngineSpec(width=width, height=height, latency=True)
    core = openvino_core()
    return _compile(core, network, _read(core, network), spec, device="CPU", precision="fp32")


def _read(core: openvino.Core, network: Network) -> openvino.Model:
    try:
        return core.read_model(network.graph)
    except (RuntimeError, MemoryError) as error:
        raise translated(error, f"OpenVINO cannot read {network.name}") from error


def _compile(
    core: openvino.Core,
    network: Network,
    model: openvino.Model,
    spec: EngineSpec,
    *,
    device: str,
    precision: Precision,
    rest: Precision = "fp32",
    say: Say = lambda line: None,
) -> Engine:
    """An engine in `precision` of `network`, whose graph is `model`, which stays as it is.

    For int8, `rest` is what the convolutions that are not quantised compute in.
    """
    key: dict[str, str | int] = {"format": _FORMAT, "network": network.sha256}
    key |= {"width": spec.width, "height": spec.height}
    try:
        model = model.clone()
        if precision == "int8":
            key["int8"] = int8.quantise(core, model, network, fidelity.known_styles(network), say)
        model, unfolds = without_unfold(model)
        model.reshape({model.input(0): [1, spec.height, spec.width, 3]})
        config = _config(device, _HINTS[rest if precision == "int8" else precision], spec)
        ready = compiled(core, model, device, config, key=key, say=say)
    except (RuntimeError, MemoryError) as error:
        raise translated(error, f"OpenVINO cannot compile {network.name} for {device}") from error
    info = spec.built(backend=OpenVino.name, device=device, precision=precision)
    return OpenVinoEngine(ready, info, unfolds=unfolds)


class OpenVinoEngine:
    """A compiled network with as many requests in flight as it has streams.

    With `unfolds` the network's output is (1, H'/u, W'/u, 3 u u): blocks of u by u pixels, still to be laid out.
    """

    def __init__(self, compiled: openvino.CompiledModel, info: EngineInfo, *, unfolds: bool = False) -> None:
        self._info = info
        self._takes_style = len(compiled.inputs) > 1
        self._compiled: openvino.CompiledModel | None = compiled
        wanted = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._requests = [compiled.create_infer_request() for _ in range(min(wanted, info.batch))]
        shape = tuple(compiled.output(0).get_shape())
        self._blocks = [np.empty(shape, np.uint8) for _ in self._requests] if unfolds else None

    @property
    def info(self) -> EngineInfo:
        return self._info

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB in the style (S,) float32; N is at most `info.batch`."""
        if self._compiled is None:
            raise BackendError("this engine is closed")
        self._info.check(images.shape)
        images = np.require(images, requirements=["C", "W"])  # OpenVINO refuses to share what is read-only
        style = np.require(style, np.float32, requirements=["C", "W"])
        painted = np.empty_like(images)
        at_once = len(self._requests)
        try:
            for i in range(len(images) + at_once):
                if i >= at_once:
                    self._finish(i % at_once, painted[i - at_once])
                if i < len(images):
                    self._start(i % at_once, images[i : i + 1], painted[i : i + 1], style)
        except BaseException as error:
            self._settle()
            if isinstance(error, RuntimeError | MemoryError):
                raise translated(error, "OpenVINO failed to run") from error
            raise
        return painted

    def close(self) -> None:
        """Give back the compiled network; a second call does nothing."""
        self._requests.clear()
        self._compiled = None

    def _start(self, number: int, image: ImageArray, painted: ImageArray, style: StyleVector) -> None:
        """Have a request read and write the arrays' own memory; the caller keeps them alive."""
        import openvino

        request = self._requests[number]
        target = self._blocks[number] if self._blocks else painted
        request.set_input_tensor(0, openvino.Tensor(image, shared_memory=True))
        if self._takes_style:
            request.set_input_tensor(1, openvino.Tensor(style, shared_memory=True))
        request.set_output_tensor(openvino.Tensor(target, shared_memory=True))
        request.start_async()

    def _settle(self) -> None:
        """Wait for all requests, whatever becomes of them: they write to arrays that go when `run` ends."""
        for request in self._requests:
            with suppress(RuntimeError):
                request.wait()

    def _finish(self, number: int, painted: ImageArray) -> None:
        """Wait for a request's picture and, where that is still to be done, lay its pixels out in `painted`."""
        self._requests[number].wait()
        if self._blocks:
            unfold(self._blocks[number][0], painted)


def _device(core: openvino.Core, wanted: str) -> str:
    """OpenVINO's name of the device: "auto" is the CPU, the only one whose speed was measured."""
    if wanted.lower() in ("auto", "cpu"):
        return "CPU"  # without asking: a list of all devices wakes every driver, which takes a tenth of a second
    name = wanted.upper()
    known: list[str] = core.available_devices
    if name not in known and not any(k.startswith(f"{name}.") for k in known):
        raise BackendError(f"OpenVINO has no device {wanted!r} here; it has: {', '.join(known)}")
    return name


def _candidates(core: openvino.Core, model: openvino.Model, device: str, *, latency: bool) -> list[Precision]:
    """What `auto` tries, finest first: the trial decides, for bf16 without AMX can be slower than fp32.

    int8 shimmers a little more than the others (docs/performance.md), so films get it when it is asked for only;
    live, where every frame that comes sooner counts, it is tried.
    """
    if device == "CPU":
        tried: tuple[Precision, ...] = ("fp32", "bf16", "int8") if latency else ("fp32", "bf16")
        return [precision for precision in tried if _has(core, model, device, precision)]
    return ["fp16"] if device.startswith("NPU") else ["fp32", "fp16"]


def _checked(core: openvino.Core, model: openvino.Model, device: str, wanted: Precision) -> Precision:
    """The precision asked for, if the device has it for this network. Raises BackendError."""
    if not _has(core, model, device, wanted):
        raise BackendError(f"OpenVINO has no {wanted} on {device} here for this network; use --precision auto")
    return wanted


def _has(core: openvino.Core, model: openvino.Model, device: str, precision: Precision) -> bool:
    """Whether the device computes in `precision` itself; int8 was tried on processors only."""
    if precision == "bf16" and device == "CPU" and not cpu.processor().bf16:
        return False
    if precision == "int8" and (device != "CPU" or not int8.fit_for_int8(model)):
        return False
    return precision.upper() in core.get_property(device, "OPTIMIZATION_CAPABILITIES")


def _config(device: str, hint: str, spec: EngineSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY" if spec.latency or spec.batch == 1 else "THROUGHPUT",
    }
    if device == "CPU":
        # Decoder, encoder and preview work on the same cores: a thread tied to one waits for them there.
        config["ENABLE_CPU_PINNING"] = False
    if config["PERFORMANCE_HINT"] == "THROUGHPUT":
        config["PERFORMANCE_HINT_NUM_REQUESTS"] = spec.batch
        if device == "CPU":
            config["NUM_STREAMS"] = min(spec.batch, cpu.processor().threads)
    return config


def translated(error: Exception, what: str) -> BackendError:
    """OpenVINO's error as ours; it reports a lack of memory in words only."""
    text = " ".join(str(error).split())
    short = isinstance(error, MemoryError) or any(word in text.lower() for word in _OUT_OF_MEMORY)
    kind = OutOfMemory if short else BackendError
    return kind(f"{what}: {text[-300:]}")
