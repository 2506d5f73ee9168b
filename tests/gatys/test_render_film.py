"""Gatys mode from file to file: frames, checkpoints, resume, shots, and its errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

import vidstyle
from tests.gatys.conftest import film_of, pictures
from tests.gatys.random_vgg import QUICK
from tests.motion.moves import texture
from vidstyle import gatys
from vidstyle.errors import BackendError, InputError, Interrupted, StyleError, UsageError
from vidstyle.frames import ImageArray
from vidstyle.gatys.render_film import GatysJob
from vidstyle.gatys.store import Store
from vidstyle.settings import RenderOptions, Size
from vidstyle.style_library import Library

pytestmark = pytest.mark.usefixtures("no_weights")


def _options(painting: str, *words: str, **more: object) -> RenderOptions:
    asked = RenderOptions(
        mode="gatys", styles=((painting, 1.0),), gatys=(*QUICK, *words), precision="fp32", device="cpu"
    )
    return replace(asked, **more)  # type: ignore[arg-type]


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    def painted(*args: object) -> None:
        raise AssertionError("hours of painting")

    monkeypatch.setattr("vidstyle.gatys.render_film.GatysJob._paint_shots", painted)


def test_every_frame_is_painted_and_the_checkpoints_go(film: str, painting: str, tmp_path: Path) -> None:
    target = film_of(tmp_path / "out")
    report = gatys.render(film, target, options=_options(painting))
    assert (report.frames_in, report.frames_out) == (7, 7)
    painted, source = pictures(target), pictures(film)
    assert len(painted) == 7
    assert all(np.abs(a.astype(int) - b).mean() > 1 for a, b in zip(painted, source, strict=True))
    assert not Store(target).folder.exists()


def test_the_second_rendering_of_a_process_counts_its_own_time(film: str, painting: str, tmp_path: Path) -> None:
    began = time.process_time()
    report = gatys.render(film, film_of(tmp_path / "out"), options=_options(painting))
    assert 0 < report.cpu_seconds <= time.process_time() - began


@pytest.mark.parametrize("device", ["GPU", "meta", "cpu:1"])
def test_a_device_that_pytorch_cannot_paint_on_is_refused(device: str, film: str, painting: str) -> None:
    with pytest.raises(BackendError, match="has no device"):
        gatys.render(film, "out.mkv", options=_options(painting, device=device))


def test_paintings_are_named_from_python_as_on_the_command_line(film: str, painting: str, tmp_path: Path) -> None:
    target = film_of(tmp_path / "out")
    report = vidstyle.render(film, target, styles=[f"{painting}:2"], options=_options("not this one.png"))
    assert report.styles == {painting: 2.0}


def test_killed_twenty_times_ends_in_the_same_film(
    film: str, painting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = film_of(tmp_path / "whole"), film_of(tmp_path / "pieces")
    options = _options(painting)
    gatys.render(film, whole, options=options)
    random = np.random.default_rng(5)
    save, deaths, calls = Store.save, 0, 0

    def save_or_die(self: Store, number: int, image: ImageArray, *, turn: int) -> None:
        nonlocal deaths, calls
        calls += 1
        if deaths < 20 and calls % 4:
            deaths += 1
            if random.random() < 0.5:  # a power cut may leave half a file under the right name
                save(self, number, image, turn=turn)
                file = self._file(number, turn)
                file.write_bytes(file.read_bytes()[: random.integers(1, file.stat().st_size)])
            raise Interrupted("killed")
        save(self, number, image, turn=turn)

    monkeypatch.setattr(Store, "save", save_or_die)
    for _ in range(21):
        try:
            gatys.render(film, pieces, options=replace(options, resume=True))
            break
        except Interrupted:
            continue
    assert deaths == 20
    assert all(np.array_equal(a, b) for a, b in zip(pictures(whole), pictures(pieces), strict=True))


def test_shots_painted_apart_and_joined_are_the_film(film: str, painting: str, tmp_path: Path) -> None:
    whole, parts = film_of(tmp_path / "whole"), film_of(tmp_path / "parts")
    gatys.render(film, whole, options=_options(painting))
    second = gatys.render(film, parts, options=_options(painting, "shots=2/2", resume=True))
    assert (second.frames_in, second.frames_out) == (3, 0)  # painted, but in no film yet
    gatys.render(film, parts, options=_options(painting, "shots=1/2", resume=True))
    assert not pictures(parts)
    said: list[str] = []
    gatys.render(film, parts, options=_options(painting, resume=True), say=said.append)
    assert not said  # nothing was left to paint
    assert all(np.array_equal(a, b) for a, b in zip(pictures(whole), pictures(parts), strict=True))


def test_a_part_that_stops_leaves_the_other_machines_folder(
    film: str, painting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = film_of(tmp_path / "parts")

    def interrupted(*args: object, **kwargs: object) -> None:
        raise Interrupted("before its first frame")

    with monkeypatch.context() as patch:
        patch.setattr("vidstyle.gatys.render_film.GatysJob._paint_shots", interrupted)
        with pytest.raises(Interrupted):
            gatys.render(film, parts, options=_options(painting, "shots=1/2"))
    gatys.render(film, parts, options=_options(painting, "shots=2/2"))
    with pytest.raises(UsageError, match="was begun with style=10"):
        gatys.render(film, parts, options=_options(painting, "style=20", "shots=1/2", resume=True))


def test_another_film_of_the_same_name_and_length_is_not_resumed(film: str, painting: str, tmp_path: Path) -> None:
    target, picture = film_of(tmp_path / "out"), film.replace("%04d", "0002")
    gatys.render(film, target, options=_options(painting, "shots=1/2"))
    other = cv2.imread(picture)
    other[5, 5] ^= 1
    cv2.imwrite(picture, other)
    with pytest.raises(UsageError, match="was begun with source_checksum="):
        gatys.render(film, target, options=_options(painting, resume=True))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("o.mp4", {"codec": "nosuch"}, "no encoder is called 'nosuch'"),
        ("o.mp4", {"crf": 99.0}, "crf is 99"),
        ("o.gif", {"codec": "gif", "bit_depth": 10}, "cannot write 10 bits"),
        ("o.webm", {"codec": "h264"}, "cannot hold h264"),
        ("o.png", {}, "holds one picture"),
    ],
)
@pytest.mark.usefixtures("unpainted")
def test_what_cannot_be_written_is_refused_before_anything_is_painted(
    name: str, change: dict[str, object], message: str, film: str, painting: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match=message):
        gatys.render(film, str(tmp_path / "out" / name), options=_options(painting, **change))
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("unpainted")
def test_one_picture_for_a_film_that_does_not_say_its_length(
    make_film: Callable[..., Path], painting: str, tmp_path: Path
) -> None:
    film = make_film("film.mkv", frames=3)
    with pytest.raises(UsageError, match="holds one picture"):
        gatys.render(str(film), str(tmp_path / "o.png"), options=_options(painting))
    assert not list(tmp_path.glob("o.png*"))


@pytest.mark.usefixtures("unpainted")
def test_at_strength_0_nothing_is_painted_and_other_work_left_alone(film: str, painting: str, tmp_path: Path) -> None:
    target = film_of(tmp_path / "out")
    Store(target).save(0, np.zeros((4, 4, 3), np.uint8), turn=1)
    report = gatys.render(film, target, options=_options(painting, strength=0.0))
    assert (report.frames_in, report.frames_out, report.backend) == (7, 7, None)
    assert all(np.array_equal(a, b) for a, b in zip(pictures(target), pictures(film), strict=True))
    assert Store(target).load(0, turn=1) is not None


def test_a_backend_is_for_the_network_alone(film: str, painting: str, library: Library) -> None:
    def job(*words: str) -> GatysJob:
        options = _options(painting, *words, backend="openvino")
        return GatysJob(film, "o.mp4", options=options, library=library, say=print, progress=print)

    assert job("start=fast", "fast=mosaic")
    with pytest.raises(UsageError, match="backend openvino is for the network"):
        job()


def test_transparency_is_kept_at_another_size(painting: str, tmp_path: Path) -> None:
    pixels = np.dstack([texture(96, 128), np.full((96, 128), 99, np.uint8)])
    cv2.imwrite(str(tmp_path / "in.png"), pixels)
    target = tmp_path / "out.png"
    gatys.render(str(tmp_path / "in.png"), str(target), options=_options(painting, size=Size(short=72)))
    painted = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert painted is not None
    assert painted.shape == (72, 96, 4)
    assert (painted[..., 3] == 99).all()


def test_a_stabiliser_is_said_to_add_nothing(painting: str, tmp_path: Path) -> None:
    said: list[str] = []
    options = _options(painting, stabilize=True)
    gatys.render(painting, str(tmp_path / "still.png"), options=options, say=said.append)
    assert any("--stabilize adds nothing" in line for line in said)


def test_a_still_shot_with_noise_stays_still(
    write_film: Callable[[list[ImageArray]], str], painting: str, tmp_path: Path
) -> None:
    random, ground = np.random.default_rng(0), texture(64, 80)
    noisy = [np.clip(ground + random.normal(0, 2, ground.shape), 0, 255).astype(np.uint8) for _ in range(4)]
    target = film_of(tmp_path / "out")
    gatys.render(write_film(noisy), target, options=_options(painting))
    painted = pictures(target)
    assert all(np.array_equal(painted[0], frame) for frame in painted[1:])


def test_light_that_fades_in_a_still_shot_is_no_noise(
    write_film: Callable[[list[ImageArray]], str], painting: str, tmp_path: Path
) -> None:
    ground, random = 120 + texture(96, 128) / 4, np.random.default_rng(0)
    dimmed = [ground * light + random.normal(0, 2, ground.shape) for light in (1, 0.9, 0.8)]
    target, options = film_of(tmp_path / "out"), _options(painting, "next-iterations=6")
    gatys.render(write_film([frame.astype(np.uint8) for frame in dimmed]), target, options=options)
    painted = pictures(target)
    assert len(painted) == 3
    for earlier, later in pairwise(painted):
        assert np.mean((earlier != later).any(axis=2)) > 0.9


def test_only_what_moves_before_a_still_camera_is_painted_again(
    write_film: Callable[[list[ImageArray]], str], painting: str, tmp_path: Path
) -> None:
    ground = texture(96, 128)
    frames = [ground.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[40:56, 20 + 8 * number : 36 + 8 * number] = 255
    target = film_of(tmp_path / "out")
    gatys.render(write_film(frames), target, options=_options(painting))
    painted = pictures(target)
    assert np.array_equal(painted[0][:, 90:], painted[2][:, 90:])
    assert not np.array_equal(painted[0][40:56, 20:60], painted[2][40:56, 20:60])


def test_passes_go_back_and_forth(film: str, painting: str, tmp_path: Path) -> None:
    once, twice = film_of(tmp_path / "once"), film_of(tmp_path / "twice")
    gatys.render(film, once, options=_options(painting))
    gatys.render(film, twice, options=_options(painting, "passes=2"))
    assert len(pictures(twice)) == 7
    assert not all(np.array_equal(a, b) for a, b in zip(pictures(once), pictures(twice), strict=True))


def test_colours_are_kept(film: str, painting: str, tmp_path: Path) -> None:
    target = film_of(tmp_path / "out")
    gatys.render(film, target, options=_options(painting, keep_colors=True))
    for source, painted in zip(pictures(film), pictures(target), strict=True):
        inner = ((painted > 8) & (painted < 247)).all(axis=2)
        chroma = [(p[..., 0].astype(int) - p[..., 2])[inner] for p in (source, painted)]
        assert np.abs(chroma[0] - chroma[1]).mean() < 2


def test_a_still_picture(painting: str, tmp_path: Path) -> None:
    target = str(tmp_path / "still.png")
    report = gatys.render(painting, target, options=_options(painting, "start=noise"))
    assert report.frames_out == 1
    assert Path(target).is_file()


def test_another_job_is_not_resumed(film: str, painting: str, tmp_path: Path) -> None:
    target = film_of(tmp_path / "out")
    gatys.render(film, target, options=_options(painting, "shots=1/2"))
    with pytest.raises(UsageError, match="--resume goes on"):
        gatys.render(film, target, options=_options(painting))
    with pytest.raises(UsageError, match="was begun with style=10"):
        gatys.render(film, target, options=_options(painting, "style=20", resume=True))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"styles": (("nowhere.jpg", 1.0),)}, InputError, "no such painting"),
        ({"styles": (("great-wave", 1.0),)}, UsageError, "painting's file"),
        ({"gatys": ("masks=a.png,b.png",)}, InputError, "a.png"),
    ],
)
def test_wrong_requests(
    change: dict[str, object], error: type[Exception], message: str, film: str, painting: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        gatys.render(film, film_of(tmp_path / "out"), options=_options(painting, **change))


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("masks=a.png",), InputError, "a.png"),
        (("style-layers=conv9_9",), StyleError, "no layer 'conv9_9'"),
        (("content-layers=pool1",), StyleError, "no layer 'pool1'"),
        (("start=fast", "fast=nosuch"), StyleError, "no style 'nosuch'"),
    ],
)
def test_what_cannot_be_painted_is_refused_before_an_older_rendering_is_given_up(
    words: tuple[str, ...],
    error: type[Exception],
    message: str,
    film: str,
    painting: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = film_of(tmp_path / "out")
    gatys.render(film, target, options=_options(painting, "shots=1/2"))
    monkeypatch.setattr("vidstyle.gatys.render_film.find_shots", lambda *_, **__: pytest.fail("hours of film"))
    with pytest.raises(error, match=message):
        gatys.render(film, target, options=_options(painting, *words, overwrite=True))
    assert Store(target).load(0, turn=1) is not None


def test_an_unreadable_painting(film: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="not a picture"):
        gatys.render(film, film_of(tmp_path / "out"), options=_options(str(broken)))


def test_a_film_too_small(write_film: Callable[[list[ImageArray]], str], painting: str, tmp_path: Path) -> None:
    film = write_film([texture(20, 40)])
    with pytest.raises(UsageError, match="too small"):
        gatys.render(film, film_of(tmp_path / "out"), options=_options(painting))


def test_no_weights_says_where_to_get_them(
    film: str, painting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidstyle.networks.vgg import load_vgg

    monkeypatch.setattr("vidstyle.gatys.render_film.load_vgg", load_vgg)
    monkeypatch.setenv("VIDSTYLE_VGG", str(tmp_path / "none.safetensors"))
    with pytest.raises(StyleError, match="does not exist"):
        gatys.render(film, film_of(tmp_path / "out"), options=_options(painting))


def test_a_job_without_a_finished_frame_is_no_rendering(tmp_path: Path) -> None:
    """One that was refused, for too small a picture say, must not stand in the way of the next."""
    store = Store(tmp_path / "o.png")
    store.open({"size": [20, 20]}, resume=False, overwrite=False)
    store.open({"size": [64, 64]}, resume=False, overwrite=False)
    store.save(0, np.zeros((4, 4, 3), np.uint8), turn=1)
    with pytest.raises(UsageError, match="unfinished"):
        store.open({"size": [64, 64]}, resume=False, overwrite=False)
