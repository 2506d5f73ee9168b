"""The addresses of the studio, and what each does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from vidstyle.errors import UsageError
from vidstyle.media.jpeg import encode_jpeg
from vidstyle.web.exchange import Answer, Content, File, NothingThere, Request, Stream, as_json
from vidstyle.web.order import read_order
from vidstyle.web.shelf import Source
from vidstyle.web.studio import Studio

LONGEST_NAME = 200
"""Letters of an upload's name that are kept."""

_PAGE_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_RESULT_KINDS = {".mp4": "video/mp4", ".png": "image/png"}


@dataclass(frozen=True)
class Route:
    """`path` is a pattern for the whole path; its groups are given to `answer` after studio and request."""

    method: str
    path: re.Pattern[str]
    answer: Callable[..., Answer]


def find_route(method: str, path: str) -> tuple[Callable[..., Answer], tuple[str, ...]]:
    """Who answers, and what the path names. Raises NothingThere."""
    for route in _ROUTES:
        if route.method == method and (found := route.path.fullmatch(path)):
            return route.answer, found.groups()
    raise NothingThere(f"there is no {method} {path}")


@cache
def page_files() -> dict[str, bytes]:
    """The page's own files by name: nothing else can be asked for."""
    folder = files("vidstyle.web").joinpath("page")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _PAGE_KINDS}


def _page(studio: Studio, request: Request, name: str) -> Answer:
    name = name or "index.html"
    if name not in page_files():
        raise NothingThere(f"there is no GET /{name}")
    return Content(data=page_files()[name], kind=_PAGE_KINDS[name.rpartition(".")[2]])


def _studio(studio: Studio, request: Request) -> Answer:
    return as_json(studio.to_json())


def _style_preview(studio: Studio, request: Request, name: str) -> Answer:
    return Content(data=studio.preview(name), kind="image/jpeg")


def _upload(studio: Studio, request: Request) -> Answer:
    if request.kind != "application/octet-stream":
        raise UsageError("files are sent as application/octet-stream")
    if request.length is None:
        raise UsageError("a file is sent with its length")
    name = "".join(c for c in request.query.get("name", "") if c.isprintable())[-LONGEST_NAME:] or "film"
    return as_json(studio.shelf.receive(name, length=request.length, read=request.read).to_json())


def _source_picture(studio: Studio, request: Request, source_id: str) -> Answer:
    source = studio.shelf.find(source_id)
    picture = studio.shelf.picture(source, _moment(request.query.get("at", "0")))
    return Content(data=encode_jpeg(picture), kind="image/jpeg")


def _paint(studio: Studio, request: Request) -> Answer:
    values = request.json()
    source, order, at = _source(studio, values), read_order(values.get("order")), _moment(values.get("at", 0))
    painting = studio.artist.paint(str(values.get("page", "")), lambda: studio.shelf.picture(source, at), order)
    headers = {"X-Engine": painting.engine, "X-Milliseconds": str(round(painting.seconds * 1000))}
    return Content(data=painting.jpeg, kind="image/jpeg", headers=headers)


def _command(studio: Studio, request: Request) -> Answer:
    values = request.json()
    order = read_order(values.get("order"))
    return as_json({"command": studio.jobs.command(_source(studio, values), order)})


def _jobs(studio: Studio, request: Request) -> Answer:
    return as_json({"jobs": [job.to_json() for job in studio.jobs.jobs()]})


def _start_job(studio: Studio, request: Request) -> Answer:
    values = request.json()
    return as_json(studio.jobs.start(_source(studio, values), read_order(values.get("order"))).to_json())


def _cancel_job(studio: Studio, request: Request, job_id: str) -> Answer:
    request.json()
    return as_json(studio.jobs.cancel(job_id).to_json())


def _result(studio: Studio, request: Request, job_id: str) -> Answer:
    job = studio.jobs.find(job_id)
    if job.state != "done":
        raise NothingThere("this job has no result")
    save_as = job.target.name if "save" in request.query else ""
    return File(path=job.target, kind=_RESULT_KINDS[job.target.suffix], range=request.range, save_as=save_as)


def _live(studio: Studio, request: Request) -> Answer:
    return as_json(studio.broadcast.to_json())


def _cameras(studio: Studio, request: Request) -> Answer:
    return as_json(studio.broadcast.cameras())


def _start_live(studio: Studio, request: Request) -> Answer:
    values = request.json()
    studio.broadcast.start(
        str(values.get("camera", "")),
        read_order(values.get("order")),
        mirror=values.get("mirror") is True,
        virtual=values.get("virtual") is True,
    )
    return as_json(studio.broadcast.to_json())


def _turn_live(studio: Studio, request: Request) -> Answer:
    values = request.json()
    studio.broadcast.turn(read_order(values.get("order")), mirror=values.get("mirror") is True)
    return as_json(studio.broadcast.to_json())


def _record_live(studio: Studio, request: Request) -> Answer:
    studio.broadcast.record(request.json().get("on") is True)
    return as_json(studio.broadcast.to_json())


def _snapshot_live(studio: Studio, request: Request) -> Answer:
    request.json()
    studio.broadcast.snapshot()
    return as_json(studio.broadcast.to_json())


def _stop_live(studio: Studio, request: Request) -> Answer:
    request.json()
    studio.broadcast.stop()
    return as_json(studio.broadcast.to_json())


def _live_stream(studio: Studio, request: Request) -> Answer:
    if studio.broadcast.to_json()["state"] not in ("starting", "live"):
        raise NothingThere("no live session runs")
    return Stream(watch=studio.broadcast.watch)


def _source(studio: Studio, values: dict[str, Any]) -> Source:
    return studio.shelf.find(str(values.get("source", "")))


def _moment(value: Any) -> Fraction:
    """Seconds from the beginning, down to the millisecond, so that no frame's time is passed. Raises UsageError."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"time {value!r}: it is a number of seconds") from None
    if not 0 <= seconds < 1e6:
        raise UsageError(f"time {value!r}: no film is that long")
    return Fraction(int(seconds * 1000), 1000)


_ROUTES = [
    Route("GET", re.compile(r"/([a-z-]*(?:\.[a-z]+)?)"), _page),
    Route("GET", re.compile("/api/studio"), _studio),
    Route("GET", re.compile("/api/styles/([^/]+)/preview"), _style_preview),
    Route("POST", re.compile("/api/sources"), _upload),
    Route("GET", re.compile("/api/sources/([^/]+)/picture"), _source_picture),
    Route("POST", re.compile("/api/paint"), _paint),
    Route("POST", re.compile("/api/command"), _command),
    Route("GET", re.compile("/api/jobs"), _jobs),
    Route("POST", re.compile("/api/jobs"), _start_job),
    Route("POST", re.compile("/api/jobs/([^/]+)/cancel"), _cancel_job),
    Route("GET", re.compile("/api/jobs/([^/]+)/result"), _result),
    Route("GET", re.compile("/api/live"), _live),
    Route("GET", re.compile("/api/live/cameras"), _cameras),
    Route("GET", re.compile("/api/live/stream"), _live_stream),
    Route("POST", re.compile("/api/live/start"), _start_live),
    Route("POST", re.compile("/api/live/look"), _turn_live),
    Route("POST", re.compile("/api/live/record"), _record_live),
    Route("POST", re.compile("/api/live/snapshot"), _snapshot_live),
    Route("POST", re.compile("/api/live/stop"), _stop_live),
]
