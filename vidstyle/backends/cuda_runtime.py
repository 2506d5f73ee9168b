"""The few calls of the CUDA runtime that an engine needs, each one checked.

They come from `cuda-bindings`, NVIDIA's own bindings and the smallest package that has streams, pinned
memory, asynchronous copies and graph capture: it needs nothing but the driver, where CuPy and PyTorch
bring gigabytes of libraries for the same dozen calls. What is taken here is given back by the caller's
`ExitStack`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cuda.bindings import runtime as cudart

from vidstyle.errors import BackendError, OutOfMemory


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A device: its CUDA index, its name, its compute capability such as "9.0"."""

    index: int
    name: str
    capability: str


def gpus() -> list[Gpu]:
    """All devices that CUDA shows. Raises BackendError if the driver is missing, too old or finds none."""
    found = []
    for index in range(call(cudart.cudaGetDeviceCount)):
        properties = call(cudart.cudaGetDeviceProperties, index)
        name = properties.name.decode(errors="replace").rstrip("\0")
        found.append(Gpu(index=index, name=name, capability=f"{properties.major}.{properties.minor}"))
    return found


def use(gpu: Gpu) -> None:
    """Make `gpu` the current device of this thread; CUDA keeps one for every thread."""
    call(cudart.cudaSetDevice, gpu.index)


def call(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """What a CUDA runtime function returns besides its status.

    Raises OutOfMemory, or BackendError for any other failure. An asynchronous failure shows in
    whichever call comes next.
    """
    status, *results = function(*arguments)
    if status != cudart.cudaError_t.cudaSuccess:
        text = cudart.cudaGetErrorString(status)[1].decode(errors="replace")
        message = f"CUDA: {function.__name__} failed: {text}"
        if status == cudart.cudaError_t.cudaErrorMemoryAllocation:
            raise OutOfMemory(message)
        raise BackendError(message)
    return results[0] if results else None


def device_memory(size: int, stack: ExitStack) -> int:
    """The address of `size` bytes on the current device."""
    address = int(call(cudart.cudaMalloc, size))
    stack.callback(_give_back, cudart.cudaFree, address)
    return address


def pinned_array(shape: tuple[int, ...], dtype: npt.DTypeLike, stack: ExitStack) -> npt.NDArray[Any]:
    """An array of zeros in page-locked host memory: the device copies to and from it by itself."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    address = int(call(cudart.cudaHostAlloc, size, cudart.cudaHostAllocDefault))
    stack.callback(_give_back, cudart.cudaFreeHost, address)
    memory = (ctypes.c_uint8 * size).from_address(address)
    array: npt.NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
    array[...] = 0
    return array


def stream(stack: ExitStack) -> Any:
    """A stream that does not wait for the default stream, on which other libraries may work."""
    made = call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)
    stack.callback(_give_back, cudart.cudaStreamDestroy, made)
    return made


def event(stack: ExitStack) -> Any:
    """An event without a time stamp: only for the order of streams."""
    made = call(cudart.cudaEventCreateWithFlags, cudart.cudaEventDisableTiming)
    stack.callback(_give_back, cudart.cudaEventDestroy, made)
    return made


def record(mark: Any, on: Any) -> None:
    """Let event `mark` stand for everything enqueued so far on stream `on`."""
    call(cudart.cudaEventRecord, mark, on)


def wait(on: Any, mark: Any) -> None:
    """Hold stream `on` until the last recorded `mark` is reached; at once if it never was recorded."""
    call(cudart.cudaStreamWaitEvent, on, mark, 0)


def upload(address: int, array: npt.NDArray[Any], on: Any) -> None:
    """Copy a pinned array to the device, in the order of stream `on`."""
    kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
    call(cudart.cudaMemcpyAsync, address, array.ctypes.data, array.nbytes, kind, on)


def download(array: npt.NDArray[Any], address: int, on: Any) -> None:
    """Copy from the device to a pinned array, in the order of stream `on`; read it after `synchronize`."""
    kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
    call(cudart.cudaMemcpyAsync, array.ctypes.data, address, array.nbytes, kind, on)


def synchronize(on: Any) -> None:
    """Wait until everything enqueued on stream `on` is done. Raises what went wrong meanwhile."""
    call(cudart.cudaStreamSynchronize, on)


@contextmanager
def recording(on: Any) -> Iterator[list[Any]]:
    """Record what is enqueued on stream `on` into a graph instead of running it.

    The graph is in the list that is given, once the block is left. Other threads may go on using
    CUDA meanwhile. The recording is ended whatever happens: the stream is of no use before.
    """
    graphs: list[Any] = []
    call(cudart.cudaStreamBeginCapture, on, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
    try:
        yield graphs
    except BaseException:
        _, unfinished = cudart.cudaStreamEndCapture(on)
        _give_back(cudart.cudaGraphDestroy, unfinished)
        raise
    graphs.append(call(cudart.cudaStreamEndCapture, on))


def executable(graph: Any, stack: ExitStack) -> Any:
    """A recorded graph made ready to be launched any number of times; `graph` itself is given back."""
    try:
        made = call(cudart.cudaGraphInstantiate, graph, 0)
    finally:
        _give_back(cudart.cudaGraphDestroy, graph)
    stack.callback(_give_back, cudart.cudaGraphExecDestroy, made)
    return made


def launch(graph: Any, on: Any) -> None:
    """Enqueue an executable graph on stream `on`."""
    call(cudart.cudaGraphLaunch, graph, on)


def _give_back(function: Callable[..., tuple[Any, ...]], resource: Any) -> None:
    """Free `resource`. The status is not looked at: after a failure CUDA repeats it in every later call."""
    function(resource)
