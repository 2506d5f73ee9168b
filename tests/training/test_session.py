"""`vidstyle train` from the command line: a style comes out that renders, a stop loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

import cv2  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.networks.test_vgg import torchvision_names  # noqa: E402
from vidstyle.cli.app import run  # noqa: E402
from vidstyle.networks.architecture import ARCHITECTURES  # noqa: E402
from vidstyle.networks.graph import read_weights  # noqa: E402
from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.styles import IDENTITY, Library  # noqa: E402


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file({k: v.half() for k, v in torchvision_names(VGG()).items()}, file)
    return file


@pytest.fixture
def place(tmp_path: Path, vgg_file: Path, library_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photographs and a painting; the tiny library counts as the shipped one."""
    monkeypatch.setenv("VIDSTYLE_VGG", str(vgg_file))
    monkeypatch.setattr("vidstyle.cli.train.CROP", 32)
    monkeypatch.setattr("vidstyle.styles.shipped_data", lambda: library_root)
    monkeypatch.setattr("vidstyle.styles.user_data", lambda: tmp_path / "data")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(2):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (240, 230))
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), picture)
    cv2.imwrite(str(tmp_path / "painting.png"), rng.integers(0, 256, (40, 50, 3), np.uint8))
    return tmp_path


def train(place: Path, *more: str) -> int:
    words = ["train", str(place / "painting.png"), "--name", "mine", "--content", str(place / "photos")]
    return run([*words, "--steps", "2", "--device", "cpu", "-q", *more])


def rows(place: Path) -> list[str]:
    """The steps that the run's table of losses tells of."""
    table = (place / "data" / "training" / "mine" / "losses.tsv").read_text(encoding="utf-8")
    return [line.split("\t")[0] for line in table.splitlines()]


def library(place: Path, library_root: Path) -> Library:
    return Library([place / "data", library_root])


def test_a_new_vector_for_a_shipped_network(
    place: Path, library_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"
    found = library(place, library_root)
    network = found.network("live")
    style = found.style("mine", network)
    assert style.vector.shape == (network.style_size,)
    assert not np.array_equal(style.vector, found.style("mosaic", network).vector)
    assert not (place / "data" / "networks").exists()
    for file in ("checkpoint.pt", "samples.png", "losses.tsv"):
        assert (place / "data" / "training" / "mine" / file).stat().st_size > 0
    assert (place / "data" / "styles" / "mine" / "preview.jpg").stat().st_size > 0


def test_tuning_the_network_makes_one_of_its_own(place: Path, library_root: Path) -> None:
    assert train(place, "--tune", "decoder") == 0
    found = library(place, library_root)
    network = found.network("mine")
    assert found.style("mine", network).vector.shape == (network.style_size,)
    assert found.style(IDENTITY, network).card.vectors.keys() == {"mine"}
    # The shipped network's identity is still found beside the new one.
    assert found.style(IDENTITY, found.network("live")).vector.size


def test_a_recipe_continues_a_shipped_network_with_one_more_style(
    place: Path, library_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = place / "recipe.toml"
    recipe.write_text(
        '[training]\nstart = "live"\narchitecture = "live"\nsteps = 1\ncrop = 32\nbatch = 2\nrate = 0.0\n'
        '[[style]]\nname = "mine"\npaintings = ["painting.png"]\n'
    )
    words = ["train", str(place), "--recipe", str(recipe), "--name", "next", "--content", str(place / "photos")]
    words += ["--device", "cpu", "-q", "--run", str(place / "run")]
    assert run(words) == 2
    assert "another architecture" in capsys.readouterr().err
    found = library(place, library_root)
    tiny = found.network("live").architecture
    assert tiny is not None
    monkeypatch.setitem(ARCHITECTURES, "live", tiny)
    assert run(words) == 0
    started, ended = (read_weights(found.network(name).graph) for name in ("live", "next"))
    # A rate of 0 learns nothing; publishing rounds.
    assert all(np.array_equal(ended[name], weight.astype(np.float16)) for name, weight in started.items())
    assert found.style("mine", found.network("next")).vector.size


def test_an_existing_style_or_run_is_not_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place) == 0
    assert train(place) == 2
    assert "there is a style 'mine' already" in capsys.readouterr().err
    assert train(place, "-y") == 0


def test_resume_goes_on_where_it_stopped(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place) == 0
    assert run(
        ["train", str(place / "painting.png"), "--name", "mine", "--content", str(place / "photos"),
         "--steps", "3", "--device", "cpu", "--resume"]
    ) == 0  # fmt: skip
    err = capsys.readouterr().err
    assert "resuming at step 2" in err
    assert "begins at" not in err  # that was the first run's choice
    assert "step 3/3" in err
    assert rows(place) == ["2", "3"]


def test_a_new_training_begins_at_the_nearest_style_and_with_an_empty_table(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(place / "painting.png"), "--name", "mine", "--content", str(place / "photos")]
    assert run([*words, "--steps", "1", "--device", "cpu"]) == 0
    assert "mine begins at mosaic, the nearest of the styles that live knows" in capsys.readouterr().err
    assert run([*words, "--steps", "3", "--device", "cpu", "-q", "-y"]) == 0
    assert rows(place) == ["3"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "nowhere.jpg", "--name", "x", "--content", "."], 3, "nowhere.jpg: no such file"),
        (["train", "--name", "x"], 2, "train needs the painting"),
        (["train", "pyproject.toml", "--name", "../x", "--content", "."], 2, "cannot be a name"),
    ],
)
def test_bad_requests_are_one_line(
    words: list[str], code: int, message: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert run(words) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
