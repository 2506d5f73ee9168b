"""`vidstyle train` from the command line: a style comes out that renders, a stop loses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

import cv2  # noqa: E402
from filelock import FileLock  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.networks.test_vgg import torchvision_names  # noqa: E402
from tests.test_styles import close  # noqa: E402
from vidstyle.cli.app import run  # noqa: E402
from vidstyle.errors import StyleError  # noqa: E402
from vidstyle.networks.architecture import ARCHITECTURES  # noqa: E402
from vidstyle.networks.graph import read_weights  # noqa: E402
from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.style_library import Library  # noqa: E402
from vidstyle.styles import IDENTITY  # noqa: E402
from vidstyle.training.trainer import Trainer  # noqa: E402


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
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)
    monkeypatch.setattr("vidstyle.style_library.user_data", lambda: tmp_path / "data")
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


def paint_another(place: Path) -> None:
    """Another painting of the same name."""
    cv2.imwrite(str(place / "painting.png"), np.random.default_rng(9).integers(0, 256, (40, 50, 3), np.uint8))


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
    assert found.style(IDENTITY, network).vector.shape == (network.style_size,)
    # The shipped network's identity is still found beside the new one.
    assert found.style(IDENTITY, found.network("live")).vector.size


def test_a_style_trained_anew_into_a_network_of_its_own_is_painted_by_that(place: Path, library_root: Path) -> None:
    assert train(place) == 0
    assert train(place, "--tune", "decoder", "-y") == 0
    found = library(place, library_root)
    style = found.style("mine", found.network("live"))
    assert style.own is not None
    assert style.card.vectors.keys() == style.card.fitted.keys() == {"mine"}
    assert not (place / "data" / "styles" / "mine" / "live.npy").exists()


@pytest.mark.parametrize(
    ("painting", "painted_over", "kept"),
    [("painting.png", False, ["classic", "live"]), ("other.png", False, ["live"]), ("painting.png", True, ["live"])],
)
def test_the_vectors_of_a_style_are_of_one_painting(
    painting: str,
    painted_over: bool,
    kept: list[str],
    place: Path,
    library_root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(place, "--network", "classic") == 0
    (place / "painting.png").rename(place / painting)
    if painted_over:
        cv2.imwrite(str(place / painting), np.full((40, 50, 3), 90, np.uint8))
    words = ["train", str(place / painting), "--name", "mine", "--content", str(place / "photos"), "-y"]
    assert run([*words, "--steps", "1", "--device", "cpu"]) == 0
    assert sorted(library(place, library_root).card("mine").vectors) == kept
    assert sorted(file.stem for file in (place / "data" / "styles" / "mine").glob("*.npy")) == kept
    assert ("for classic: that is gone" in capsys.readouterr().err) == (kept == ["live"])


def test_a_network_of_its_own_goes_with_what_was_trained_before(place: Path, library_root: Path) -> None:
    assert train(place, "--tune", "decoder") == 0
    cv2.imwrite(str(place / "painting.png"), np.full((40, 50, 3), 90, np.uint8))
    assert train(place, "-y") == 0
    assert list((place / "data" / "networks").iterdir()) == []
    assert library(place, library_root).card("mine").vectors.keys() == {"live"}


def test_a_recipe_may_add_styles_to_a_shipped_network(
    place: Path, library_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = library(place, library_root).network("live").architecture
    assert tiny is not None
    monkeypatch.setitem(ARCHITECTURES, "live", tiny)
    recipe = place / "recipe.toml"
    recipe.write_text(
        '[training]\nstart = "live"\narchitecture = "live"\ntune = "style"\nsteps = 1\ncrop = 32\nbatch = 1\n'
        '[[style]]\nname = "mine"\npaintings = ["painting.png"]\n'
    )
    words = ["train", str(place), "--recipe", str(recipe), "--content", str(place / "photos"), "--device", "cpu", "-q"]
    assert run([*words, "--name", "other"]) == 5
    assert "no network 'other'" in capsys.readouterr().err
    assert run([*words, "--name", "live"]) == 0
    found = library(place, library_root)
    assert found.style("mine", found.network("live")).own is None


def test_networks_of_two_libraries_live_in_one_folder(place: Path, library_root: Path, tmp_path: Path) -> None:
    """Each keeps its own identity, whichever library is copied over the other."""
    assert train(place, "--tune", "decoder") == 0
    assert train(place, "--tune", "decoder", "--name", "yours", "--into", str(tmp_path / "elsewhere")) == 0
    shutil.copytree(tmp_path / "elsewhere", place / "data", dirs_exist_ok=True)
    found = library(place, library_root)
    for name in ("mine", "yours"):
        assert found.mix([(name, 1.0)], found.network("live"), 0.5).parts[0].vector.size
    identity = place / "data" / "networks" / "mine" / "identity.npy"
    identity.write_bytes(identity.read_bytes()[:-1] + b"?")
    with pytest.raises(StyleError, match=r"identity\.npy: the checksum"):
        found.style(IDENTITY, found.network("mine"))


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
    assert run([*words, "--name", "live"]) == 2
    assert "vidstyle comes with a network 'live'" in capsys.readouterr().err
    found = library(place, library_root)
    tiny = found.network("live").architecture
    assert tiny is not None
    monkeypatch.setitem(ARCHITECTURES, "live", tiny)
    assert run(words) == 0
    started, ended = (read_weights(found.network(name).graph) for name in ("live", "next"))
    # A rate of 0 learns nothing; publishing rounds.
    assert all(np.allclose(ended[name], weight, rtol=2**-8, atol=0) for name, weight in started.items())
    assert found.style("mine", found.network("next")).vector.size


def test_an_existing_style_or_run_is_not_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place) == 0
    assert train(place) == 2
    assert "there is a style 'mine' already" in capsys.readouterr().err
    assert train(place, "-y") == 0
    shutil.rmtree(place / "data" / "styles" / "mine")
    capsys.readouterr()
    assert train(place) == 2
    assert "an earlier training lies here; --resume goes on with it, -y starts anew" in capsys.readouterr().err


def test_one_training_at_a_time_works_in_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = place / "data" / "training" / "mine"
    run_folder.mkdir(parents=True)
    (run_folder / "losses.tsv").write_text("of the first\n")
    with FileLock(run_folder / "lock"):
        assert train(place) == 2
        assert "another training is at work here" in capsys.readouterr().err
        assert (run_folder / "losses.tsv").read_text() == "of the first\n"
    assert train(place) == 0


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_trains(place: Path) -> None:
    assert train(place) == 0


def test_resume_does_not_replace_a_style_that_it_did_not_begin(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place) == 0
    shutil.rmtree(place / "data" / "training")
    assert train(place, "--resume") == 2
    assert "there is a style 'mine' already; -y replaces it" in capsys.readouterr().err


def test_another_painting_does_not_go_on_where_the_first_stopped(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place) == 0
    paint_another(place)
    assert train(place, "--resume") == 5
    err = capsys.readouterr().err
    assert "is of a training with another painting of mine; -y without --resume starts anew" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "identity"], "'identity' is the style that every strength starts from"),
        (["--name", "live", "--tune", "all"], "'live' is a network that other styles need (mosaic)"),
        (["--name", "mosaic"], "vidstyle comes with a style 'mosaic'; choose another --name"),
    ],
)
def test_names_that_would_break_other_styles_are_refused(
    words: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, *words, "-y") == 2
    assert message in capsys.readouterr().err
    assert not (place / "data").exists()


def test_a_shipped_style_is_trained_again_where_it_lies(
    place: Path, library_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = Path(shutil.copytree(library_root, place / "engines"))
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: engines)
    before = (engines / "styles" / "mosaic" / "live.npy").read_bytes()
    assert train(place, "--name", "mosaic", "--into", str(engines)) == 2  # it is there already
    assert train(place, "--name", "mosaic", "--into", str(engines), "-y") == 0
    assert (engines / "styles" / "mosaic" / "live.npy").read_bytes() != before


@pytest.mark.parametrize("flag", ["--run", "--into"])
def test_a_place_that_cannot_be_written_to_is_refused_at_once(
    flag: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDSTYLE_VGG", str(place / "nowhere"))  # whatever loads it is too late
    folder = place / "painting.png" / "x"
    assert train(place, flag, str(folder)) == 4
    assert f"{folder} cannot be written: Not a directory" in capsys.readouterr().err


def test_a_home_that_cannot_be_entered_is_one_that_cannot_be_written_to(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VIDSTYLE_DATA_DIR")
    close(place / "data", monkeypatch)
    assert train(place) == 4
    assert re.search(f"{place / 'data'}.* cannot be written: Permission denied", capsys.readouterr().err)
    assert train(place, "--resume") == 4


def test_a_checkpoint_that_cannot_be_written_is_an_output_error(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "data" / "training" / "mine" / "checkpoint.pt.part").mkdir(parents=True)
    assert train(place) == 4
    assert "checkpoint.pt cannot be written: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_saves_what_was_learned(
    number: signal.Signals, code: int, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn = Trainer._learn

    def learn_and_stop(self: Trainer, photographs: torch.Tensor) -> dict[str, float]:
        if self.step == 1:
            os.kill(os.getpid(), number)
        return learn(self, photographs)

    with monkeypatch.context() as stopped:
        stopped.setattr(Trainer, "_learn", learn_and_stop)
        assert train(place) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "stopped; --resume goes on from" in err
    assert torch.load(place / "data" / "training" / "mine" / "checkpoint.pt", weights_only=True)["step"] == 2
    assert train(place, "--resume") == 0


@pytest.mark.parametrize("device", ["GPU", "cuda:x", "nothing"])
def test_a_device_that_pytorch_has_not_is_one_line(
    device: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, "--device", device) == 6
    assert f"no device {device!r} here; see `vidstyle doctor`" in capsys.readouterr().err


def test_devices_may_be_written_as_other_engines_write_them(place: Path) -> None:
    assert train(place, "--device", "CPU") == 0


def test_a_damaged_checkpoint_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = place / "data" / "training" / "mine"
    run_folder.mkdir(parents=True)
    for content in (b"", b"no checkpoint", b"PK\x03\x04"):
        (run_folder / "checkpoint.pt").write_bytes(content)
        assert train(place, "--resume") == 5
        assert "not a checkpoint of this training" in capsys.readouterr().err


def test_resume_says_when_there_is_nothing_to_resume(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(place / "painting.png"), "--name", "mine", "--content", str(place / "photos")]
    assert run([*words, "--steps", "1", "--device", "cpu", "--resume"]) == 0
    assert "nothing to go on with" in capsys.readouterr().err


def test_where_to_look_and_what_to_do_with_it_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(place / "painting.png"), "--name", "mine", "--content", str(place / "photos")]
    assert run([*words, "--steps", "1", "--device", "cpu"]) == 0
    told = capsys.readouterr().err
    assert f"{place / 'data' / 'training' / 'mine' / 'samples.png'} shows how it looks" in told
    assert told.endswith("trained mine: vidstyle render IN OUT -s mine\n")


def test_samples_are_not_squeezed_and_few_photographs_are_all_there(place: Path) -> None:
    for i in range(2):  # twice as wide as high, and red left and right of the middle
        picture = np.zeros((200, 400, 3), np.uint8)
        picture[:, 100:300] = (200, 120, 0)
        picture[:, :100] = picture[:, 300:] = (0, 0, 255)
        cv2.imwrite(str(place / "photos" / f"{i}.png"), picture)
    assert train(place) == 0
    sheet = cv2.imread(str(place / "data" / "training" / "mine" / "samples.png"))
    height, width = sheet.shape[:2]
    assert width == height  # two photographs, each above its painting
    assert np.abs(sheet[: height // 2].astype(int) - (200, 120, 0)).max() <= 8


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
