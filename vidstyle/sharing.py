"""Takes a style that somebody shared, a folder or a zip archive of one, into the user's library.

Only the card and the vectors that it names are read, and nothing is unpacked: they are verified in
memory and written anew; the preview is painted here.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from vidstyle.errors import InputError, StyleError, UsageError
from vidstyle.frames import StyleVector
from vidstyle.networks.network import parse_vector, read_small
from vidstyle.style_library import Library, user_data
from vidstyle.styles import IDENTITY, StyleCard

CARD = "card.json"

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
    from vidstyle.networks.publish import publish_file, publish_style, replace_folder, staging
    from vidstyle.previews import FILE, paint_preview

    with staging(root) as staged:
        style = publish_style(staged, card, vectors)
        publish_file(style, FILE, paint_preview(Library([staged, *library.roots]), card.name))
        return replace_folder(style, root / "styles" / card.name)


def _card(path: Path, content: bytes) -> StyleCard:
    try:
        card = StyleCard.from_json(content, folder=path, shipped=False)
    except ValueError as error:
        raise StyleError(f"{path}: its {CARD} is refused ({error})") from error
    for key in _TEXTS:
        text = getattr(card, key)
        if len(text) > LONGEST_TEXT or not text.isprintable():
            raise StyleError(f"{path}: the {key} on its card is not a line of text")
    if not card.vectors:
        raise StyleError(f"{path}: its card names no vectors")
    return card


def _vector(path: Path, network: str, content: bytes, card: StyleCard, library: Library) -> StyleVector:
    """A vector that has the checksum on the card and fits its network, which must be at hand."""
    if sha256(content).hexdigest() != card.vectors[network]:
        raise StyleError(f"{path}: the checksum of {network}.npy is not the one on the card; it was altered or damaged")
    try:
        found = library.network(network)
    except StyleError as error:
        raise StyleError(
            f"{path}: is for the network {network!r}, which is not here: import or train that, "
            f"or copy its folder to {user_data() / 'networks' / network}"
        ) from error
    try:
        return parse_vector(content, found)
    except ValueError as error:
        raise StyleError(f"{path}: {network}.npy is {error}") from error


def _read_file(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise StyleError(f"{path}: not there as an ordinary file, but a style needs it")
        with path.open("rb") as file:
            return _content(path, file)
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
            return _content(path, file)

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


def _content(path: Path, file: IO[bytes]) -> bytes:
    try:
        return read_small(file)
    except ValueError as error:
        raise StyleError(f"{path}: {error}") from error
