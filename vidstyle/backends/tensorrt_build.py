"""Builds a TensorRT plan from an ONNX graph: parser, optimisation profile, builder, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import tensorrt as trt

from vidstyle.backends.protocol import Precision, Say
from vidstyle.backends.tensorrt_graph import FRAMES
from vidstyle.backends.tensorrt_log import Log, Progress
from vidstyle.errors import BackendError

OPTIMIZATION_LEVEL = 3
"""TensorRT's own default: higher ones build for many minutes."""

WORKSPACE = 2 << 30
"""Bytes that one layer may use for scratch. A fixed number, so that a plan does not depend on what else runs."""

LARGEST_PART = 4
"""Frames that go through the network at once, at most."""

_LARGEST_PIXELS = (2**31 - 1) // 64
"""Pixels that do: TensorRT's convolutions take tensors of 2^31 - 1 values, and `classic` makes 32 of every pixel, which
leaves room for imported networks of twice its width."""

_SIDES = (640, 360), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320)
_SMALLEST_SIDE = 16

Shape = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The shapes (N, H, W, 3) that a plan takes, and the one it is tuned for."""

    smallest: Shape
    tuned: Shape
    largest: Shape

    @classmethod
    def for_frames(cls, width: int, height: int) -> Self:
        """The standard size that holds such frames, lying or upright.

        So one plan serves every batch and all sizes of its class: the many working sizes that a hand
        on the stroke slider passes, and the smaller batch after memory ran out, build nothing.
        Raises BackendError for frames that are too large, or smaller than any.
        """
        long, short = max(width, height), min(width, height)
        if short < _SMALLEST_SIDE:
            side = _SMALLEST_SIDE
            raise BackendError(f"TensorRT: frames of {width}x{height} are too small; the smallest are {side}x{side}")
        for sides in _SIDES:
            if long <= sides[0] and short <= sides[1]:
                w, h = sides if width >= height else sides[::-1]
                small = (1, _SMALLEST_SIDE, _SMALLEST_SIDE, 3)
                part = min(LARGEST_PART, _LARGEST_PIXELS // (w * h))
                return cls(smallest=small, tuned=(1, h, w, 3), largest=(part, h, w, 3))
        raise BackendError(f"TensorRT: frames of {width}x{height} are too large; the largest are 7680x4320")

    def __str__(self) -> str:
        return " ".join("x".join(map(str, shape)) for shape in (self.smallest, self.tuned, self.largest))


def build_plan(graph: bytes, profile: Profile, *, precision: Precision, say: Say) -> bytes:
    """Compile the ONNX file `graph`, made by `typed_for_tensorrt`, for the current GPU.

    Raises OutOfMemory or BackendError with TensorRT's reasons, or what the user stopped it with.
    """
    log = Log()
    with log.made("a builder"):
        builder = trt.Builder(log)
    # TensorRT 11 is always strongly typed and ignores the flag; 10 needs it.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        errors = (parser.get_error(i) for i in range(parser.num_errors))
        log.errors.extend(f"{e.node_operator()} {e.node_name()}: {e.desc()}" for e in errors)
        raise log.failure("the network could not be parsed")
    config = builder.create_builder_config()
    _configure(config, precision)
    shapes = builder.create_optimization_profile()
    shapes.set_shape(FRAMES, *(trt.Dims(shape) for shape in (profile.smallest, profile.tuned, profile.largest)))
    if config.add_optimization_profile(shapes) != 0:
        raise log.failure(f"the profile {profile} was refused")
    progress = Progress(say)
    config.progress_monitor = progress
    say("TensorRT: building a plan for this GPU, once; this can take minutes")
    plan = builder.build_serialized_network(network, config)
    if progress.stopped_by:
        raise progress.stopped_by
    if plan is None:
        raise log.failure("the plan could not be built")
    return bytes(plan)


def _configure(config: trt.IBuilderConfig, precision: Precision) -> None:
    config.builder_optimization_level = OPTIMIZATION_LEVEL
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    # With this, a context for small frames asks for their memory, not for that of the largest.
    config.set_preview_feature(trt.PreviewFeature.RUNTIME_ACTIVATION_RESIZE_10_10, True)
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)  # it rounds the factors to ten bits and is on by default
