"""OpenVINO's engine against PyTorch, its batches, its refusals, and the fast path's imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vidstyle.backends import cpu, openvino_core
from vidstyle.backends import openvino as backend
from vidstyle.backends.protocol import EngineSpec, PrecisionChoice
from vidstyle.backends.torch import Torch
from vidstyle.errors import BackendError, OutOfMemory
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network
from vidstyle.style_library import Library

SIZES = [(64, 48), (37, 23), (8, 8), (1, 1)]


def pictures(count: int, width: int, height: int) -> ImageArray:
    return np.random.default_rng(3).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def style(network: Network) -> StyleVector:
    return np.random.default_rng(4).normal(1, 0.3, network.style_size).astype(np.float32)


def spec(width: int, height: int, *, batch: int = 1, precision: PrecisionChoice = "fp32") -> EngineSpec:
    return EngineSpec(width=width, height=height, batch=batch, precision=precision)


def say(line: str) -> None:
    raise AssertionError(f"unexpected message: {line}")


@pytest.mark.parametrize("name", ["live", "classic"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_paints_what_torch_paints(library: Library, name: str, width: int, height: int) -> None:
    network = library.network(name)
    frames, vector = pictures(2, width, height), style(network)
    size = spec(width, height, batch=2)
    ours = backend.OpenVino().load(network, size, say).run(frames, vector)
    theirs = Torch().load(network, size, say).run(frames, vector)
    assert ours.shape == frames.shape
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert len(np.unique(ours)) > 1 or width == 1


def test_threads_that_ask_at_once_get_the_same_core(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    @cache
    def make() -> tuple[object, int]:
        time.sleep(0.1)
        made.append(object())
        return made[-1], os.getpid()

    monkeypatch.setattr(openvino_core, "_core", make)
    with ThreadPoolExecutor(4) as pool:
        cores = {job.result() for job in [pool.submit(openvino_core.openvino_core) for _ in range(4)]}
    assert len(cores) == len(made) == 1


_FORKED = """
import multiprocessing, sys
from pathlib import Path
from vidstyle.backends.openvino import open_reference
from vidstyle.errors import BackendError
from vidstyle.style_library import Library

network = Library([Path(sys.argv[1])]).network("live")
open_reference(network, 16, 16)

def again():
    try:
        open_reference(network, 24, 16)
    except BackendError as error:
        print(error)

child = multiprocessing.get_context("fork").Process(target=again)
child.start()
child.join(60)
child.kill()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_is_told_instead_of_hanging(library: Library) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED, str(library.roots[0])], capture_output=True, text=True, check=True, timeout=120
    )
    assert "get_context('spawn')" in done.stdout


_SIGNAL_AFTER_ENGINES = """
import os, signal, sys
from pathlib import Path
from vidstyle.backends.openvino import open_reference
from vidstyle.style_library import Library

network = Library([Path(sys.argv[1])]).network("live")
first = open_reference(network, 16, 16)
second = open_reference(network, 16, 16)
del first  # not in the order of a stack
del second
signal.signal(signal.SIGTERM, lambda number, frame: print("received"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal stacks")
def test_a_signal_arrives_after_engines_went_out_of_order(library_root: Path) -> None:
    """OpenVINO's cores swap the thread's signal stack, and put back one that is gone."""
    words = [sys.executable, "-c", _SIGNAL_AFTER_ENGINES, str(library_root)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "received\n"), result.stderr


def test_any_number_of_frames_up_to_the_batch(library: Library) -> None:
    network = library.network("live")
    frames, vector = pictures(5, 40, 24), style(network)
    engine = backend.OpenVino().load(network, spec(40, 24, batch=5), say)
    whole = engine.run(frames, vector)
    for count in (1, 2, 4):
        assert np.array_equal(engine.run(frames[:count], vector), whole[:count])
    with pytest.raises(ValueError, match="1 to 5 frames of 40x24"):
        engine.run(pictures(6, 40, 24), vector)
    with pytest.raises(ValueError, match="40x24"):
        engine.run(pictures(1, 24, 40), vector)


def test_paints_on_after_an_interrupt(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C, in a notebook for instance: what runs must not write to arrays that are gone, nor stay busy."""
    network = library.network("live")
    frames, vector = pictures(5, 40, 24), style(network)
    engine = backend.OpenVino().load(network, spec(40, 24, batch=5), say)
    expected = engine.run(frames, vector)

    def interrupt(number: int, painted: ImageArray) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.run(frames, vector)
    assert np.array_equal(engine.run(frames, vector), expected)


def test_results_are_the_callers_own(library: Library) -> None:
    network = library.network("live")
    engine = backend.OpenVino().load(network, spec(40, 24), say)
    first = engine.run(pictures(1, 40, 24), style(network))
    kept = first.copy()
    engine.run(255 - pictures(1, 40, 24), style(network))
    assert np.array_equal(first, kept)


def test_arrays_need_not_be_contiguous_nor_writable(library: Library) -> None:
    network = library.network("live")
    engine = backend.OpenVino().load(network, spec(40, 24), say)
    frames, vector = pictures(1, 40, 24), style(network)
    frozen = frames.copy()
    frozen.flags.writeable = False
    expected = engine.run(frames, vector)
    assert np.array_equal(engine.run(frozen, vector), expected)
    assert np.array_equal(engine.run(np.asfortranarray(frames), vector), expected)
    assert np.array_equal(engine.run(frames, np.repeat(vector, 2)[::2]), expected)


def test_closing_twice_is_fine_and_running_after_it_is_not(library: Library) -> None:
    network = library.network("live")
    engine = backend.OpenVino().load(network, spec(40, 24), say)
    engine.close()
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine.run(pictures(1, 40, 24), style(network))


def test_unknown_device_and_precision_are_refused(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    network = library.network("live")
    with pytest.raises(BackendError, match=r"no device 'GPU.7' here; it has: .*CPU"):
        backend.OpenVino().load(network, EngineSpec(width=8, height=8, device="GPU.7"), say)
    monkeypatch.setattr(cpu, "processor", lambda cpuinfo=None: cpu.Processor(
        model="old", threads=1, amx=False, bf16=False, hidden_tiles=False, limit=None))  # fmt: skip
    with pytest.raises(BackendError, match="no bf16 on CPU"):
        backend.OpenVino().load(network, spec(8, 8, precision="bf16"), say)


def test_memory_errors_are_told_from_others() -> None:
    for text in ("std::bad_alloc", "could not allocate 123 bytes", "CL_OUT_OF_RESOURCES"):
        assert type(backend.translated(RuntimeError(text), "x")) is OutOfMemory
    assert type(backend.translated(MemoryError(), "x")) is OutOfMemory
    assert type(backend.translated(RuntimeError("Cannot open library"), "x")) is BackendError


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_cache_that_cannot_be_made_is_one_line(
    precision: PrecisionChoice, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="set VIDSTYLE_CACHE_DIR"):
        backend.OpenVino().load(library.network("live"), spec(40, 24, precision=precision), say)


def test_the_fast_path_loads_no_torch(library: Library) -> None:
    program = f"""
import sys
from pathlib import Path
from vidstyle.backends.protocol import EngineSpec
from vidstyle.backends.registry import open_engine
from vidstyle.style_library import Library
network = Library([Path({str(library.roots[0])!r})]).network("live")
open_engine(network, EngineSpec(width=16, height=16), backend="auto", say=print)
print(sorted({{"torch", "onnx", "cv2", "av"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"
