from __future__ import annotations

import errno
import io
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidstyle.errors import StyleError, UsageError
from vidstyle.style_library import Library, user_data
from vidstyle.styles import IDENTITY, StyleMix, check_name, parse_style

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "file:///etc/passwd",
    "CON",
    "con",
    "nul",
    "com1",
    "lpt9",
    "style\x00.pth",
    "new\nline",
    "\x1b[31mred",
    ".",
    "..",
    "",
    " ",
    "~root/x",
    "concat:a|b",
    "http://127.0.0.1:1/x.pth",
    "-mosaic",
    "mosaïc",
    "a" * 65,
    "mosaic\n",
]


@pytest.fixture
def copied(library_root: Path, tmp_path: Path) -> Path:
    """A copy of the library that a test may damage."""
    return Path(shutil.copytree(library_root, tmp_path / "copied"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_everywhere(library: Library, name: str) -> None:
    for refuse in (check_name, library.card, library.network, lambda n: library.style(n, library.network())):
        with pytest.raises(UsageError):
            refuse(name)
    with pytest.raises(UsageError):
        parse_style(name)


@pytest.mark.parametrize("name", ["mosaic", "a", "0", "great_wave-2", "a" * 64, "console"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("text", ["painting.jpg", "painting.jpg:2", "networks/mine.pth", "C:\\paintings\\wave.png"])
def test_a_file_for_a_style_is_told_what_to_do_with_it(text: str) -> None:
    with pytest.raises(UsageError, match="vidstyle train"):
        parse_style(text)


@pytest.mark.parametrize(
    ("text", "parsed"), [("mosaic", ("mosaic", 1.0)), ("mosaic:2", ("mosaic", 2.0)), ("mosaic:.5", ("mosaic", 0.5))]
)
def test_styles_with_weights(text: str, parsed: tuple[str, float]) -> None:
    assert parse_style(text) == parsed


@pytest.mark.parametrize("text", ["mosaic:", "mosaic:x", "mosaic:-1", "mosaic:nan", "mosaic:inf", "mosaic:1:2"])
def test_weights_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_style(text)


def test_the_library_lists_styles_without_identity(library: Library) -> None:
    assert [card.name for card in library.cards()] == ["mosaic", "waves"]
    assert library.card(IDENTITY).name == IDENTITY


def test_what_is_being_written_is_not_there_yet(copied: Path) -> None:
    """Nor what a process that was killed has left."""
    shutil.copytree(copied / "styles" / "mosaic", copied / "styles" / ".new-abc")
    shutil.copytree(copied / "networks" / "live", copied / "networks" / ".new-abc")
    library = Library([copied])
    assert [card.name for card in library.cards()] == ["mosaic", "waves"]
    assert library.network_names() == ["classic", "live"]


def test_folders_that_have_no_networks_name_are_none(copied: Path) -> None:
    (copied / "networks" / "My Networks (old)").mkdir()
    assert Library([copied]).network_names() == ["classic", "live"]


def test_a_style_that_is_published_anew_is_waited_for(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two renames there is none of its name."""
    library, folder = Library([copied]), copied / "styles" / "mosaic"
    network = library.network()
    folder.rename(copied / "away")
    monkeypatch.setattr("vidstyle.style_library.time.sleep", lambda seconds: (copied / "away").rename(folder))
    assert library.style("mosaic", network).card.name == "mosaic"


def test_identity_is_not_removed(copied: Path) -> None:
    """Every network of the user's that keeps its own there would be lost with it."""
    with pytest.raises(UsageError, match="not removed"):
        Library([copied]).remove(IDENTITY)


def test_a_vector_that_the_card_has_forgotten_is_named(copied: Path) -> None:
    """As after copying a library over another one whose style has vectors for other networks."""
    file = copied / "styles" / "mosaic" / "card.json"
    card = json.loads(file.read_text())
    del card["vectors"]["live"]
    file.write_text(json.dumps(card))
    library = Library([copied])
    with pytest.raises(StyleError, match=r"live\.npy: the card beside it does not name it; was another library"):
        library.style("mosaic", library.network("live"))


@pytest.mark.parametrize("name", ["wave", "Waves", "WAVES", "the waves", " waves "])
def test_an_unknown_style_is_named_with_the_nearest(library: Library, name: str) -> None:
    assert parse_style(f"{name}:2") == (name, 2.0)
    with pytest.raises(StyleError, match=f"no style '{name}' .did you mean 'waves'"):
        library.card(name)


@pytest.mark.parametrize("name", ["Mosaic", "the waves"])
def test_nothing_is_given_a_name_with_capitals_or_spaces(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        check_name(name)


def test_the_users_style_comes_before_the_shipped_one(library_root: Path, copied: Path) -> None:
    assert Library([copied, library_root]).card("mosaic").folder.is_relative_to(copied)


def test_the_users_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(tmp_path))
    assert user_data() == tmp_path


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `folder` refuse to be entered, whoever runs the tests."""
    look = os.stat

    def refuse(path: Any, **how: Any) -> os.stat_result:
        if not isinstance(path, int) and folder in Path(path).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path, **how)

    monkeypatch.setattr(os, "stat", refuse)


def test_a_home_that_cannot_be_entered_holds_no_styles(
    library_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may have the home of a user as whom it does not run."""
    monkeypatch.delenv("VIDSTYLE_DATA_DIR")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *names, **how: str(tmp_path / "home" / "vidstyle"))
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)
    close(tmp_path / "home", monkeypatch)
    library = Library()
    assert [card.name for card in library.cards()] == ["mosaic", "waves"]
    assert library.style("waves", library.network()).card.shipped


def test_a_data_folder_that_was_named_must_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(tmp_path / "closed" / "vidstyle"))
    close(tmp_path / "closed", monkeypatch)
    with pytest.raises(StyleError, match=r"closed/vidstyle: .* cannot be looked for there .Permission denied."):
        Library()


def test_a_mix_is_the_weighted_mean_from_the_identity(library: Library) -> None:
    network = library.network()
    vectors = {name: library.style(name, network).vector.astype(float) for name in ("mosaic", "waves", IDENTITY)}
    half = library.mix([("mosaic", 3.0), ("waves", 1.0)], network, 0.5).vector
    wanted = (0.75 * vectors["mosaic"] + 0.25 * vectors["waves"] + vectors[IDENTITY]) / 2
    assert np.allclose(half, wanted, atol=1e-6)
    assert half.dtype == np.float32
    assert np.array_equal(library.mix([("mosaic", 2.0)], network).vector, vectors["mosaic"].astype(np.float32))
    assert np.array_equal(library.mix([("waves", 1.0)], network, 0).vector, vectors[IDENTITY].astype(np.float32))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(library: Library, strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        library.mix([("mosaic", 1.0)], library.network(), strength)


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], [float("nan")], [float("inf")], [1e308, 1e308]])
def test_weights_that_do_not_add_up_are_refused(library: Library, weights: list[float]) -> None:
    style = library.style("mosaic", library.network())
    with pytest.raises(UsageError, match="weights"):
        StyleMix(styles=tuple((style, w) for w in weights), identity=style)


def test_a_vector_that_was_altered_is_refused(copied: Path) -> None:
    library = Library([copied])
    file = copied / "styles" / "mosaic" / "live.npy"
    np.save(file, np.load(file) + 1)
    with pytest.raises(StyleError, match="checksum"):
        library.style("mosaic", library.network())


def test_a_network_that_was_altered_is_refused(copied: Path) -> None:
    file = copied / "networks" / "live" / "network.onnx"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(StyleError, match="checksum"):
        Library([copied]).network()


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(name="other"),
        lambda card: card.pop("title"),
        lambda card: card.update(unknown=1),
        lambda card: card.update(title=5),
        lambda card: card.update(year=1889),
        lambda card: card.update(vectors=None),
        lambda card: card.update(vectors=["live"]),
        lambda card: card.update(vectors={"live": 1}),
        lambda card: card.update(vectors={"../live": "0" * 64}),
        lambda card: card.update(fitted=None),
        lambda card: card.update(fitted=["live"]),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(copied: Path, change: object) -> None:
    file = copied / "styles" / "mosaic" / "card.json"
    card = json.loads(file.read_text())
    change(card)  # type: ignore[operator]
    file.write_text(json.dumps(card))
    with pytest.raises(StyleError, match="card"):
        Library([copied]).card("mosaic")


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b" " * 2**21])
def test_a_card_that_is_none_is_refused_with_the_way_out(
    copied: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = copied / "styles" / "mosaic" / "card.json"
    file.write_bytes(content)
    with pytest.raises(StyleError, match=r"not a usable style card [^;]*$"):  # `remove` is for the user's own folder
        Library([copied]).cards()
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(copied))
    with pytest.raises(StyleError, match=r"not a usable style card .*`vidstyle styles remove mosaic` takes it"):
        Library([copied]).cards()
    (copied / "styles" / "mosaic").rename(copied / "styles" / "My Mosaic")
    with pytest.raises(StyleError, match=r"not a usable style card [^;]*$"):  # nor for what has no name
        Library([copied]).cards()


def test_a_card_that_cannot_be_read_is_in_nobodys_way(copied: Path) -> None:
    library = Library([copied])
    (copied / "styles" / "mosaic" / "card.json").write_text("{")
    with pytest.raises(StyleError, match=r"no style 'wave' .did you mean 'waves'"):
        library.card("wave")
    library.remove("waves")
    library.remove("mosaic")
    assert library.cards() == []
    assert library.network_names() == ["classic", "live"]


@pytest.mark.parametrize("content", [b"[]", b"[" * 100_000, b" " * 2**21])
def test_a_networks_card_that_is_none_is_refused(copied: Path, content: bytes) -> None:
    (copied / "networks" / "live" / "network.json").write_bytes(content)
    with pytest.raises(StyleError, match="not a usable network"):
        Library([copied]).network()


def test_a_network_has_its_folders_name(copied: Path) -> None:
    """Else it would be two, and vectors trained for one would not count for the other."""
    (copied / "networks" / "live").rename(copied / "networks" / "lively")
    with pytest.raises(StyleError, match="lively: the network was renamed"):
        Library([copied]).network("lively")


def test_a_style_fitted_to_an_earlier_network_says_so(copied: Path) -> None:
    library = Library([copied])
    network = library.network("live")
    file = copied / "styles" / "mosaic" / "card.json"
    card = json.loads(file.read_text())
    file.write_text(json.dumps(card | {"fitted": {"live": network.sha256}}))
    assert library.mix([("mosaic", 1)], network).notes == []
    file.write_text(json.dumps(card | {"fitted": {"live": "0" * 64}}))
    (note,) = library.mix([("mosaic", 1), ("waves", 1)], network).notes
    assert "'mosaic' was fitted to another version of the network 'live'" in note
    assert library.mix([("mosaic", 0), ("waves", 1)], network).notes == []


def an_archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, vector=np.zeros(4, np.float32))
    return file.getvalue()


def with_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def a_pickle() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    return file.getvalue()


NO_VECTORS = {
    "pickle": a_pickle(),
    "archive": an_archive(),
    "empty": b"",
    "enormous": with_header(str({"descr": "<f4", "fortran_order": False, "shape": (10**14,)}) + "\n"),
    "nested": with_header("(" * 5000),
}


@pytest.mark.parametrize("kind", NO_VECTORS)
def test_what_is_no_vector_is_never_loaded(copied: Path, kind: str) -> None:
    folder = copied / "styles" / "mosaic"
    (folder / "live.npy").write_bytes(NO_VECTORS[kind])
    card = json.loads((folder / "card.json").read_text())
    card["vectors"]["live"] = sha256(NO_VECTORS[kind]).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    library = Library([copied])
    with pytest.raises(StyleError, match="not a usable style vector"):
        library.style("mosaic", library.network())


def test_a_style_for_another_network_is_refused(copied: Path) -> None:
    library = Library([copied])
    (copied / "networks" / "live").rename(copied / "networks" / "other")
    card = copied / "networks" / "other" / "network.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"name": "other"}))
    with pytest.raises(StyleError, match="not trained for network 'other'"):
        library.style("mosaic", library.network("other"))
