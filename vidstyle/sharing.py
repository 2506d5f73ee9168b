"""Takes a style that somebody shared, a folder or a zip archive of one, into the user's library.

Only the card and the vectors that it names are read, and nothing is unpacked: they are verified in
memory and written anew; the preview is painted here.
"""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np

from vidstyle.errors import InputError, StyleError, UsageError
from vidstyle.frames import StyleVector
from vidstyle.styles import IDENTITY, Library, StyleCard, check_name, user_data

CARD = "card.json"
LARGEST_MEMBER = 2**20
"""Bytes: a card has a few hundred, a vector a few thousand."""

MOST_ENTRIES = 1000
LONGEST_TEXT = 1000

_TEXTS = ("title", "author", "year", "licence", "source", "trained")

Read = Callable[[str], bytes]
"""The content of a file of the shared style, by name."""


def add_style(path: Path, *, overwrite: bool = False) -> Path:
    """Verify the style at `path`, a folder or a zip archive, and publish it among the user's own.

    Returns its folder. Raises InputError if there is nothing at `path`, StyleError for whatever is
    damaged or not what it says, UsageError for a name that is taken, OutputError.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        return _add(path, lambda name: _read_file(path / name), overwrite=overwrite)
    try:
        with zipfile.ZipFile(path) as archive:
            return _add(path, _archive_reader(path, archive), overwrite=overwrite)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise StyleError(f"{path}: not a style folder or a zip archive of one ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _add(path: Path, read: Read, *, overwrite: bool) -> Path:
    library, root = Library(), user_data()
    card = _card(path, read(CARD))
    if card.name == IDENTITY:
        raise StyleError(f"{path}: a style called {IDENTITY!r} would change where every strength starts from")
    for other in library.roots:
        if (other / "styles" / card.name).exists() and not overwrite:
            raise UsageError(f"there is a style {card.name!r} already; -y takes this one in its place")
    vectors = {name: _vector(path, name, read(f"{name}.npy"), card, library) for name in card.vectors}
    from vidstyle.networks.publish import publish_file, publish_style
    from vidstyle.previews import FILE, paint_preview

    folder = publish_style(root, card, vectors)
    publish_file(folder, FILE, paint_preview(library, card.name))
    return folder


def _card(path: Path, content: bytes) -> StyleCard:
    try:
        values = json.loads(content)
    except ValueError as error:
        raise StyleError(f"{path}: its {CARD} is not JSON ({error})") from error
    known = {field.name for field in fields(StyleCard)} - {"folder", "shipped"}
    if not isinstance(values, dict) or {"fitted", *values} != known:
        raise StyleError(f"{path}: its {CARD} does not have exactly the entries {', '.join(sorted(known))}")
    for key in _TEXTS:
        text = values[key]
        if not isinstance(text, str) or len(text) > LONGEST_TEXT or not text.isprintable():
            raise StyleError(f"{path}: the {key} on its card is not a line of text")
    vectors, fitted = values["vectors"], values.get("fitted", {})
    if not isinstance(vectors, dict) or not vectors or not all(isinstance(v, str) for v in vectors.values()):
        raise StyleError(f"{path}: its card names no vectors")
    if not isinstance(fitted, dict) or not all(isinstance(v, str) for v in fitted.values()):
        raise StyleError(f"{path}: its card does not say what its vectors were fitted to")
    try:
        for name in (values["name"], *vectors):
            check_name(name)
    except (UsageError, TypeError) as error:
        raise StyleError(f"{path}: its card is refused: {error}") from error
    return StyleCard(**values, folder=path, shipped=False)


def _vector(path: Path, network: str, content: bytes, card: StyleCard, library: Library) -> StyleVector:
    """A vector that has the checksum on the card and fits its network, which must be at hand."""
    if sha256(content).hexdigest() != card.vectors[network]:
        raise StyleError(f"{path}: the checksum of {network}.npy is not the one on the card; it was altered or damaged")
    try:
        size = library.network(network).style_size
    except StyleError as error:
        raise StyleError(
            f"{path}: is for the network {network!r}, which is not here: import or train that, "
            f"or copy its folder to {user_data() / 'networks' / network}"
        ) from error
    file = BytesIO(content)
    try:
        # Only the header, and the numbers from the bytes that are there: a header may claim any size.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("unknown version")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        vector = np.frombuffer(content, np.float32, offset=file.tell())
    except Exception as error:  # a damaged header is parsed as Python's literals, with all that this may raise
        raise StyleError(f"{path}: {network}.npy is not a NumPy file ({error})") from error
    if kind != np.float32 or shape != (size,) or vector.shape != shape or not np.isfinite(vector).all():
        raise StyleError(f"{path}: {network}.npy is {shape} {kind}; {network} needs ({size},) finite float32")
    return vector


def _read_file(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise StyleError(f"{path}: not there as an ordinary file, but a style needs it")
        with path.open("rb") as file:
            return _limited(path, file.read(LARGEST_MEMBER + 1))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _archive_reader(path: Path, archive: zipfile.ZipFile) -> Read:
    """A reader for the one folder in the archive that holds a card. Raises StyleError for hostile entries."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise StyleError(f"{path}: {len(entries)} entries; a style has a handful")
    for entry in entries:
        _check_entry(path, entry)
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise StyleError(f"{path}: holds two entries of one name; such an archive is refused")
    cards = [PurePosixPath(name) for name in names if PurePosixPath(name).name == CARD]
    if len(cards) != 1:
        raise StyleError(f"{path}: holds {len(cards)} files called {CARD}; the archive of a style has one")
    folder = cards[0].parent

    def read(name: str) -> bytes:
        member = str(folder / name)
        if member not in names:
            raise StyleError(f"{path}: holds no {member}, which the card names")
        with archive.open(member) as file:
            return _limited(path, file.read(LARGEST_MEMBER + 1))

    return read


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    # ZipInfo.filename is cut at a NUL and its separators may be changed; orig_filename is what the archive says.
    name = entry.orig_filename
    parts = name.rstrip("/").split("/")
    if not name.isprintable() or set(name) & set("\\:") or any(part in ("", ".", "..") for part in parts):
        raise StyleError(f"{path}: holds an entry {name!r} that points out of its folder; such an archive is refused")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise StyleError(f"{path}: holds a link, {name!r}; such an archive is refused")
    if entry.flag_bits & 1:
        raise StyleError(f"{path}: is encrypted; unpack it and add the folder")


def _limited(path: Path, content: bytes) -> bytes:
    if len(content) > LARGEST_MEMBER:
        raise StyleError(f"{path}: holds a file of more than {LARGEST_MEMBER} bytes where a style has a small one")
    return content
