"""Which format a foreign network is in, told by its content, and the reader for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from vidstyle.errors import BackendError, InputError, StyleError, UsageError

if TYPE_CHECKING:
    from vidstyle.networks.foreign.imported import Imported

KNOWN = "a pytorch/examples .pth, a lengstrom/ml5 folder with manifest.json, or an .onnx file"


def read_network(path: Path, *, values: str | None = None) -> Imported:
    """Read a foreign network. `values` are those of an ONNX file's ends (`trial.parse_values`).

    Raises InputError if there is no such file, StyleError, saying why, if it is refused, UsageError for
    impossible `values`, BackendError if a package is missing that reads it.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    kind = _kind(path)
    _require("onnx", *(["torch"] if kind == "pytorch" else []))
    if values is not None and kind != "onnx":
        raise UsageError("--values is for ONNX files; the other formats say what their values mean")
    if kind == "onnx":
        from vidstyle.networks.foreign import onnx_file, trial

        return onnx_file.read(path, values=trial.parse_values(values or "auto"))
    if kind == "pytorch":
        from vidstyle.networks.foreign import pytorch_examples

        return pytorch_examples.read(path)
    from vidstyle.networks.foreign import lengstrom

    return lengstrom.read(path)


def _kind(path: Path) -> str:
    if path.is_dir():
        if not (path / "manifest.json").is_file():
            raise StyleError(f"{path}: a folder without manifest.json; what can be imported is {KNOWN}")
        return "lengstrom"
    if path.name == "manifest.json":
        raise UsageError(f"{path}: give the folder that it lies in")
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    # A zip archive, or before PyTorch 1.6 a bare pickle; an ONNX model begins with its version.
    if start == b"PK" or start[:1] == b"\x80" or path.suffix in (".pth", ".pt"):
        return "pytorch"
    if start[:1] == b"\x08" or path.suffix == ".onnx":
        return "onnx"
    raise StyleError(f"{path}: no network of a known kind; what can be imported is {KNOWN}")


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(f"importing needs {' and '.join(missing)}; install with: pip install 'vidstyle[torch]'")
