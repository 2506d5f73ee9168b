"""A stand-in for the `tensorrt` module, 10.12 to 11, that insists on the documented order of calls.

As with the real one, a failure is a False or a None and a line in the log; what the documentation calls
undefined is an AssertionError here. The network it "runs" paints 255 - frames + style[0], modulo 256.
"""

# ruff: noqa: N802 -- the names are TensorRT's

from __future__ import annotations

import json
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.backends.fake_cuda import FakeCuda, Stream

DataType = Enum("DataType", ["UINT8", "FLOAT", "HALF", "INT64"])
Severity = Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
_ONNX_TYPES = {TensorProto.UINT8: DataType.UINT8, TensorProto.FLOAT: DataType.FLOAT}


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        self.initialised = True


class IProgressMonitor:
    def __init__(self) -> None:
        self.initialised = True


class Dims(tuple[int, ...]):
    """A shape."""


class FakeTensorRT:
    """The module. `refuse` names the steps that fail, `reason` is what the log then says."""

    ILogger = ILogger
    IProgressMonitor = IProgressMonitor
    Dims = Dims
    DataType = DataType
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    PreviewFeature = SimpleNamespace(RUNTIME_ACTIVATION_RESIZE_10_10="resize")
    BuilderFlag = SimpleNamespace(TF32="tf32")
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user")

    def __init__(self, cuda: FakeCuda, version: str = "11.4.0") -> None:
        self.cuda = cuda
        self.__version__ = version
        self.refuse: set[str] = set()
        self.reason = "because the test wants it"
        self.builds = 0
        self.configs: list[Config] = []
        self.painted_type = "UINT8"
        self.turns: dict[int, list[int]] = {}

    def refused(self, step: str, logger: Any, reason: str | None = None) -> bool:
        """Whether `step` fails, by the test's wish or for `reason`; if so the log says why."""
        if step not in self.refuse and reason is None:
            return False
        logger.log(Severity.ERROR, f"{step}: {reason or self.reason}")
        return True

    def make(self, what: str, logger: Any) -> None:
        """An object that TensorRT does not give is a null pointer to its bindings."""
        if self.refused(what, logger):
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def Builder(self, logger: ILogger) -> Builder:
        assert logger.initialised
        self.make("builder", logger)
        return Builder(self, logger)

    def OnnxParser(self, network: Network, logger: ILogger) -> Parser:
        return Parser(self, network)

    def Runtime(self, logger: ILogger) -> Runtime:
        self.make("runtime", logger)
        return Runtime(self, logger)


class Network:
    def __init__(self, strongly_typed: bool) -> None:
        self.strongly_typed = strongly_typed
        self.inputs: dict[str, tuple[DataType, list[int]]] = {}


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Dims, Dims, Dims]] = {}

    def set_shape(self, name: str, smallest: Dims, tuned: Dims, largest: Dims) -> None:
        assert all(isinstance(d, Dims) for d in (smallest, tuned, largest))
        assert all(a <= b <= c for a, b, c in zip(smallest, tuned, largest, strict=True))
        self.shapes[name] = (smallest, tuned, largest)


class Config:
    def __init__(self, trt: FakeTensorRT, logger: ILogger) -> None:
        self.trt, self.logger = trt, logger
        self.profiles: list[Profile] = []
        self.builder_optimization_level = -1
        self.progress_monitor: Any = None
        self.pools: dict[str, int] = {}
        self.previews: set[str] = set()
        self.cleared: set[str] = set()

    def add_optimization_profile(self, profile: Profile) -> int:
        if self.trt.refused("profile", self.logger):
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.pools[pool] = size

    def set_preview_feature(self, feature: str, enable: bool) -> None:
        self.previews.add(feature)

    def clear_flag(self, flag: str) -> None:
        self.cleared.add(flag)


class Builder:
    def __init__(self, trt: FakeTensorRT, logger: ILogger) -> None:
        self.trt, self.logger = trt, logger

    def create_network(self, flags: int) -> Network:
        return Network(strongly_typed=bool(flags & 1 << 1))

    def create_builder_config(self) -> Config:
        self.trt.configs.append(Config(self.trt, self.logger))
        return self.trt.configs[-1]

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytearray | None:
        assert network.inputs, "nothing was parsed"
        assert network.strongly_typed, "TensorRT 10 would choose the types itself"
        assert config.trt.cuda.current is not None, "no device was chosen"
        free = [name for name, (_, shape) in network.inputs.items() if -1 in shape]
        assert all(name in config.profiles[0].shapes for name in free), "a free shape without a profile"
        self.trt.builds += 1
        if not self._report(config.progress_monitor) or self.trt.refused("build", self.logger):
            return None
        plan = {
            "version": self.trt.__version__,
            "gpu": self.trt.cuda.devices[self.trt.cuda.current].name.decode(),
            "inputs": {name: dtype.name for name, (dtype, _) in network.inputs.items()},
            "painted": self.trt.painted_type,
            "profile": config.profiles[0].shapes["frames"],
        }
        return bytearray(json.dumps(plan).encode())

    def _report(self, monitor: Any) -> bool:
        """Call the monitor as the real builder does; whether the build goes on."""
        assert monitor.initialised
        monitor.phase_start("Building", None, 2)
        monitor.phase_start("Timing", "Building", 1)
        goes_on = monitor.step_complete("Timing", 0)
        monitor.phase_finish("Timing")
        goes_on = goes_on and monitor.step_complete("Building", 0) and monitor.step_complete("Building", 1)
        monitor.phase_finish("Building")
        return bool(goes_on)


class Parser:
    def __init__(self, trt: FakeTensorRT, network: Network) -> None:
        self.trt, self.network = trt, network
        self.errors: list[str] = []

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> Any:
        text = self.errors[index]
        return SimpleNamespace(desc=lambda: text, node_name=lambda: "head", node_operator=lambda: "Conv")

    def parse(self, model: bytes) -> bool:
        if "parse" in self.trt.refuse:
            self.errors.append(self.trt.reason)
            return False
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph, full_check=True)
        check_types(graph)
        for value in graph.graph.input:
            shape = [d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim]
            self.network.inputs[value.name] = (_ONNX_TYPES[value.type.tensor_type.elem_type], shape)
        return True


def check_types(model: onnx.ModelProto) -> None:
    """TensorRT's rule for uint8: only at the network's edge, only cast to and from fp16 and fp32."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.input, *inferred.output)}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    for node in inferred.node:
        bytes_in = [name for name in node.input if types.get(name) == TensorProto.UINT8]
        bytes_out = [name for name in node.output if types.get(name) == TensorProto.UINT8]
        if bytes_in or bytes_out:
            assert node.op_type == "Cast", f"{node.op_type} {node.name} works on uint8"
            assert all(name in {i.name for i in inferred.input} for name in bytes_in)
            assert all(name in {o.name for o in inferred.output} for name in bytes_out)
            assert all(
                types[name] in floats for name in (*node.input, *node.output) if name not in bytes_in + bytes_out
            )


class Runtime:
    def __init__(self, trt: FakeTensorRT, logger: ILogger) -> None:
        self.trt, self.logger = trt, logger

    def deserialize_cuda_engine(self, serialized: bytes) -> Engine | None:
        plan = json.loads(serialized)
        gpu = self.trt.cuda.devices[self.trt.cuda.current or 0].name.decode()
        reason = None if (plan["version"], plan["gpu"]) == (self.trt.__version__, gpu) else "plan of another version"
        if self.trt.refused("deserialize", self.logger, reason):
            return None
        return Engine(self.trt, self.logger, plan)


class Engine:
    def __init__(self, trt: FakeTensorRT, logger: ILogger, plan: dict[str, Any]) -> None:
        self.trt, self.logger = trt, logger
        self.types = {**plan["inputs"], "painted": plan["painted"]}
        self.profile = [Dims(shape) for shape in plan["profile"]]
        self.num_io_tensors = len(self.types)

    def get_tensor_name(self, index: int) -> str:
        return list(self.types)[index]

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[self.types[name]]

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        assert (name, profile_index) == ("frames", 0)
        return self.profile

    def create_execution_context(self, strategy: str) -> Context | None:
        assert strategy == "user"
        return None if self.trt.refused("context", self.logger) else Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.trt, self.logger = engine, engine.trt, engine.logger
        self.shape: Dims | None = None
        self.addresses: dict[str, int] = {}
        self.memory: int | None = None
        self.flushed = False
        self.changes = 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self.engine.profile
        fits = all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True))
        if name != "frames" or self.trt.refused("shape", self.logger, None if fits else "outside the profile"):
            return False
        self.shape, self.flushed = Dims(shape), False
        self.changes += 1
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self.engine.types or self.trt.refused("address", self.logger):
            return False
        self.addresses[name] = memory
        self.changes += 1
        return True

    def infer_shapes(self) -> list[str]:
        return [] if self.shape else ["frames"]

    def get_tensor_shape(self, name: str) -> Dims:
        assert name == "painted"
        return self.shape or Dims((-1, -1, -1, 3))

    def needed(self) -> int:
        return int(np.prod(self.shape or (0,))) * 4

    def update_device_memory_size_for_shapes(self) -> int:
        assert self.shape, "all shapes must be known"
        return self.needed()

    def set_device_memory(self, memory: int, size: int) -> None:
        assert size >= self.needed()
        self.trt.cuda.bytes_at(memory, size)
        self.memory = memory
        self.changes += 1

    def execute_async_v3(self, stream_handle: int) -> bool:
        stream = self.trt.cuda.streams[stream_handle]
        missing = [name for name in self.engine.types if name not in self.addresses]
        problem = f"no address for {missing}" if missing else None if self.memory else "no device memory"
        if stream.recorded is not None and not self.flushed:
            problem = "recorded before the first run with these shapes"
        if stream.recorded is not None and "record" in self.trt.refuse:
            problem = "cannot be recorded"
        if self.trt.refused("enqueue", self.logger, problem):
            return False
        self.flushed = True
        changes = self.changes

        def put(on: Stream) -> None:
            assert changes == self.changes, "the context was changed after it was recorded"
            turns = self.trt.turns.setdefault(self.memory or 0, [])
            turn = len(turns)
            turns.append(turn)
            on.work.append(lambda: self._paint(turn))

        stream.enqueue(put)
        return True

    def _paint(self, turn: int) -> None:
        waiting = self.trt.turns[self.memory or 0]
        assert waiting[turn] == turn
        assert all(done == -1 for done in waiting[:turn]), "two contexts at once in one activation memory"
        waiting[turn] = -1
        shape = self.shape or Dims()
        size = int(np.prod(shape))
        frames = self.trt.cuda.bytes_at(self.addresses["frames"], size)
        painted = self.trt.cuda.bytes_at(self.addresses["painted"], size)
        shift = 0
        if "style" in self.addresses:
            shift = int(self.trt.cuda.bytes_at(self.addresses["style"], 4).view(np.float32)[0]) & 255
        painted[:] = (255 - frames.astype(int) + shift) % 256
