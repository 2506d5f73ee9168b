"""A transformation network on disk: its card and its graph.

A network's folder holds `network.json` (the card) and `network.onnx` (weights and graph in one file:
input `frames` (N, H, W, 3) uint8 RGB and, unless it holds one style only, `style` (S,) float32; output
`painted` (N, H, W, 3) uint8 RGB; N, H, W free). A trained network also keeps the vector that makes it give
the picture back there, `identity.npy`, so that its folder can be copied alone; one from before that has it in
the style `identity`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vidstyle.errors import StyleError
from vidstyle.networks.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Network:
    """A verified network. `architecture` is None and `style_size` 0 for an imported one-style network.

    `identity` is the sha256 of its `identity.npy`, None where it has none. `vectors` are the files of all style
    vectors that a library knows for it, which an engine may have to be fitted to.
    """

    name: str
    graph: Path
    sha256: str
    style_size: int
    architecture: Architecture | None
    identity: str | None = None
    vectors: tuple[Path, ...] = ()


def load_network(folder: Path) -> Network:
    """Read and verify the network in `folder`. Raises StyleError if it is missing, damaged or altered."""
    card_file = folder / "network.json"
    try:
        card = json.loads(card_file.read_text(encoding="utf-8"))
        architecture = Architecture.from_json(card["architecture"]) if card.get("architecture") else None
        graph = folder / "network.onnx"
        digest = sha256_of(graph)
        if digest != card["sha256"]:
            raise StyleError(f"{graph}: the checksum is not the one on its card; install it again")
        return Network(
            name=card["name"],
            graph=graph,
            sha256=digest,
            style_size=architecture.style_size if architecture else 0,
            architecture=architecture,
            identity=card.get("identity"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StyleError(f"{folder}: not a usable network ({error})") from error


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
