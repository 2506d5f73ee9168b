"""A stand-in for `cuda.bindings.runtime` that is as asynchronous as a device may be.

Device memory is host memory that only this module reads and writes. Streams are queues that run as late
as possible and, at every synchronisation, the youngest first: whatever a missing wait or an early read
of a pinned buffer could spoil, it spoils.
"""

# ruff: noqa: N801, N802, N815 -- the names are CUDA's

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

Work = Callable[[], None]


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900


OK = cudaError_t.cudaSuccess


@dataclass(eq=False)
class Stream:
    """Work in order. `recorded` collects work that is captured instead of queued."""

    number: int
    work: list[Work] = field(default_factory=list)
    done: int = 0
    recorded: list[Callable[[Stream], None]] | None = None

    def __int__(self) -> int:
        return self.number

    def enqueue(self, put: Callable[[Stream], None]) -> None:
        """Let `put` add its work to this stream now, or whenever the recording is launched."""
        if self.recorded is None:
            put(self)
        else:
            self.recorded.append(put)

    def run(self, until: int) -> None:
        while self.done < until:
            work = self.work[self.done]
            self.done += 1
            work()


@dataclass(eq=False)
class Event:
    stream: Stream | None = None
    position: int = 0


class FakeCuda:
    """The module. `fails` maps a function's name to the status it returns; `devices` are its GPUs."""

    cudaError_t = cudaError_t
    cudaStreamNonBlocking = 1
    cudaEventDisableTiming = 2
    cudaHostAllocDefault = 0
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self.devices = [SimpleNamespace(name=b"Fake GPU\0", major=9, minor=0)]
        self.fails: dict[str, cudaError_t] = {}
        self.device: dict[int, np.ndarray[Any, Any]] = {}
        self.host: dict[int, np.ndarray[Any, Any]] = {}
        self.streams: dict[int, Stream] = {}
        self.held: set[Any] = set()
        self.current: int | None = None
        self.launches = 0

    def __getattribute__(self, name: str) -> Any:
        fails = object.__getattribute__(self, "__dict__").get("fails", {})
        if name in fails:
            refusing = lambda *arguments: (fails[name], None)  # noqa: E731
            refusing.__name__ = name
            return refusing
        return object.__getattribute__(self, name)

    @property
    def taken(self) -> int:
        """How many resources have not been given back."""
        return len(self.device) + len(self.host) + len(self.streams) + len(self.held)

    def bytes_at(self, address: int, size: int) -> np.ndarray[Any, Any]:
        """The device's memory at `address`, which must be allocated and large enough."""
        assert address in self.device, f"{address:#x} is not device memory"
        assert self.device[address].size >= size, f"{size} bytes wanted of {self.device[address].size}"
        return self.device[address][:size]

    def cudaGetErrorString(self, status: cudaError_t) -> tuple[Any, ...]:
        return OK, status.name.encode()

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        return OK, len(self.devices)

    def cudaGetDeviceProperties(self, index: int) -> tuple[Any, ...]:
        return OK, self.devices[index]

    def cudaSetDevice(self, index: int) -> tuple[Any, ...]:
        self.current = index
        return (OK,)

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return OK, self._allocate(self.device, size)

    def cudaFree(self, address: int) -> tuple[Any, ...]:
        del self.device[address]
        return (OK,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        return OK, self._allocate(self.host, size)

    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        del self.host[address]
        return (OK,)

    def _allocate(self, where: dict[int, np.ndarray[Any, Any]], size: int) -> int:
        assert self.current is not None, "no device was chosen"
        assert size > 0
        memory = np.full(size, 0xA5, np.uint8)  # never zeros by chance
        where[memory.ctypes.data] = memory
        return memory.ctypes.data

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaStreamNonBlocking
        stream = Stream(number=1000 + len(self.streams))
        self.streams[int(stream)] = stream
        return OK, stream

    def cudaStreamDestroy(self, stream: Stream) -> tuple[Any, ...]:
        del self.streams[int(stream)]
        return (OK,)

    def cudaStreamSynchronize(self, stream: Stream) -> tuple[Any, ...]:
        if stream.recorded is not None:
            return (cudaError_t.cudaErrorStreamCaptureUnsupported,)
        for other in reversed(self.streams.values()):
            other.run(len(other.work))
        return (OK,)

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        event = Event()
        self.held.add(event)
        return OK, event

    def cudaEventDestroy(self, event: Event) -> tuple[Any, ...]:
        self.held.remove(event)
        return (OK,)

    def cudaEventRecord(self, event: Event, stream: Stream) -> tuple[Any, ...]:
        event.stream, event.position = stream, len(stream.work)
        return (OK,)

    def cudaStreamWaitEvent(self, stream: Stream, event: Event, flags: int) -> tuple[Any, ...]:
        recorded_on, position = event.stream, event.position
        if recorded_on is not None:
            stream.work.append(lambda: recorded_on.run(position))
        return (OK,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: Stream) -> tuple[Any, ...]:
        up = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        address, pinned = (to, source) if up else (source, to)
        device = self.bytes_at(address, size)
        assert pinned in self.host, "the host side of an asynchronous copy must be pinned"
        host = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(pinned))
        target, origin = (device, host) if up else (host, device)
        stream.enqueue(lambda on: on.work.append(lambda: np.copyto(target, origin)))
        return (OK,)

    def cudaStreamBeginCapture(self, stream: Stream, mode: int) -> tuple[Any, ...]:
        assert stream.recorded is None
        stream.recorded = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: Stream) -> tuple[Any, ...]:
        graph, stream.recorded = tuple(stream.recorded or ()), None
        self.held.add(graph)
        return OK, graph

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any, ...]:
        executable = [*graph, object()]
        self.held.add(tuple(executable))
        return OK, tuple(executable)

    def cudaGraphDestroy(self, graph: Any) -> tuple[Any, ...]:
        self.held.remove(graph)
        return (OK,)

    def cudaGraphExecDestroy(self, graph: Any) -> tuple[Any, ...]:
        self.held.remove(graph)
        return (OK,)

    def cudaGraphLaunch(self, graph: Any, stream: Stream) -> tuple[Any, ...]:
        self.launches += 1
        for put in graph[:-1]:
            put(stream)
        return (OK,)
