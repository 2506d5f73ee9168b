"""The server: every address, strangers' paths, broken requests, visitors that leave."""

from __future__ import annotations

import json
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import TINY as NETWORK
from tests.conftest import add_style, make_library
from tests.web.conftest import ENGINES, ORDER, Visitor, wait_for
from vidstyle.errors import OutputError
from vidstyle.style_library import Library
from vidstyle.web.server import StudioServer
from vidstyle.web.studio import Studio

MakeFilm = Callable[..., Path]


def test_the_page_is_told_what_there_is(visitor: Visitor, tmp_path: Path) -> None:
    values = visitor.get("/api/studio").json
    assert [style["name"] for style in values["styles"]] == ["mosaic", "waves"]
    assert values["styles"][0] | {"networks": ["live", "classic"], "own": True, "title": "test"} == values["styles"][0]
    assert values["networks"] == ["live", "classic"]
    assert [source["id"] for source in values["sources"]] == ["scene"]
    assert values["folder"] == str(tmp_path / "films")


def test_previews_are_the_styles_own_or_painted(library: Library, tmp_path: Path) -> None:
    root = make_library(tmp_path / "library", networks={"live": NETWORK}, styles=("identity", "mosaic", "waves"))
    (root / "styles" / "waves" / "preview.jpg").write_bytes(b"a jpeg")
    with (
        Studio(folder=tmp_path, library=Library([root]), engines=ENGINES) as studio,
        StudioServer(studio, port=0) as server,
    ):
        visitor = Visitor(server.url)
        assert visitor.get("/api/styles/waves/preview").body == b"a jpeg"
        painted = visitor.get("/api/styles/mosaic/preview")
        assert (painted.status, painted.headers["Content-Type"], painted.body[:2]) == (200, "image/jpeg", b"\xff\xd8")
        assert visitor.get("/api/styles/nothing/preview").status == 400
        add_style(root, "broken", {})
        (root / "styles" / "broken" / "card.json").write_text("{")
        answer = visitor.get("/api/studio")
        assert (answer.status, "not a usable style card" in answer.error) == (400, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/../server.py", 404),
        ("/..%2fserver.py", 404),
        ("/page/index.html", 404),
        ("//etc/passwd", 404),
        ("/etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/.env", 404),
        ("/server.py", 404),
        ("/api/styles/../../x/preview", 404),
        ("/api/styles/..%2f..%2fetc/preview", 400),  # found, and refused as a name
        ("/api/styles/%2e%2e/preview", 400),
        ("/api/sources/..%2f..%2fetc%2fpasswd/picture", 404),
        ("/api/nothing", 404),
        ("/api/paint", 404),
    ],
)
def test_there_is_no_way_to_other_files(visitor: Visitor, path: str, status: int) -> None:
    answer = visitor.get(path)
    assert answer.status == status
    assert "error" in answer.json


def test_uploads_are_taken_and_shown(visitor: Visitor, make_film: MakeFilm) -> None:
    name = '<img src=x onerror="alert(1)">\r\n../a.mkv'
    source = visitor.upload(make_film(frames=3), name).json
    assert source["name"] == '<img src=x onerror="alert(1)">../a.mkv'
    assert visitor.get(f"/api/sources/{source['id']}/picture?at=0.04").body[:2] == b"\xff\xd8"
    assert visitor.get("/api/studio").json["sources"][1] == source
    assert visitor.get("/api/sources/nothing/picture").status == 404


def test_unreadable_uploads_are_told_so(visitor: Visitor, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary\n" * 30)
    answer = visitor.upload(text)
    assert answer.status == 422
    assert "notes.txt" in answer.error
    assert str(tmp_path) not in answer.error
    assert visitor.ask("POST", "/api/sources?name=x", b"data", Content_Type="text/plain").status == 400
    assert visitor.ask("POST", "/api/sources?name=x", Content_Type="application/octet-stream").status == 422
    huge = {"Content_Type": "application/octet-stream", "Content_Length": str(1 << 45)}
    assert visitor.ask("POST", "/api/sources?name=x", b"", **huge).status == 400
    assert len(visitor.get("/api/studio").json["sources"]) == 1


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"[" * 20000, b'{"x": "' + b"y" * 70000 + b'"}', b"\xff\xfe"])
def test_broken_requests_are_refused_in_one_line(visitor: Visitor, body: bytes) -> None:
    answer = visitor.ask("POST", "/api/paint", body, Content_Type="application/json")
    assert answer.status == 400
    assert "\n" not in answer.error


@pytest.mark.parametrize(
    "head",
    [
        "Transfer-Encoding: chunked",
        "Content-Length: " + "9" * 5000,
        "Content-Length: some",
        "Content-Length: -1",
        "Content-Length: 2\r\nContent-Length: 4",
    ],
    ids=["chunked", "long", "word", "negative", "two"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_of_unknown_length_is_the_last_of_its_connection(visitor: Visitor, method: str, head: str) -> None:
    address = urlsplit(visitor.url)
    hidden = b"POST /api/live/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), 20) as connection:
        connection.sendall(f"{method} /api/studio HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n".encode() + hidden)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


def test_an_upload_of_unknown_length_is_refused(visitor: Visitor) -> None:
    for length in ({"Transfer_Encoding": "chunked"}, {"Content_Length": "9" * 5000}):
        answer = visitor.ask("POST", "/api/sources?name=x", b"", Content_Type="application/octet-stream", **length)
        assert (answer.status, "with its length" in answer.error) == (400, True)


def test_the_command_can_be_copied(visitor: Visitor) -> None:
    answer = visitor.post("/api/command", {"source": "scene", "order": ORDER | {"stroke": 2}}).json
    words = "-s mosaic --stroke 2 --backend openvino --precision fp32"
    assert answer == {"command": f"vidstyle render scene.mp4 scene-mosaic.mp4 {words}"}


def test_visitors_that_leave_harm_nothing(
    visitor: Visitor, studio: Studio, make_film: MakeFilm, capfd: pytest.CaptureFixture[str]
) -> None:
    address = urlsplit(visitor.url)
    wish = json.dumps({"page": "1", "source": "scene", "at": 1, "order": ORDER}).encode()
    film = make_film(frames=30).read_bytes()
    for head, body in (
        (f"POST /api/paint HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(wish)}", wish),
        (f"POST /api/sources?name=x HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(film)}",
         film[:100]),
        ("GET /api/sources/scene/picture HTTP/1.1", b""),
        ("GET / HTTP/1.1", b""),
    ):  # fmt: skip
        with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
            connection.sendall(f"{head}\r\nHost: 127.0.0.1\r\n\r\n".encode() + body)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset at close
    assert visitor.get("/").status == 200
    wait_for(lambda: not any(studio.shelf._folder.iterdir()))
    assert len(studio.shelf.sources()) == 1
    assert capfd.readouterr() == ("", "")


def test_an_unexpected_error_is_one_line_too(visitor: Visitor, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(studio, "to_json", fail)
    answer = visitor.get("/api/studio")
    assert (answer.status, answer.error) == (500, "unexpected ZeroDivisionError: division by zero")


def test_a_file_error_of_our_own_is_not_a_visitor_who_leaves(visitor: Visitor, studio: Studio) -> None:
    shutil.rmtree(studio.shelf._folder)
    film = visitor.ask("POST", "/api/sources?name=a", b"x" * 10, Content_Type="application/octet-stream")
    live = visitor.post("/api/live/start", {"camera": "scene", "order": ORDER})
    for answer in (film, live):
        assert (answer.status, "No such file or directory" in answer.error) == (500, True)


def test_a_cache_that_cannot_be_written_to_is_an_output_error(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="VIDSTYLE_CACHE_DIR"):
        Studio(folder=tmp_path, library=library)


def test_a_taken_port_is_an_output_error(visitor: Visitor, studio: Studio) -> None:
    port = urlsplit(visitor.url).port or 0
    for wrong in (port, 99999):
        with pytest.raises(OutputError, match="another --port"):
            StudioServer(studio, port=wrong)
    for wrong in ("no.such.host.invalid", "192.0.2.1"):
        with pytest.raises(OutputError, match=f"cannot listen at {wrong}.* another --host"):
            StudioServer(studio, host=wrong, port=0)


def test_the_address_for_other_machines_is_one_that_they_know(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(probe: socket.socket, address: object) -> None:
        raise OSError("Network is unreachable")

    def find_route(probe: socket.socket, address: object) -> None:
        probe.bind(("127.0.0.1", 0))

    for connect, name in ((find_route, "127.0.0.1"), (fail, socket.gethostname().lower())):
        monkeypatch.setattr(socket.socket, "connect", connect)
        with StudioServer(studio, host="0.0.0.0", port=0) as server:
            assert urlsplit(server.url).hostname == name
