"""`styles import` and `styles add` as a user types them, to a picture painted in the style."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the checkpoints are made with the torch extra")
pytest.importorskip("onnx", reason="importing needs the torch extra")

from tests.conftest import TINY, add_style  # noqa: E402
from tests.networks import foreign_networks as foreign  # noqa: E402
from vidstyle.cli import app  # noqa: E402
from vidstyle.style_library import user_data  # noqa: E402

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def shipped(library_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny library counts as the shipped one."""
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)
    return library_root


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(2)
    network = foreign.TransformerNet().eval()
    torch.save(network.state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "in.png"), foreign.photograph(128, 160)[0][..., ::-1])
    return tmp_path / "in.png"


def rendered(photograph: Path, *arguments: str) -> np.ndarray:
    """The painted picture, (H, W, 3) RGB."""
    target = photograph.with_name("out.png")
    common = ["render", str(photograph), str(target), "-y", "--backend", "openvino", "--precision", "fp32"]
    assert app.run([*common, *arguments]) == 0
    return cv2.imread(str(target))[..., ::-1].astype(int)


def contents(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if user_data() not in path.parents and path != user_data()}


def test_an_imported_style_renders_and_joins_the_controls(
    checkpoint: Path, photograph: Path, tmp_path: Path, capsys: Captured
) -> None:
    before = contents(tmp_path)
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"
    assert contents(tmp_path) - before <= {tmp_path / "vidstyle_cache_dir"} | contents(tmp_path / "vidstyle_cache_dir")
    assert {p.name for p in user_data().iterdir()} == {"networks", "styles"}

    film = cv2.imread(str(photograph))[..., ::-1].astype(int)
    painted = rendered(photograph, "-s", "mine")
    assert "painted by its own network, 'mine'" in capsys.readouterr().err
    network = foreign.TransformerNet()
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    expected = foreign.paint_with_torch(network.eval(), film[None].astype(np.uint8))[0]
    assert (np.abs(painted - expected) <= 2).mean() >= 0.999

    assert np.abs(rendered(photograph, "-s", "mine", "--strength", "0.5") - (film + painted) / 2).max() <= 1.5
    mosaic = rendered(photograph, "-s", "mosaic")
    mixed = rendered(photograph, "-s", "mine:3", "-s", "mosaic:1")
    assert np.abs(mixed - (3 * painted + mosaic) / 4).max() <= 1.5
    kept = rendered(photograph, "-s", "mine", "--keep-colors")
    assert np.abs(kept - painted).mean() > 1
    fine = rendered(photograph, "-s", "mine", "--stroke", "0.5")
    assert np.abs(fine - painted).mean() > 1


def test_every_format_is_told_by_its_content(tmp_path: Path, checkpoint: Path) -> None:
    foreign.write_lengstrom(tmp_path / "weights")
    assert app.run(["styles", "import", str(tmp_path / "weights"), "--name", "raw"]) == 0
    renamed = checkpoint.rename(tmp_path / "anything.bin")
    assert app.run(["styles", "import", str(renamed), "--name", "zipped"]) == 0
    graph = user_data() / "networks" / "raw" / "network.onnx"  # a graph like any other: uint8, NxHxWx3
    assert app.run(["styles", "import", str(graph), "--name", "graph"]) == 0


def test_the_same_name_again_needs_a_word(checkpoint: Path, capsys: Captured) -> None:
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine"]) == 0
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine"]) == 2
    assert "already" in capsys.readouterr().err
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine", "-y"]) == 0


@pytest.mark.parametrize("name", ["mosaic", "live", "identity"])
def test_names_that_vidstyle_comes_with_are_refused(checkpoint: Path, name: str, capsys: Captured) -> None:
    assert app.run(["styles", "import", str(checkpoint), "--name", name, "-y"]) == 2
    assert "choose another --name" in capsys.readouterr().err
    assert not user_data().exists()


HOSTILE_NAMES = [
    "../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "file:///etc/passwd", "CON", "style\0.pth", ".",
    "..", "~root/x", "concat:a|b", "http://127.0.0.1:1/x.pth", "",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_refused_and_nothing_is_written(checkpoint: Path, name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert app.run(["styles", "import", str(checkpoint), "--name", name]) == 2
    assert app.run(["styles", "show", name]) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_pickle_that_runs_code_is_refused(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = shutil.copy(test_data / "hazards" / "m01_evil_raw.pth", tmp_path)
    assert app.run(["styles", "import", str(evil), "--name", "evil"]) == 5
    assert "asks to run io.open" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["m01_evil_raw.pth"]


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"PK", b"\x08\x08", b"\x80\x02"])
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes, capsys: Captured) -> None:
    (tmp_path / "net").write_bytes(content)
    assert app.run(["styles", "import", str(tmp_path / "net"), "--name", "mine"]) == 5
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (user_data() / "styles").exists()


def test_a_missing_file_and_a_folder_of_something_else(tmp_path: Path, capsys: Captured) -> None:
    assert app.run(["styles", "import", str(tmp_path / "nothing"), "--name", "mine"]) == 3
    assert app.run(["styles", "import", str(tmp_path), "--name", "mine"]) == 5
    assert "manifest.json" in capsys.readouterr().err


def test_values_are_for_onnx_files(checkpoint: Path, capsys: Captured) -> None:
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine", "--values", "0..1"]) == 2
    assert "ONNX" in capsys.readouterr().err


def test_missing_packages_are_named(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else found(name))
    assert app.run(["styles", "import", str(checkpoint), "--name", "mine"]) == 6
    assert "torch; install with: pip install 'vidstyle[torch]'" in capsys.readouterr().err


def test_a_style_is_added_shown_and_removed(tmp_path: Path, capsys: Captured) -> None:
    folder = add_style(tmp_path / "shared", "forest", {"live": np.ones(TINY.style_size)})
    assert app.run(["styles", "add", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "forest"
    assert app.run(["styles", "show", "forest"]) == 0
    assert app.run(["styles", "add", str(folder)]) == 2
    assert app.run(["styles", "remove", "forest"]) == 0
    (folder / "live.npy").write_bytes(b"altered")
    assert app.run(["styles", "add", str(folder)]) == 5


def test_previews_are_painted_anew(tmp_path: Path, capsys: Captured) -> None:
    folder = add_style(tmp_path / "shared", "forest", {"live": np.ones(TINY.style_size)})
    assert app.run(["styles", "add", str(folder)]) == 0
    preview = user_data() / "styles" / "forest" / "preview.jpg"
    first = preview.read_bytes()
    preview.unlink()
    assert app.run(["styles", "preview"]) == 0
    assert preview.read_bytes() == first
    assert cv2.imread(str(preview)).shape == (180, 320, 3)
    assert app.run(["styles", "preview", "mosaic"]) == 5
