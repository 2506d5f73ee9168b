"""Writes networks and styles into a library root, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vidstyle.errors import OutputError
from vidstyle.frames import StyleVector
from vidstyle.networks.network import sha256_of
from vidstyle.styles import StyleCard, check_name

if TYPE_CHECKING:
    import onnx

    from vidstyle.networks.architecture import Architecture
    from vidstyle.networks.graph import Weights

ABANDONED = 24 * 3600
"""Seconds after which nobody works any more on a folder that was begun: an import takes a minute."""


def publish_network(
    root: Path, name: str, *, architecture: Architecture, weights: Weights, identity: StyleVector | None = None
) -> Path:
    """Write `networks/<name>` under `root`, replacing what was there. Returns the folder. Raises OutputError.

    `identity` (S,) float32 is the vector with which the network gives the picture back; None where the style
    `identity` has it.

    Weights are rounded to bf16's precision, so engines that compute in it have them exactly: the zeros at their ends
    compress away, so that a wheel or an archive takes half of the room.
    """
    from vidstyle.networks.graph import build_graph

    rounded = {key: _to_bf16(np.asarray(weight, np.float32)) for key, weight in weights.items()}
    return publish_graph(root, name, build_graph(architecture, rounded), architecture=architecture, identity=identity)


def _to_bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest values with eight significant bits."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.round(fraction * 2**8) / np.float32(2**8), exponent)


def publish_graph(
    root: Path,
    name: str,
    graph: onnx.ModelProto,
    *,
    architecture: Architecture | None = None,
    identity: StyleVector | None = None,
) -> Path:
    """Write `networks/<name>`; without an architecture it is an imported network, which holds one style."""
    import onnx

    folder = root / "networks" / check_name(name)
    with _replacing(folder) as new:
        onnx.save(graph, str(new / "network.onnx"))
        shape = architecture.to_json() if architecture else None
        card = {"name": name, "architecture": shape, "sha256": sha256_of(new / "network.onnx")}
        if identity is not None:
            np.save(new / "identity.npy", identity.astype(np.float32), allow_pickle=False)
            card["identity"] = sha256_of(new / "identity.npy")
        _write_json(new / "network.json", card)
    return folder


def publish_style(
    root: Path, card: StyleCard, vectors: dict[str, StyleVector], *, fitted: Mapping[str, str] | None = None
) -> Path:
    """Write `styles/<card.name>` under `root`: the card, and a vector per network, `fitted` to those of these sha256.

    Other files of the folder (preview, painting, vectors that `card` names) stay. Raises OutputError.
    """
    folder = root / "styles" / check_name(card.name)
    with _replacing(folder) as new:
        hashes = dict(card.vectors)
        for network, vector in vectors.items():
            file = new / f"{check_name(network)}.npy"
            np.save(file, vector.astype(np.float32), allow_pickle=False)
            hashes[network] = sha256_of(file)
        values = asdict(card) | {"vectors": dict(sorted(hashes.items()))}
        values["fitted"] = dict(sorted({**card.fitted, **(fitted or {})}.items()))
        for file in new.glob("*.npy"):
            if file.stem not in hashes:
                file.unlink()  # what the card does not name counts as a style that is broken
        del values["folder"], values["shipped"]  # where a card lies is not part of it
        _write_json(new / "card.json", values)
    return folder


def publish_file(folder: Path, name: str, content: bytes) -> None:
    """Write one more file into a published folder, whole or not at all. Raises OutputError."""
    with _replacing(folder) as new:
        (new / name).write_bytes(content)


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A library root inside `root`, for what must prove itself before `replace_folder` moves it. Raises OutputError.

    What killed runs have left of theirs goes.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(".new-*"):
            with suppress(FileNotFoundError):  # its run ends at this moment
                if time.time() - left.stat().st_mtime > ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=root) as stage:
            yield Path(stage)
    except OSError as error:
        raise OutputError(f"{root}: cannot be written ({error.strerror or error})") from error


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A copy of `folder` to change, which takes its place when the block ends well."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        try:
            new.chmod(0o755)
            if folder.is_dir():
                shutil.copytree(folder, new, dirs_exist_ok=True)
            yield new
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error


def replace_folder(new: Path, folder: Path) -> Path:
    """Move `new` to `folder`, in place of what was there. Returns `folder`. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent)) / "it"
        folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            old.rename(folder)
            old.parent.rmdir()
            raise
        shutil.rmtree(old.parent)
    else:
        new.rename(folder)
    return folder


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
