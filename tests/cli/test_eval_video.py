"""`vidstyle eval video` from the command line: films of different lengths, the plot, the JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidstyle.cli.app import run

Captured = pytest.CaptureFixture[str]
MakeFilm = Callable[..., Path]


def test_the_numbers_are_one_json_object(make_film: MakeFilm, capsys: Captured) -> None:
    film = str(make_film(frames=4))
    assert run(["eval", "video", film, film, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [frame["index"] for frame in found["frames"]] == [0, 1, 2, 3]
    assert found["frames"][0]["short"] is None
    assert found["mean"]["short"] > 0
    assert found["mean"]["long"] is None


def test_films_of_different_lengths_are_measured_as_far_as_both_go(make_film: MakeFilm, capsys: Captured) -> None:
    short, long = str(make_film("short.mkv", frames=3)), str(make_film("long.mkv", frames=5))
    for words, warning in (
        ([short, long], "goes on after its source has ended"),
        ([long, short], "ends after 3 frames, before its source"),
    ):
        assert run(["eval", "video", *words, "--json"]) == 0
        output = capsys.readouterr()
        assert len(json.loads(output.out)["frames"]) == 3
        assert warning in output.err
    assert run(["eval", "video", short, long, "-n", "3"]) == 0
    assert not capsys.readouterr().err


def test_the_plot_is_a_png_and_that_is_checked_first(make_film: MakeFilm, tmp_path: Path, capsys: Captured) -> None:
    film = str(make_film(frames=3))
    assert run(["eval", "video", film, film, "--plot", str(tmp_path / "plot.jpg")]) == 2
    assert run(["eval", "video", film, film, "--plot", str(tmp_path / "nowhere" / "plot.png")]) == 4
    assert not capsys.readouterr().out
    assert run(["eval", "video", film, film, "--plot", str(tmp_path / "plot.png")]) == 0
    assert cv2.imread(str(tmp_path / "plot.png")).shape == (400, 800, 3)
    (tmp_path / "plot.png").write_bytes(b"precious")
    assert run(["eval", "video", film, film, "--plot", str(tmp_path / "plot.png")]) == 4
    assert (tmp_path / "plot.png").read_bytes() == b"precious"
    assert run(["eval", "video", film, film, "--plot", str(tmp_path / "plot.png"), "-y"]) == 0
    assert cv2.imread(str(tmp_path / "plot.png")) is not None


def test_paintings_and_films_are_looked_at_before_weights_are_fetched(
    make_film: MakeFilm, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(**kwargs: object) -> None:
        raise AssertionError("VGG was asked for")

    monkeypatch.setattr("vidstyle.networks.vgg.load_vgg", fetched)
    film, missing = str(make_film(frames=2)), str(tmp_path / "missing.jpg")
    assert run(["eval", "video", film, film, "--painting", missing]) == 3
    assert "missing.jpg" in capsys.readouterr().err
    (tmp_path / "painting.png").write_bytes(cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes())
    assert run(["eval", "video", film, missing, "--painting", str(tmp_path / "painting.png")]) == 3
    assert "missing.jpg" in capsys.readouterr().err
