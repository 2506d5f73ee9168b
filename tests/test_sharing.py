"""Shared styles: taken from folders and archives, verified, and nothing hostile among them."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TINY, add_style
from vidstyle.errors import InputError, StyleError, UsageError
from vidstyle.sharing import MOST_ENTRIES
from vidstyle.sharing import add_style as add
from vidstyle.style_library import Library, user_data


@pytest.fixture(autouse=True)
def shipped(library_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny library counts as the shipped one."""
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A style that somebody shares."""
    return add_style(tmp_path / "shared", "forest", {"live": np.linspace(0, 1, TINY.style_size)})


def zipped(folder: Path, target: Path, *, inside: str = "forest/", more: Iterable[tuple[Any, bytes]] = ()) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, inside + file.name)
        for name, content in more:
            archive.writestr(name, content)
    return target


def change_card(place: Path, **values: object) -> None:
    card = json.loads((place / "card.json").read_text()) | values
    (place / "card.json").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


def change_vector(folder: Path, content: bytes) -> None:
    """Another vector, with its right checksum on the card."""
    (folder / "live.npy").write_bytes(content)
    change_card(folder, vectors={"live": sha256(content).hexdigest()})


def is_added() -> bool:
    return (user_data() / "styles").exists()


def test_a_folder_is_added_with_a_preview(folder: Path) -> None:
    assert add(folder) == user_data() / "styles" / "forest"
    library = Library()
    style = library.style("forest", library.network())
    assert np.array_equal(style.vector, np.load(folder / "live.npy"))
    assert not style.card.shipped
    assert (style.card.folder / "preview.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("inside", ["", "forest/", "styles/other name/"])
def test_an_archive_is_added(folder: Path, tmp_path: Path, inside: str) -> None:
    archive = zipped(folder, tmp_path / "s.zip", inside=inside, more=[("__MACOSX/._card.json", b"junk")])
    assert add(archive).name == "forest"
    assert sorted(p.name for p in (user_data() / "styles" / "forest").iterdir()) == [
        "card.json",
        "live.npy",
        "preview.jpg",
    ]


def test_a_name_that_is_taken_needs_a_word(folder: Path) -> None:
    add(folder)
    with pytest.raises(UsageError, match="already"):
        add(folder)
    change_card(folder, title="Another")
    add(folder, overwrite=True)
    assert Library().card("forest").title == "Another"


def test_a_shipped_name_needs_a_word_too(folder: Path) -> None:
    change_card(folder, name="mosaic")
    with pytest.raises(UsageError, match="already"):
        add(folder)
    add(folder, overwrite=True)
    assert not Library().card("mosaic", "live").shipped


def test_a_style_with_more_vectors_is_replaced_whole(folder: Path) -> None:
    add(folder)
    ones = np.ones(Library().network("classic").style_size, np.float32)
    add(add_style(folder.parent / "another", "forest", {"classic": ones}), overwrite=True)
    library = Library()
    style = library.style("forest", library.network("live"))  # by `classic`, as all that it has a vector for
    assert np.array_equal(style.vector, ones)


def test_what_cannot_be_painted_takes_no_styles_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = add(folder)
    before = {file.name: file.read_bytes() for file in mine.iterdir()}

    def fail(library: Library, name: str) -> bytes:
        raise StyleError("cannot be painted")

    monkeypatch.setattr("vidstyle.previews.paint_preview", fail)
    change_card(folder, title="Another")
    with pytest.raises(StyleError, match="cannot be painted"):
        add(folder, overwrite=True)
    assert {file.name: file.read_bytes() for file in mine.iterdir()} == before
    assert sorted(file.name for file in user_data().iterdir()) == ["styles"]


ENTRIES = [
    "../outside.npy", "/etc/outside", "forest/../../outside", "forest\\..\\outside", "C:outside", "forest/./x",
    "forest//x", "a\nb",
]  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_an_archive_with_hostile_names_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StyleError, match="points out of its folder"):
        add(zipped(folder, tmp_path / "s.zip", more=[(name, b"x")]))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "s.zip"])


def test_an_archive_with_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("forest/painting.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(StyleError, match="link"):
        add(zipped(folder, tmp_path / "s.zip", more=[(link, b"/etc/hostname")]))


def test_an_archive_that_swells_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "card.json").unlink()
    bomb = zipped(folder, tmp_path / "s.zip", more=[("forest/card.json", b" " * 2**25)])
    assert bomb.stat().st_size < 2**17
    with pytest.raises(StyleError, match="more than"):
        add(bomb)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_one_name_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="two entries"):
        add(zipped(folder, tmp_path / "s.zip", more=[("forest/card.json", b"{}")]))


def test_an_archive_of_very_many_entries_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="a style has a handful"):
        add(zipped(folder, tmp_path / "s.zip", more=[(f"forest/{n}", b"") for n in range(MOST_ENTRIES)]))


def test_an_encrypted_archive_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "s.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # as the directory at the end says of its first entry
    archive.write_bytes(content)
    with pytest.raises(StyleError, match="unpack it and add the folder"):
        add(archive)


def test_an_archive_of_two_styles_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StyleError, match=r"2 files called card\.json"):
        add(zipped(folder, tmp_path / "s.zip", more=[("other/card.json", b"{}")]))


def test_an_archive_without_its_vector_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "live.npy").unlink()
    with pytest.raises(StyleError, match=r"no forest/live\.npy"):
        add(zipped(folder, tmp_path / "s.zip"))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x05\x06 cut off"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.zip").write_bytes(content)
    with pytest.raises(StyleError, match="zip"):
        add(tmp_path / "s.zip")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such"):
        add(tmp_path / "nothing")


HOSTILE_NAMES = ["../../etc/passwd", "/etc/passwd", "CON", "con", "..", "", "a/b", "style\0", "~root", 7, None]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_card_with_a_hostile_name_is_refused(folder: Path, name: object) -> None:
    change_card(folder, name=name)
    with pytest.raises(StyleError):
        add(folder)
    assert not is_added()


@pytest.mark.parametrize("name", ["../live", "nul", "a/b"])
def test_a_card_with_a_hostile_network_is_refused(folder: Path, name: str) -> None:
    change_card(folder, vectors={name: "0" * 64})
    with pytest.raises(StyleError, match="cannot be a name"):
        add(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"title": "two\nlines"},
        {"title": "\x1b[2J"},
        {"author": 3},
        {"licence": "x" * 5000},
        {"folder": "/etc"},
        {"year": None},
        {"vectors": {}},
        {"vectors": {"live": 3}},
        {"fitted": ["live"]},
        {"fitted": {"live": 3}},
        {"vectors": {"live": []}},
    ],
)
def test_a_card_that_is_none_is_refused(folder: Path, values: dict[str, object]) -> None:
    change_card(folder, **values)
    with pytest.raises(StyleError, match="card"):
        add(folder)
    assert not is_added()


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"\xff"])
def test_a_card_that_is_no_table_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    (folder / "card.json").write_bytes(content)
    for shared in (folder, zipped(folder, tmp_path / "s.zip")):
        with pytest.raises(StyleError, match=r"its card\.json is refused"):
            add(shared)


def test_identity_cannot_be_replaced(folder: Path) -> None:
    change_card(folder, name="identity")
    with pytest.raises(StyleError, match="identity"):
        add(folder, overwrite=True)


def test_an_altered_vector_is_refused(folder: Path) -> None:
    np.save(folder / "live.npy", np.zeros(TINY.style_size, np.float32))
    with pytest.raises(StyleError, match="checksum"):
        add(folder)
    assert not is_added()


def test_a_style_for_another_network_is_refused(folder: Path) -> None:
    shutil.copy(folder / "live.npy", folder / "grand.npy")
    change_card(folder, vectors={"grand": sha256((folder / "grand.npy").read_bytes()).hexdigest()})
    with pytest.raises(StyleError, match="'grand', which is not here"):
        add(folder)


@pytest.mark.parametrize("kind", ["short", "wide", "double", "not a number", "pickle", "header", "text", "tail"])
def test_a_vector_that_does_not_fit_is_refused(folder: Path, kind: str) -> None:
    good = np.load(folder / "live.npy")
    arrays = {
        "short": good[:-1],
        "wide": good[None],
        "double": good.astype(np.float64),
        "not a number": np.where(good > 0.5, np.nan, good).astype(np.float32),
        "pickle": np.array([{}], object),
    }
    if kind in arrays:
        np.save(folder / "live.npy", arrays[kind], allow_pickle=True)
    content = (folder / "live.npy").read_bytes()
    content = {
        "header": content.replace(f"({TINY.style_size},)".encode(), b"(10**12,)"[:5]),
        "text": b"hello",
        "tail": content + b"\0\0\0\0",
    }.get(kind, content)
    change_vector(folder, content)
    with pytest.raises(StyleError, match=r"live\.npy is"):
        add(folder)
    assert not is_added()


def test_a_link_in_a_folder_is_refused(folder: Path) -> None:
    (folder / "live.npy").rename(folder.parent / "elsewhere")
    (folder / "live.npy").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(StyleError, match="ordinary file"):
        add(folder)
