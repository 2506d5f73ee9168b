"""`eval pictures`: the numbers mean what they say, for our styles and for anybody's pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="judging needs the torch extra")

import cv2  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.networks.test_vgg import torchvision_names  # noqa: E402
from vidstyle.cli.app import run  # noqa: E402
from vidstyle.errors import InputError  # noqa: E402
from vidstyle.frames import ImageArray  # noqa: E402
from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.training.evaluation import Judge, Judgement, mean, noise_gain, read_paintings, shift_error  # noqa: E402

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def vgg() -> VGG:
    torch.manual_seed(0)
    return VGG().eval()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two photographs and a painting."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        soft = cv2.resize(rng.integers(0, 256, (8, 10, 3), np.uint8), (100, 84), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), soft)
    cv2.imwrite(str(tmp_path / "painting.png"), rng.integers(0, 256, (70, 90, 3), np.uint8))
    return tmp_path


def scene(height: int = 80, width: int = 112) -> ImageArray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(x * 5) % 256, (y * 7) % 256, (x * y) % 256], axis=2).astype(np.uint8)[None]


def test_the_painting_itself_has_no_style_loss_and_the_photograph_no_content_loss(vgg: VGG, place: Path) -> None:
    judge = Judge(vgg, read_paintings([place / "painting.png"]))
    painting = torch.from_numpy(cv2.imread(str(place / "painting.png"))[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    photograph = torch.rand_like(painting)
    style, content = judge.losses(photograph, painting)
    assert style == pytest.approx(0, abs=1e-6)
    assert content > 1e-5
    style, content = judge.losses(photograph, photograph)
    assert style > 1e-5
    assert content == 0


def test_several_paintings_count_together(vgg: VGG, place: Path) -> None:
    cv2.imwrite(str(place / "dark.png"), np.full((70, 90, 3), 10, np.uint8))
    both = Judge(vgg, read_paintings([place / "painting.png", place / "dark.png"]))
    apart = [Judge(vgg, read_paintings([place / name])) for name in ("painting.png", "dark.png")]
    for layer, target in both.targets.items():
        assert torch.allclose(target, (apart[0].targets[layer] + apart[1].targets[layer]) / 2)


def test_shift_error_is_nothing_for_what_moves_along_and_counts_what_does_not() -> None:
    photograph = scene()
    assert shift_error(photograph, lambda images: 255 - images) == 0
    grid = np.indices((80, 104)).sum(0)[None, :, :, None] % 2 * np.uint8(20)
    assert shift_error(photograph, lambda images: images // 2 + grid) == pytest.approx(20, abs=0.5)


def test_noise_gain_is_the_gain() -> None:
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    assert noise_gain(grey, lambda images: images, seed=0) == pytest.approx(1, abs=0.05)
    assert noise_gain(grey, lambda images: 128 + 3 * (images - 128), seed=0) == pytest.approx(3, abs=0.15)
    assert noise_gain(grey, np.zeros_like, seed=0) == 0


def test_noise_is_the_same_every_time() -> None:
    grey = scene()
    assert noise_gain(grey, lambda images: images, seed=3) == noise_gain(grey, lambda images: images, seed=3)
    assert noise_gain(grey, lambda images: images, seed=3) != noise_gain(grey, lambda images: images, seed=4)


def test_the_mean_leaves_out_what_nobody_measured() -> None:
    rows = [Judgement(name="a", style=1, content=2, shift=3, noise=4), Judgement(name="b", style=3, content=4)]
    assert mean(rows) == Judgement(name="mean", style=2, content=3)


def test_a_program_is_judged_at_the_size_asked_for(vgg: VGG, place: Path) -> None:
    seen: set[tuple[int, ...]] = set()

    def paint(images: ImageArray) -> ImageArray:
        seen.add(images.shape)
        return images

    (row,) = Judge(vgg, read_paintings([place / "painting.png"])).program(place / "photos", paint, size=64, limit=1)
    assert row.name == "a"
    assert (row.content, row.shift) == (0, 0)
    assert row.noise == pytest.approx(1, abs=0.1)
    assert (1, 64, 72, 3) in seen
    assert {shape[1] for shape in seen} == {64}


def test_no_side_of_a_photograph_is_rounded_away(vgg: VGG, place: Path) -> None:
    cv2.imwrite(str(place / "photos" / "a.png"), np.zeros((98, 120, 3), np.uint8))
    seen: set[tuple[int, ...]] = set()

    def paint(images: ImageArray) -> ImageArray:
        seen.add(images.shape)
        return images

    list(Judge(vgg, read_paintings([place / "painting.png"])).program(place / "photos", paint, size=64, limit=1))
    assert {shape[1] for shape in seen} == {64}  # 98 * (64 / 98) is a little less


def test_pictures_of_any_program_are_judged_by_their_names(vgg: VGG, place: Path) -> None:
    (place / "painted").mkdir()
    picture = cv2.imread(str(place / "photos" / "b.png"))
    cv2.imwrite(str(place / "painted" / "b.png"), picture)
    judge = Judge(vgg, read_paintings([place / "painting.png"]))
    (row,) = judge.pictures(place / "photos", place / "painted", limit=None)
    assert (row.name, row.content, row.shift, row.noise) == ("b", 0, None, None)
    cv2.imwrite(str(place / "painted" / "stray.png"), picture)
    with pytest.raises(InputError, match="no photograph called 'stray'"):
        list(judge.pictures(place / "photos", place / "painted", limit=None))
    assert len(list(judge.pictures(place / "photos", place / "painted", limit=1))) == 1


@pytest.fixture
def command(vgg: VGG, place: Path, library_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line up to the options."""
    save_file({k: v.half() for k, v in torchvision_names(vgg).items()}, place / "vgg19.safetensors")
    monkeypatch.setenv("VIDSTYLE_VGG", str(place / "vgg19.safetensors"))
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)
    return ["eval", "pictures", str(place / "photos"), "--painting", str(place / "painting.png")]


def test_a_style_on_the_command_line(command: list[str], capsys: Captured) -> None:
    words = ["--size", "64", "-s", "waves", "--precision", "fp32", "--backend", "openvino", "--json"]
    assert run([*command, *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in result["pictures"]] == ["a", "b"]
    for number in ("style", "content", "shift", "noise"):
        values = [row[number] for row in result["pictures"]]
        assert result["mean"][number] == pytest.approx(np.mean(values))
        assert all(value > 0 for value in values)


def test_a_folder_on_the_command_line_is_a_table(command: list[str], place: Path, capsys: Captured) -> None:
    assert run([*command, "--painted", str(place / "photos")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["picture", "style", "content", "shift", "noise"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b", "mean"]
    assert [line.split()[2:] for line in lines[1:]] == [["0.000", "-", "-"]] * 3


def test_only_the_first_pictures_of_a_folder(command: list[str], place: Path, capsys: Captured) -> None:
    assert run([*command, "--painted", str(place / "photos"), "-n", "1", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["pictures"]] == ["a"]


@pytest.mark.parametrize(
    "words",
    [["--size", "384"], ["-s", "waves"], ["--network", "live"], ["--backend", "auto"], ["--precision", "auto"]],
)
def test_what_says_how_to_paint_is_refused_for_painted_pictures(
    words: list[str], place: Path, capsys: Captured
) -> None:
    photos, painting = str(place / "photos"), str(place / "painting.png")
    assert run(["eval", "pictures", photos, "--painting", painting, "--painted", photos, *words]) == 2
    assert "--painted that it is done" in capsys.readouterr().err


def test_what_files_and_environment_set_is_no_flag(
    command: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLE", "waves")
    config = place / "own.toml"
    config.write_text('network = "classic"\n[eval-pictures]\nsize = 64\n')
    assert run(["--config", str(config), *command, "--painted", str(place / "photos")]) == 0


def test_paintings_are_looked_at_before_weights_are_fetched(
    command: list[str], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def fetched(**kwargs: object) -> None:
        raise AssertionError("VGG was asked for")

    monkeypatch.setattr("vidstyle.networks.vgg.load_vgg", fetched)
    cv2.imwrite(str(place / "painting.png"), np.zeros((3, 400, 3), np.uint8))
    assert run(command) == 3
    assert "painting.png: 400x3 pixels, too narrow to take a style from" in capsys.readouterr().err


def test_what_is_not_there_is_said(command: list[str], place: Path, capsys: Captured) -> None:
    assert run([*command, "--painted", str(place / "nothing")]) == 3
    assert run(["eval", "pictures", str(place / "painting.png"), "--painting", str(place / "painting.png")]) == 2
    (place / "empty").mkdir()
    assert run([*command, "--painted", str(place / "empty")]) == 3
    assert "no pictures" in capsys.readouterr().err
