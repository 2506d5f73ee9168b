"""A studio with tiny networks behind a server on a free port, and somebody who asks it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from vidstyle.style_library import Library
from vidstyle.web.order import Engines
from vidstyle.web.server import StudioServer
from vidstyle.web.studio import Studio

ENGINES = Engines(backend="openvino", precision="fp32")
"""What needs no proof of faithfulness before its first picture."""

ORDER = {"styles": [["mosaic", 1]]}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@dataclass
class Visitor:
    """Asks the server as a page or a script does."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, self.headers | named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        body = json.dumps({} if value is None else value).encode()
        return self.ask("POST", path, body, **{"Content_Type": "application/json", **headers})

    def upload(self, path: Path, name: str = "") -> Answer:
        query = f"/api/sources?name={quote(name or path.name)}"
        return self.ask("POST", query, path.read_bytes(), Content_Type="application/octet-stream")

    def job(self, job_id: str) -> dict[str, Any]:
        return next(job for job in self.get("/api/jobs").json["jobs"] if job["id"] == job_id)

    def wait_for_job(self, job_id: str, *states: str) -> dict[str, Any]:
        wait_for(lambda: self.job(job_id)["state"] in states)
        return self.job(job_id)

    def wait_until_recorded(self) -> None:
        """Until the film that is being recorded live has some pictures."""
        wait_for(lambda: "recording to" in self.get("/api/live").json["said"])
        enough = self.get("/api/live").json["delivered"] + 3
        wait_for(lambda: self.get("/api/live").json["delivered"] >= enough)


def wait_for(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, f"not within {timeout} s"
        time.sleep(0.02)


@pytest.fixture
def studio(library: Library, tmp_path: Path) -> Iterator[Studio]:
    with Studio(folder=tmp_path / "films", library=library, engines=ENGINES, obs_port=0) as studio:
        yield studio


@pytest.fixture
def visitor(studio: Studio) -> Iterator[Visitor]:
    with StudioServer(studio, port=0) as server:
        yield Visitor(server.url)
