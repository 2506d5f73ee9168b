"""Runs a TensorRT plan: parts of a batch follow each other through upload, network and download.

A batch is cut into parts. Each part travels in a lane, which has its own stream and buffers, so while
one part is in the network the next is uploaded and the one before downloaded. The lanes' contexts share
one activation memory; an event lets only one of them into the network at a time.

Every part has the same shape (a short last one is run with stale frames behind it), so each lane's
network is recorded once as a CUDA graph and only replayed. A recorded graph is tied to its context and
addresses: neither ever changes here.
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from typing import Any

import numpy as np
import tensorrt as trt

from vidstyle.backends import cuda_runtime as cuda
from vidstyle.backends.cuda_runtime import Gpu
from vidstyle.backends.protocol import EngineInfo, Say
from vidstyle.backends.tensorrt_build import Shape
from vidstyle.backends.tensorrt_graph import FRAMES, PAINTED, STYLE
from vidstyle.backends.tensorrt_log import Log
from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray, StyleVector

LANES = 3
"""One part uploads, one is in the network, one downloads."""

PARTS = 4
"""Into how many parts a batch is cut: more hide more of the copies, fewer fill a large GPU better."""


class TensorRTEngine:
    """A plan on a GPU, for frames of one size. `style_size` is 0 for a network of one style.

    `largest_part` is how many frames the plan takes at once.
    """

    def __init__(
        self, plan: bytes, *, info: EngineInfo, gpu: Gpu, style_size: int, largest_part: int, say: Say
    ) -> None:
        self._info = info
        self._gpu = gpu
        self._style_size = style_size
        part = min(largest_part, -(-info.batch // PARTS))
        shape = (part, info.height, info.width, 3)
        with ExitStack() as stack:
            cuda.use(gpu)
            self._turn = cuda.event(stack)
            # Each context keeps its engine alive, the engine its runtime, the runtime its log.
            self._lanes = self._open_lanes(plan, shape, count=min(LANES, -(-info.batch // part)), stack=stack)
            self._record(stack, say)
            self._stack = stack.pop_all()

    @property
    def info(self) -> EngineInfo:
        """What was built."""
        return self._info

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB, N at most `info.batch`, in the style (S,) float32.

        Returns a new array of the same shape. Raises OutOfMemory or BackendError, and ValueError for
        other shapes than the engine was made for.
        """
        self._check(images, style)
        cuda.use(self._gpu)
        painted = np.empty(images.shape, np.uint8)
        busy: deque[tuple[_Lane, ImageArray]] = deque()
        part = self._lanes[0].frames.shape[0]
        for i, start in enumerate(range(0, len(images), part)):
            if len(busy) == len(self._lanes):
                _collect(*busy.popleft())
            lane = self._lanes[i % len(self._lanes)]
            lane.send(images[start : start + part], style, self._turn)
            busy.append((lane, painted[start : start + part]))
        while busy:
            _collect(*busy.popleft())
        return painted

    def close(self) -> None:
        """Give back the GPU's memory; a second call does nothing."""
        if self._lanes:
            cuda.use(self._gpu)
        self._lanes = []
        self._stack.close()

    def _check(self, images: ImageArray, style: StyleVector) -> None:
        if not self._lanes:
            raise BackendError("this engine is closed")
        self._info.check(images.shape)
        if self._style_size and style.shape != (self._style_size,):
            raise ValueError(f"the style is {style.shape}; this engine takes ({self._style_size},)")

    def _open_lanes(self, plan: bytes, shape: Shape, *, count: int, stack: ExitStack) -> list[_Lane]:
        """Lanes with their contexts bound, in one activation memory."""
        log, style_size = Log(), self._style_size
        with log.made("a runtime"):
            runtime = trt.Runtime(log)
        engine = _deserialize(runtime, plan, style_size=style_size, shape=shape, log=log)
        lanes = [_Lane(engine, shape=shape, style_size=style_size, log=log, stack=stack) for _ in range(count)]
        sizes = [lane.context.update_device_memory_size_for_shapes() for lane in lanes]
        memory = cuda.device_memory(max(1, *sizes), stack)  # never nothing, which CUDA would not allocate
        for lane in lanes:
            lane.context.set_device_memory(memory, max(sizes))
        return lanes

    def _record(self, stack: ExitStack, say: Say) -> None:
        """Run every lane once, then record it. Without recording it still runs, only slower: that is said."""
        for lane in self._lanes:
            # The first run after a change of shapes does work on the host that must not be recorded.
            lane.enqueue()
            cuda.synchronize(lane.stream)
            try:
                with cuda.recording(lane.stream) as graphs:
                    lane.enqueue()
                lane.graph = cuda.executable(graphs[0], stack)
            except BackendError as error:
                say(f"TensorRT: going on without CUDA graphs ({error})")
                return


class _Lane:
    """A stream with its context and buffers; `graph` is what it recorded of the network, if it did."""

    def __init__(self, engine: trt.ICudaEngine, *, shape: Shape, style_size: int, log: Log, stack: ExitStack) -> None:
        self.stream = cuda.stream(stack)
        self.frames: ImageArray = cuda.pinned_array(shape, np.uint8, stack)
        self.painted: ImageArray = cuda.pinned_array(shape, np.uint8, stack)
        self.style: StyleVector = cuda.pinned_array((style_size,), np.float32, stack) if style_size else _NO_STYLE
        self.context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if self.context is None:
            raise log.failure("no execution context could be made")
        self.graph: Any = None
        self._log = log
        self._addresses = {FRAMES: cuda.device_memory(self.frames.nbytes, stack)}
        self._addresses[PAINTED] = cuda.device_memory(self.painted.nbytes, stack)
        if style_size:
            self._addresses[STYLE] = cuda.device_memory(self.style.nbytes, stack)
        self._bind(shape)

    def _bind(self, shape: Shape) -> None:
        if not self.context.set_input_shape(FRAMES, shape):
            raise self._log.failure(f"frames of shape {shape} were refused")
        for name, address in self._addresses.items():
            if not self.context.set_tensor_address(name, address):
                raise self._log.failure(f"the address of {name!r} was refused")
        if missing := self.context.infer_shapes():
            raise self._log.failure(f"the inputs {', '.join(missing)} are not known")
        painted = self.context.get_tensor_shape(PAINTED)[:]
        if painted != shape:
            raise BackendError(f"TensorRT: the network makes {painted} of {shape}; import it again")

    def enqueue(self) -> None:
        """Put the network on the stream."""
        if not self.context.execute_async_v3(int(self.stream)):
            raise self._log.failure("the network could not be started")

    def send(self, images: ImageArray, style: StyleVector, turn: Any) -> None:
        """Start `images` (n, H, W, 3), n at most the lane's, on their way; `turn` is whose network it is."""
        self.frames[: len(images)] = images
        cuda.upload(self._addresses[FRAMES], self.frames, self.stream)
        if STYLE in self._addresses:
            self.style[...] = style
            cuda.upload(self._addresses[STYLE], self.style, self.stream)
        cuda.wait(self.stream, turn)
        if self.graph is None:
            self.enqueue()
        else:
            cuda.launch(self.graph, self.stream)
        cuda.record(turn, self.stream)
        cuda.download(self.painted, self._addresses[PAINTED], self.stream)


_NO_STYLE: StyleVector = np.zeros(0, np.float32)


def _collect(lane: _Lane, target: ImageArray) -> None:
    """Wait for what the lane paints and put it into `target` (n, H, W, 3), n at most the lane's."""
    cuda.synchronize(lane.stream)
    target[...] = lane.painted[: len(target)]


def _deserialize(runtime: trt.Runtime, plan: bytes, *, style_size: int, shape: Shape, log: Log) -> trt.ICudaEngine:
    """The plan's engine, checked for what was asked. Raises BackendError or OutOfMemory."""
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise log.failure("the plan could not be loaded")
    expected = {FRAMES: trt.DataType.UINT8, PAINTED: trt.DataType.UINT8}
    if style_size:
        expected[STYLE] = trt.DataType.FLOAT
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    found = {name: engine.get_tensor_dtype(name) for name in names}
    if found != expected:
        said = ", ".join(f"{name} {dtype.name}" for name, dtype in sorted(found.items()))
        raise BackendError(f"TensorRT: the plan has the wrong inputs or outputs: {said}")
    smallest, _, largest = (dims[:] for dims in engine.get_tensor_profile_shape(FRAMES, 0))
    if not all(low <= n <= high for low, n, high in zip(smallest, shape, largest, strict=True)):
        raise BackendError(f"TensorRT: the plan takes frames from {smallest} to {largest}, not {shape}")
    return engine
