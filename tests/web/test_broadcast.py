"""Live from the page: started, turned, watched, stopped; no files or addresses named from outside."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.web.conftest import ORDER, Visitor, wait_for
from vidstyle.web.studio import Studio

pytest.importorskip("cv2")


def state(visitor: Visitor) -> str:
    return str(visitor.get("/api/live").json["state"])


def test_a_session_from_start_to_end(visitor: Visitor, make_film: Callable[..., Path]) -> None:
    assert visitor.get("/api/live").json == {"state": "off"}
    film = visitor.upload(make_film(frames=50)).json
    answer = visitor.post("/api/live/start", {"camera": film["id"], "order": ORDER})
    assert answer.status == 200, answer.body
    wait_for(lambda: state(visitor) == "live" and visitor.get("/api/live").json["delivered"] > 2)
    values = visitor.get("/api/live").json
    assert (values["size"], values["backend"], values["error"]) == ([64, 48], "openvino", "")
    assert (values["source"], values["virtual"]) == (film["id"], False)
    assert values["camera"].startswith("in.mkv, ")
    assert values["latency_ms"]["p50"] > 0

    address = urlsplit(visitor.url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        connection.sendall(b"GET /api/live/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        stream = connection.makefile("rb")
        assert b"multipart/x-mixed-replace" in b"".join(iter(stream.readline, b"\r\n"))
        assert stream.readline() == b"--vidstyle-frame\r\n"
        with urllib.request.urlopen(f"{values['address']}snapshot.jpg", timeout=10) as picture:
            assert picture.read(2) == b"\xff\xd8"

        order = {"styles": [["waves", 1]], "strength": 0.5, "stroke": 2, "keep_colors": True}
        assert visitor.post("/api/live/look", {"order": order, "mirror": True}).status == 200
        wrong = visitor.post("/api/live/look", {"order": ORDER | {"network": "classic"}})
        assert (wrong.status, "start it again" in wrong.error) == (400, True)
        assert visitor.post("/api/live/look", {"order": {"styles": [["nothing", 1]]}}).status == 400
        assert visitor.post("/api/live/stop").json == {"state": "off"}
        assert stream.read()[-2:] == b"\r\n", "the stream has an end"
    assert visitor.get("/api/live/stream").status == 404
    assert visitor.post("/api/live/look", {"order": ORDER}).status == 404


def test_the_settings_reach_the_session(visitor: Visitor, studio) -> None:
    visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER})
    order = {"styles": [["waves", 1], ["mosaic", 2]], "strength": 0.5, "stroke": 2, "keep_colors": True}
    visitor.post("/api/live/look", {"order": order, "mirror": True})
    settings = studio.broadcast._session.loop.control.settings
    assert settings.styles == (("waves", 1.0), ("mosaic", 2.0))
    assert (settings.strength, settings.stroke, settings.keep_colors, settings.mirror) == (0.5, 2.0, True, True)
    before = visitor.get("/api/live").json
    assert (before["order"], before["mirror"]) == (order | {"network": "live", "stabilize": False}, True)
    studio.broadcast._session.loop.control.perform("strength", 0.25)
    assert visitor.get("/api/live").json["order"]["strength"] == 0.25, "whoever turns it"
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER}).status == 200, "a new one instead"
    assert visitor.get("/api/live").json["session"] != before["session"]


def go_live(visitor: Visitor) -> None:
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER}).status == 200
    wait_for(lambda: state(visitor) == "live")


def kept(visitor: Visitor) -> list[str]:
    return [job["kind"] for job in visitor.get("/api/jobs").json["jobs"]]


def test_what_is_on_air_is_recorded_among_the_finished_films(visitor: Visitor, tmp_path: Path) -> None:
    go_live(visitor)
    assert visitor.post("/api/live/record", {"on": True}).json["recording"]
    visitor.wait_until_recorded()
    assert visitor.post("/api/live/record", {"on": True}).json["recording"], "by another page: it goes on"
    visitor.post("/api/live/snapshot")
    wait_for(lambda: visitor.get("/api/live").json["kept"] == 1)
    assert not visitor.post("/api/live/record", {"on": False}).json["recording"]
    wait_for(lambda: visitor.get("/api/live").json["kept"] == 2)
    assert kept(visitor) == ["film", "picture"]
    for job, kind in zip(visitor.get("/api/jobs").json["jobs"], ("video/mp4", "image/png"), strict=True):
        result = visitor.get(f"/api/jobs/{job['id']}/result")
        assert (job["state"], result.headers["Content-Type"]) == ("done", kind)
        assert result.body == (tmp_path / "films" / job["name"]).read_bytes()
    visitor.post("/api/live/record", {"on": True})
    visitor.wait_until_recorded()
    assert visitor.post("/api/live/stop").json == {"state": "off"}
    assert kept(visitor) == ["film", "film", "picture"], "the end of the session is that of its film"
    assert len(list((tmp_path / "films").iterdir())) == 3
    assert visitor.post("/api/live/record", {"on": True}).status == 404


def test_what_a_command_to_the_page_for_obs_records_goes_there_too(visitor: Visitor, tmp_path: Path) -> None:
    def command(name: str) -> None:
        body = json.dumps({"command": name}).encode()
        url = f"{visitor.get('/api/live').json['address']}control"
        urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=10)

    go_live(visitor)
    command("snapshot")
    command("record")
    visitor.wait_until_recorded()
    command("record")
    command("mirror")
    wait_for(lambda: visitor.get("/api/live").json["kept"] == 2)
    assert visitor.get("/api/live").json["mirror"], "other commands are the session's"
    assert sorted(file.suffix for file in (tmp_path / "films").iterdir()) == [".mp4", ".png"]


def test_a_recording_that_fails_is_said_at_once_and_at_the_end(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidstyle.live.recorder.dated_name", lambda suffix: f"taken{suffix}")
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "taken.mp4").write_text("mine")
    go_live(visitor)
    assert visitor.get("/api/live").json["said"] == ""
    visitor.post("/api/live/record", {"on": True})
    wait_for(lambda: "recording failed" in visitor.get("/api/live").json["said"])
    wait_for(lambda: not visitor.get("/api/live").json["recording"])
    stopped = visitor.post("/api/live/stop").json
    assert (stopped["state"], "taken.mp4 exists" in stopped["error"]) == ("failed", True)
    assert kept(visitor) == []
    assert (tmp_path / "films" / "taken.mp4").read_text() == "mine"


@pytest.mark.parametrize(
    "wrong",
    [{"styles": [["nothing", 1]]}, {"network": "nothing"}, {"styles": [["mosaic", 0]]}, {"strength": 7}, {"stroke": 0}],
)
def test_a_start_that_is_refused_ends_nothing(visitor: Visitor, studio: Studio, wrong: dict[str, object]) -> None:
    visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER})
    session = studio.broadcast._session
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": ORDER | wrong}).status == 400
    assert studio.broadcast._session is session
    assert state(visitor) in ("starting", "live")


@pytest.mark.parametrize(
    "camera", ["", "/etc/passwd", "/dev/video0", "http://evil.example/x", "v4l2:/dev/video0", "lavfi:testsrc", "12345"]
)
def test_nobody_names_files_devices_or_addresses(visitor: Visitor, camera: str) -> None:
    assert visitor.post("/api/live/start", {"camera": camera, "order": ORDER}).status == 404
    assert state(visitor) == "off"


def test_what_does_not_work_is_said(visitor: Visitor, tmp_path: Path, make_film: Callable[..., Path]) -> None:
    assert visitor.post("/api/live/start", {"camera": "987", "order": ORDER}).status == 200
    wait_for(lambda: state(visitor) == "failed")
    assert "987" in visitor.get("/api/live").json["error"]
    assert visitor.post("/api/live/start", {"camera": "synthetic", "order": {"styles": [["x", 1]]}}).status == 400
    cameras = visitor.get("/api/live/cameras").json
    assert isinstance(cameras["virtual"], bool)
    assert all(camera["id"].isdecimal() for camera in cameras["cameras"])
