"""Jobs: the same film as `render`'s, followed, cancelled without a trace, ended tidily with the studio."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.web.conftest import ENGINES, ORDER, Visitor, wait_for
from vidstyle.errors import Interrupted, OutputError
from vidstyle.fileloop import Progress
from vidstyle.interrupts import StopRequest
from vidstyle.pipeline import render
from vidstyle.report import RenderReport
from vidstyle.style_library import Library
from vidstyle.web.jobs import Jobs
from vidstyle.web.order import Order
from vidstyle.web.shelf import Shelf, Source
from vidstyle.web.studio import Studio

MakeFilm = Callable[..., Path]
MOSAIC = Order(styles=(("mosaic", 1.0),))


def start(visitor: Visitor, source: str, **order: object) -> str:
    answer = visitor.post("/api/jobs", {"source": source, "order": ORDER | order})
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


def test_a_job_is_a_rendering(
    visitor: Visitor,
    make_film: MakeFilm,
    library: Library,
    tmp_path: Path,
    pictures: Callable[[Path], list[np.ndarray]],
) -> None:
    film = make_film("Ein Fïlm (1).mkv", frames=6, sound=True)
    source = visitor.upload(film).json
    job = visitor.wait_for_job(start(visitor, source["id"], strength=0.8), "done", "failed")
    assert (job["state"], job["frames"], job["total"], job["frames_out"]) == ("done", 6, 6, 6), job
    assert job["name"] == "Ein-Fïlm-1-mosaic.mp4"
    assert job["command"] == (
        "vidstyle render 'Ein Fïlm (1).mkv' 'Ein-Fïlm-1-mosaic.mp4' -s mosaic --strength 0.8 "
        "--backend openvino --precision fp32"
    )
    result = tmp_path / "films" / job["name"]
    options = Order(styles=MOSAIC.styles, strength=0.8).options(ENGINES)
    render(film, tmp_path / "same.mp4", options=options, library=library)
    for ours, same in zip(pictures(result), pictures(tmp_path / "same.mp4"), strict=True):
        assert np.array_equal(ours, same)
    with av.open(str(result)) as painted:
        assert [stream.type for stream in painted.streams] == ["video", "audio"]


def test_the_result_is_given_in_parts_and_whole(
    visitor: Visitor, studio: Studio, make_film: MakeFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half, go_on = threading.Event(), threading.Event()

    def halting_render(*files: Path, progress: Callable[[Progress], None], **more: Any) -> RenderReport:
        def follow(now: Progress) -> None:
            progress(now)
            half.set()
            go_on.wait(20)

        return render(*files, progress=follow, **more)

    monkeypatch.setattr(studio.jobs, "_render", halting_render)
    job = start(visitor, visitor.upload(make_film(frames=3)).json["id"])
    assert half.wait(20)
    assert visitor.get(f"/api/jobs/{job}/result").status == 404, "not before it is whole"
    go_on.set()
    visitor.wait_for_job(job, "done")
    whole = visitor.get(f"/api/jobs/{job}/result")
    assert (whole.status, whole.headers["Content-Type"], whole.body[4:8]) == (200, "video/mp4", b"ftyp")
    assert whole.body == (tmp_path / "films" / "in-mosaic.mp4").read_bytes()
    size = len(whole.body)
    end = size - 1
    for asked, first, last in (("0-9", 0, 9), ("5-", 5, end), ("-4", size - 4, end), (f"3-{size * 2}", 3, end)):
        part = visitor.get(f"/api/jobs/{job}/result", Range=f"bytes={asked}")
        assert (part.status, part.body) == (206, whole.body[first : last + 1]), asked
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert visitor.get(f"/api/jobs/{job}/result", Range=f"bytes={size}-").status == 416
    for odd in ("0-1,4-5", f"0-{'9' * 5000}", f"{'9' * 5000}-", f"-{'9' * 5000}"):
        answer = visitor.get(f"/api/jobs/{job}/result", Range=f"bytes={odd}")
        assert (answer.status, answer.body) == (200, whole.body)
    saved = visitor.get(f"/api/jobs/{job}/result?save")
    assert saved.headers["Content-Disposition"] == "attachment; filename*=UTF-8''in-mosaic.mp4"


def test_nothing_is_written_over(visitor: Visitor, make_film: MakeFilm, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "in-mosaic.mp4").write_text("mine")
    (tmp_path / "films" / "in-mosaic-2.mp4.part").write_text("mine too")
    source = visitor.upload(make_film(frames=2)).json["id"]
    names = [visitor.wait_for_job(start(visitor, source), "done")["name"] for _ in range(2)]
    assert names == ["in-mosaic-3.mp4", "in-mosaic-4.mp4"]
    assert (tmp_path / "films" / "in-mosaic.mp4").read_text() == "mine"


def test_no_name_is_longer_than_disks_take(library: Library, tmp_path: Path) -> None:
    jobs, source = slow_jobs(library, tmp_path, SlowRender())
    long = Order(styles=tuple((letter * 64, 1.0) for letter in "abc"))
    command = jobs.command(replace(source, name="\U00020000" * 60 + ".mp4"), long)
    name = shlex.split(command)[3]
    assert len(os.fsencode(f"{name}-100.part")) <= 255
    jobs.close()


def test_what_cannot_work_is_refused_at_once(visitor: Visitor, tmp_path: Path) -> None:
    for values, status in (
        ({"source": "scene", "order": {"styles": [["nothing", 1]]}}, 400),
        ({"source": "scene"}, 400),
        ({"source": "../../etc/passwd", "order": ORDER}, 404),
        ({"order": ORDER}, 404),
    ):
        assert visitor.post("/api/jobs", values).status == status
    (tmp_path / "films").write_text("a file where the folder should be")
    answer = visitor.post("/api/jobs", {"source": "scene", "order": ORDER})
    assert (answer.status, "cannot be made" in answer.error) == (500, True)
    assert visitor.get("/api/jobs").json == {"jobs": []}
    for path in ("/api/jobs/nothing/cancel", "/api/jobs/..%2F..%2Fetc/cancel"):
        assert visitor.post(path).status == 404
    assert visitor.get("/api/jobs/nothing/result").status == 404


STOPPED = Interrupted("stopped after 5 frames")


class SlowRender:
    """`render` with a film that goes on until it is stopped, and keeps its `.part` as the real one does.

    What comes then is `ending`: an error, or None where the film is whole before the stop is heard.
    """

    def __init__(self, ending: Exception | None = STOPPED) -> None:
        self.ending = ending
        self.painted = threading.Event()
        self.go_on = threading.Event()

    def __call__(
        self, source: Path, target: Path, *, stop: StopRequest, progress: Callable[[Progress], None], **more: object
    ) -> RenderReport:
        ended = threading.Event()
        stop.finish = ended.set
        part = target.with_name(target.name + ".part")
        part.write_text("half a film")
        progress(Progress(frames=5, total=20, seconds=2.0))
        self.painted.set()
        while not ended.wait(0.02):
            if self.go_on.is_set():
                part.rename(target)
                raise RuntimeError("a library's own error")
        if self.ending:
            raise self.ending
        part.rename(target)
        return RenderReport(
            input=str(source), output=str(target), frames_in=5, frames_out=5, width=64, height=48, seconds=2.0, fps=2.5,
            backend=None, device=None, precision=None, styles={"mosaic": 1.0}, strength=1.0, network="live",
        )  # fmt: skip


def slow_jobs(library: Library, tmp_path: Path, render: SlowRender) -> tuple[Jobs, Source]:
    shelf = Shelf(tmp_path)
    source = Source(id="x", name="in.mkv", kind="film", width=64, height=48, aspect=4 / 3, seconds=1, rate=25)
    return Jobs(library, ENGINES, shelf, folder=tmp_path / "films", render=render), source


def test_progress_is_told_and_a_cancelled_job_leaves_nothing(library: Library, tmp_path: Path) -> None:
    slow = SlowRender()
    jobs, source = slow_jobs(library, tmp_path, slow)
    first, second = jobs.start(source, MOSAIC), jobs.start(source, MOSAIC)
    assert slow.painted.wait(10)
    wait_for(lambda: first.state == "painting")
    told = first.to_json()
    assert (told["frames"], told["total"], told["fps"], told["seconds_left"]) == (5, 20, 2.5, 6.0)
    assert second.state == "waiting", "one after the other"
    assert jobs.cancel(second.id).state == "cancelled"
    jobs.cancel(first.id)
    wait_for(lambda: first.state == "cancelled")
    assert list((tmp_path / "films").iterdir()) == []
    slow.painted.clear()
    third = jobs.start(source, MOSAIC)
    assert slow.painted.wait(10), "the next one gets its turn"
    slow.go_on.set()
    wait_for(lambda: third.state == "failed")
    assert third.error == "unexpected RuntimeError: a library's own error"
    assert jobs.cancel(third.id).state == "failed"
    assert [job.id for job in jobs.jobs()] == [third.id, second.id, first.id]
    jobs.close()


@pytest.mark.parametrize(
    ("ending", "state", "error"),
    [
        (OutputError("no room left"), "failed", "no room left"),
        (RuntimeError("a library's own error"), "failed", "unexpected RuntimeError: a library's own error"),
        (None, "cancelled", ""),
    ],
)
def test_a_cancelled_job_leaves_nothing_however_it_ends(
    library: Library, tmp_path: Path, ending: Exception | None, state: str, error: str
) -> None:
    slow = SlowRender(ending)
    jobs, source = slow_jobs(library, tmp_path, slow)
    job = jobs.start(source, MOSAIC)
    assert slow.painted.wait(10)
    jobs.cancel(job.id)
    wait_for(lambda: job.state not in ("preparing", "painting"))
    assert (job.state, job.error, job.report) == (state, error, None)
    assert list((tmp_path / "films").iterdir()) == []
    jobs.close()


def test_a_cancelled_job_that_found_its_name_taken_leaves_what_is_not_its_own(library: Library, tmp_path: Path) -> None:
    slow = SlowRender(OutputError("in-mosaic.mp4 exists already"))
    jobs, source = slow_jobs(library, tmp_path, slow)
    job = jobs.start(source, MOSAIC)
    assert slow.painted.wait(10)
    job.target.write_text("somebody else's")
    jobs.cancel(job.id)
    wait_for(lambda: job.state == "failed")
    assert [file.name for file in (tmp_path / "films").iterdir()] == ["in-mosaic.mp4"]
    jobs.close()


def test_what_cannot_be_removed_is_said_and_the_next_job_gets_its_turn(library: Library, tmp_path: Path) -> None:
    slow = SlowRender()
    jobs, source = slow_jobs(library, tmp_path, slow)
    job = jobs.start(source, MOSAIC)
    assert slow.painted.wait(10)
    (tmp_path / "films" / "in-mosaic.mp4.part").unlink()
    (tmp_path / "films" / "in-mosaic.mp4.part").mkdir()
    jobs.cancel(job.id)
    wait_for(lambda: job.state == "failed")
    assert job.error.startswith("in-mosaic.mp4 cannot be removed: ")
    after = jobs.start(source, MOSAIC)
    wait_for(lambda: after.state == "painting")
    jobs.close()


def test_closing_while_a_job_runs_keeps_its_part_and_no_half_film(
    library: Library, tmp_path: Path, make_film: MakeFilm
) -> None:
    film = make_film(frames=250, width=96, height=64)
    with Studio(folder=tmp_path / "films", library=library, engines=ENGINES) as studio:
        with film.open("rb") as file:
            source = studio.shelf.receive("in.mkv", length=film.stat().st_size, read=file.read)
        job = studio.jobs.start(source, MOSAIC)
        waiting = studio.jobs.start(source, MOSAIC)
        wait_for(lambda: job.state == "painting")
    assert (job.state, waiting.state) == ("cancelled", "waiting")
    assert job.progress
    assert 0 < job.progress.frames < 250
    assert [file.name for file in (tmp_path / "films").iterdir()] == ["in-mosaic.mp4.part"]
    with av.open(str(tmp_path / "films" / "in-mosaic.mp4.part")) as part:
        assert sum(1 for _ in part.decode(video=0)) > 0, "it plays"
    assert not any((tmp_path / "vidstyle_cache_dir" / "studio").iterdir()), "uploads are gone"
    assert not any(thread.name.startswith("vidstyle-") for thread in threading.enumerate())


def test_a_stop_before_the_film_is_open_ends_it_too(make_film: MakeFilm, library: Library, tmp_path: Path) -> None:
    stop = StopRequest()
    stop.ask()
    stop.ask()
    with pytest.raises(Interrupted):
        render(make_film(), tmp_path / "out.mp4", options=MOSAIC.options(ENGINES), library=library, stop=stop)
    assert not (tmp_path / "out.mp4").exists()
