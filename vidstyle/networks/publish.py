"""Writes networks and styles into a library root, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vidstyle.errors import OutputError
from vidstyle.frames import StyleVector
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.graph import Weights, write_graph
from vidstyle.networks.network import sha256_of
from vidstyle.styles import StyleCard, check_name


def publish_network(root: Path, name: str, *, architecture: Architecture, weights: Weights) -> Path:
    """Write `networks/<name>` under `root`, replacing what was there. Returns the folder. Raises OutputError."""
    folder = root / "networks" / check_name(name)
    with _replacing(folder) as new:
        write_graph(new / "network.onnx", architecture, weights)
        card = {"name": name, "architecture": architecture.to_json(), "sha256": sha256_of(new / "network.onnx")}
        _write_json(new / "network.json", card)
    return folder


def publish_style(root: Path, card: StyleCard, vectors: dict[str, StyleVector]) -> Path:
    """Write `styles/<card.name>` under `root`: the card, and a vector per network.

    Other files of the folder (preview, painting, vectors for other networks) stay. Raises OutputError.
    """
    folder = root / "styles" / check_name(card.name)
    with _replacing(folder) as new:
        hashes = dict(card.vectors)
        for network, vector in vectors.items():
            file = new / f"{check_name(network)}.npy"
            np.save(file, vector.astype(np.float32), allow_pickle=False)
            hashes[network] = sha256_of(file)
        values = asdict(card) | {"vectors": dict(sorted(hashes.items()))}
        del values["folder"], values["shipped"]  # where a card lies is not part of it
        _write_json(new / "card.json", values)
    return folder


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
            if folder.is_dir():
                old = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent)) / "it"
                folder.rename(old)
                os.rename(new, folder)
                shutil.rmtree(old.parent)
            else:
                os.rename(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
