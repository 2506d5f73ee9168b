"""What works on this machine and what does not, with what to do about it: the matter of `vidstyle doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vidstyle import __version__
from vidstyle.errors import VidstyleError

State = Literal["ok", "missing", "failed"]

PACKAGES = (
    "numpy", "av", "openvino", "opencv-python", "opencv-python-headless", "pillow", "pi-heif", "typer", "platformdirs",
    "filelock", "torch", "onnx", "tensorrt", "cuda-bindings", "pyvirtualcam",
)  # fmt: skip
ENCODERS = ("h264", "hevc", "av1", "vp9", "ffv1", "h264_nvenc", "hevc_nvenc", "h264_qsv", "h264_videotoolbox")
ENGINE = 8_000_000
"""Bytes that a cache should have room for: a compiled `classic`."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. `missing` is something optional that is not here; `failed` ought to work and does not."""

    topic: str
    name: str
    state: State
    text: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All findings; `main_job` is the trial rendering's."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def main_job(self) -> Finding:
        return next(finding for finding in self.findings if finding.topic == "main job")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"ok": self.main_job.state == "ok", "findings": [asdict(finding) for finding in self.findings]}


def diagnose() -> Diagnosis:
    """Look at everything, at last by rendering a small film. Raises nothing that a part of it raises."""
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", _versions),
        ("processor", _processor),
        ("engines", _engines),
        ("devices", _devices),
        ("styles", _styles),
        ("decoders", _decoders),
        ("encoders", _encoders),
        ("cameras", _cameras),
        ("virtual camera", virtual_camera),
        ("caches", _caches),
        ("VGG", _vgg),
        ("main job", _main_job),
    ]
    findings: list[Finding] = []
    for topic, look in parts:
        try:
            findings += look()
        except Exception as error:  # a doctor reports whatever a broken installation raises, and goes on
            findings.append(Finding(topic=topic, name="", state="failed", text=f"{type(error).__name__}: {error}"))
    return Diagnosis(findings=findings)


def _versions() -> Iterator[Finding]:
    system = f"Python {platform.python_version()} on {platform.platform()}"
    yield Finding(topic="versions", name="vidstyle", state="ok", text=f"{__version__}, {system}")
    for name in PACKAGES:
        try:
            yield Finding(topic="versions", name=name, state="ok", text=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            if not name.startswith("opencv"):
                yield Finding(topic="versions", name=name, state="missing", text="not installed")


def _processor() -> Iterator[Finding]:
    from vidstyle.backends import cpu

    guarded = cpu.guard()
    found = cpu.processor()
    offers = [name for name, has in (("AMX", found.amx), ("bf16", found.bf16)) if has]
    text = f"{found.model}, {found.threads} threads, {' and '.join(offers) or 'no bf16'}"
    if guarded or (found.hidden_tiles and not found.amx):
        text += "; AMX is promised by this virtual machine but hidden by it, and left alone"
    elif found.limit not in (None, "DEFAULT", "ALL"):
        text += f"; limited to {found.limit} by the environment"
    yield Finding(topic="processor", name="CPU", state="ok", text=text)


def _engines() -> Iterator[Finding]:
    from vidstyle.backends.registry import survey

    for name, availability in survey():
        state: State = "ok" if availability.ok else "missing"
        yield Finding(topic="engines", name=name, state=state, text=availability.reason)


def _devices() -> Iterator[Finding]:
    from vidstyle.backends.openvino_core import openvino_core

    core = openvino_core()
    for name in core.available_devices:
        text = f"{core.get_property(name, 'FULL_DEVICE_NAME')} (OpenVINO)"
        yield Finding(topic="devices", name=name, state="ok", text=text)
    from vidstyle.backends.gpu import accelerator, nvidia_gpus

    for number, name in enumerate(nvidia_gpus()):
        yield Finding(topic="devices", name=f"cuda:{number}", state="ok", text=name)
    if accelerator() == "mps":
        yield Finding(topic="devices", name="mps", state="ok", text="Apple's GPU (PyTorch)")


def _styles() -> Iterator[Finding]:
    from vidstyle.style_library import Library
    from vidstyle.styles import DEFAULT_NETWORK

    library = Library()
    names = library.network_names()
    for name in names:
        try:
            network = library.network(name)
            fitting = library.fitted_to(name)
        except VidstyleError as error:
            yield Finding(topic="styles", name=f"network {name}", state="failed", text=str(error))
            continue
        text = f"{len(fitting)} styles" if network.style_size else "one style"
        yield Finding(topic="styles", name=f"network {name}", state="ok", text=f"verified, {text}")
    if DEFAULT_NETWORK not in names:
        yield Finding(topic="styles", name=f"network {DEFAULT_NETWORK}", state="failed", text="not installed")


def _decoders() -> Iterator[Finding]:
    from vidstyle.media.nvdec import availability

    nvdec = availability()
    yield Finding(topic="decoders", name="nvdec", state="ok" if nvdec.ok else "missing", text=nvdec.reason)


def _encoders() -> Iterator[Finding]:
    from vidstyle.media.codecs import CODECS, video_encoder

    for name in ENCODERS:
        try:
            codec = video_encoder(name)
            hardware = "; needs its hardware" if name not in CODECS else ""
            yield Finding(topic="encoders", name=name, state="ok", text=f"{codec.long_name}{hardware}")
        except VidstyleError:
            yield Finding(topic="encoders", name=name, state="missing", text="not in this build of PyAV")


def _cameras() -> Iterator[Finding]:
    from vidstyle.media.camera import camera_names, cameras_in_words

    names = camera_names()
    for number, name in names.items():
        node = Path(f"/dev/video{number}")
        usable = os.access(node, os.R_OK | os.W_OK)
        text = name if usable else f"{name}; {node} may not be read: join the group `video`"
        yield Finding(topic="cameras", name=str(number), state="ok" if usable else "failed", text=text)
    if not names:
        yield Finding(topic="cameras", name="", state="missing", text=cameras_in_words())


def virtual_camera() -> Iterator[Finding]:
    """The virtual cameras that are here, or what would bring one."""
    if sys.platform == "linux":
        from vidstyle.media.camera import camera_names

        loopback = {n: name for n, name in camera_names().items() if _is_loopback(n)}
        for number, name in loopback.items():
            yield Finding(topic="virtual camera", name=f"/dev/video{number}", state="ok", text=name)
        if loopback:
            return
        text = "v4l2loopback is not loaded: sudo modprobe v4l2loopback exclusive_caps=1 card_label=vidstyle"
        yield Finding(topic="virtual camera", name="", state="missing", text=text)
    elif importlib.util.find_spec("pyvirtualcam"):
        yield Finding(topic="virtual camera", name="pyvirtualcam", state="ok", text="installed; it needs OBS Studio")
    else:
        text = "pip install 'vidstyle[live]', and install OBS Studio"
        yield Finding(topic="virtual camera", name="", state="missing", text=text)


def _is_loopback(number: int) -> bool:
    """Whether a video device is made by software: it has no parent device."""
    return "/virtual/" in str(Path(f"/sys/class/video4linux/video{number}").resolve())


def _caches() -> Iterator[Finding]:
    from vidstyle.cache import cache_folder, stand_in

    for number, part in enumerate(("openvino", "tensorrt", "fidelity", "int8")):
        try:
            folder = cache_folder(part)
        except OSError as error:
            text = f"cannot be made ({error}); set VIDSTYLE_CACHE_DIR to a folder that can be written to"
            yield Finding(topic="caches", name=part, state="failed", text=text)
            continue
        if number == 0 and (reason := stand_in()):
            yield Finding(topic="caches", name="", state="failed", text=reason)
        state: State = "ok"
        text = f"{folder}, {_size(folder) / 1e6:.1f} MB"
        try:  # permissions say nothing of a full disk, and promise an administrator too much
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(bytes(ENGINE))
        except OSError as error:
            state, text = "failed", f"{text}, cannot be written to: {error.strerror}"
        yield Finding(topic="caches", name=part, state=state, text=text)


def _size(folder: Path) -> int:
    """Bytes of all files in it, as far as other processes, which may remove some meanwhile, leave them."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            size += file.stat().st_size
    return size


def _vgg() -> Iterator[Finding]:
    local = os.environ.get("VIDSTYLE_VGG")
    if local:
        there = Path(local).is_file()
        text = f"{local} (VIDSTYLE_VGG){'' if there else ' does not exist'}"
        yield Finding(topic="VGG", name="vgg19", state="ok" if there else "failed", text=text)
        return
    if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors")):
        text = "needed for training and Gatys mode only; pip install 'vidstyle[torch]'"
        yield Finding(topic="VGG", name="vgg19", state="missing", text=text)
        return
    from vidstyle.networks.vgg import cached_weights

    kept = cached_weights("vgg19")
    text = str(kept) if kept.is_file() else "is fetched when training or Gatys mode first need it, or set VIDSTYLE_VGG"
    yield Finding(topic="VGG", name="vgg19", state="ok" if kept.is_file() else "missing", text=text)


def _main_job() -> Iterator[Finding]:
    """Render a small film: everything from the decoder to the encoder has to work for that."""
    from vidstyle.media.synthetic import write_film
    from vidstyle.pipeline import render
    from vidstyle.settings import RenderOptions

    with tempfile.TemporaryDirectory(prefix="vidstyle-") as folder:
        film, painted = Path(folder) / "film.mkv", Path(folder) / "painted.mp4"
        write_film(film, width=96, height=64, seconds=1, rate=3)
        start = time.monotonic()
        report = render(film, painted, options=RenderOptions())
        seconds = time.monotonic() - start
    engine = f"{report.backend} on {report.device} in {report.precision}"
    whole = report.frames_out == 3
    text = f"{report.frames_out} of 3 frames of a trial film painted by {engine}, {seconds:.1f} s from start to end"
    yield Finding(topic="main job", name="render", state="ok" if whole else "failed", text=text)
