"""A transformation network on disk: its card, its graph, and the style vectors made for it.

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
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from vidstyle.errors import StyleError
from vidstyle.frames import StyleVector
from vidstyle.networks.architecture import Architecture

LARGEST_SMALL_FILE = 2**20
"""Bytes: a card has a few hundred, a vector a few thousand."""


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
        card = parse_json(read_small_file(card_file))
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


def read_small(file: IO[bytes]) -> bytes:
    """The content of a card or a vector. Raises ValueError for more than one can have, OSError."""
    content = file.read(LARGEST_SMALL_FILE + 1)
    if len(content) > LARGEST_SMALL_FILE:
        raise ValueError(f"more than {LARGEST_SMALL_FILE} bytes, where a small file should be")
    return content


def read_small_file(path: Path) -> bytes:
    """The same of the file at `path`."""
    with path.open("rb") as file:
        return read_small(file)


def parse_json(content: bytes) -> dict[str, Any]:
    """The JSON object that `content` holds. Raises ValueError, also for one that is nested too deeply to be read."""
    try:
        values = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError(f"a {type(values).__name__} instead of entries with names")
    return values


def parse_vector(content: bytes, network: Network) -> StyleVector:
    """The style vector for `network` that the content of an .npy file is, (S,) float32. Raises ValueError."""
    file = BytesIO(content)
    try:
        # Only the header, and the numbers from the bytes that are there: a header may claim any size.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("unknown version")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        vector = np.frombuffer(content, np.float32, offset=file.tell()).copy()  # of its own, to be written to as well
    except Exception as error:  # a damaged header is parsed as Python's literals, with all that this may raise
        raise ValueError(f"not a NumPy file ({error})") from error
    size = network.style_size
    if kind != np.float32 or shape != (size,) or vector.shape != shape or not np.isfinite(vector).all():
        raise ValueError(f"{shape} {kind}, but {network.name} needs ({size},) finite float32")
    return vector


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
