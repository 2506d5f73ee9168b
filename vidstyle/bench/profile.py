"""Where an OpenVINO engine's time goes, by kind of operation, on one thread: what to look at before optimising."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from vidstyle.backends import cpu
from vidstyle.bench.worker import moving_pictures, network_for_bench
from vidstyle.errors import BackendError

RUNS = 12


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Milliseconds of one frame on one thread, by kind of operation, largest first; each the best of several runs."""

    network: str
    precision: str
    width: int
    height: int
    kinds: dict[str, float]

    @property
    def lines(self) -> list[str]:
        """As text."""
        total = sum(self.kinds.values())
        head = f"{self.network} {self.width}x{self.height}, openvino {self.precision}, one thread: {total:.1f} ms"
        return [head, *(f"  {ms:7.2f} ms  {ms / total:4.0%}  {kind}" for kind, ms in self.kinds.items())]


def profile(network: str, *, size: tuple[int, int]) -> Profile:
    """Run `network` under OpenVINO's own clock, in bf16 where the processor has it. Raises BackendError."""
    from vidstyle.backends.openvino_core import openvino_core
    from vidstyle.backends.openvino_unfold import without_unfold

    core = openvino_core()
    width, height = size
    precision = "bf16" if cpu.processor().bf16 else "fp32"
    frame = moving_pictures(width, height, 1)
    config = {
        "INFERENCE_PRECISION_HINT": precision.replace("fp", "f"),
        "INFERENCE_NUM_THREADS": 1,
        "PERF_COUNT": True,
    }
    with network_for_bench(network) as found:
        try:
            model, _ = without_unfold(core.read_model(found.graph))  # what the engine runs
            model.reshape({model.input(0): [1, height, width, 3]})
            request = core.compile_model(model, "CPU", config).create_infer_request()
            best: dict[str, float] = {}
            kinds: dict[str, str] = {}
            for _ in range(RUNS):
                request.infer([frame, np.ones(found.style_size, np.float32)])
                for node in request.get_profiling_info():
                    time = node.real_time.total_seconds() * 1000
                    best[node.node_name] = min(time, best.get(node.node_name, time))
                    kinds[node.node_name] = node.node_type
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot profile {network}: {str(error).splitlines()[-1]}") from error
    sums: defaultdict[str, float] = defaultdict(float)
    for name, milliseconds in best.items():
        sums[kinds[name]] += milliseconds
    largest = sorted(sums.items(), key=lambda item: -item[1])
    return Profile(
        network=network,
        precision=precision,
        width=width,
        height=height,
        kinds={kind: round(ms, 3) for kind, ms in largest if ms >= 0.005},
    )
