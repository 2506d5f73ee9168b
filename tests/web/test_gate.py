"""Who is let in: this machine's page, or who brings the token, and nobody whom another site sends."""

from __future__ import annotations

from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.web.conftest import ENGINES, Visitor
from vidstyle.style_library import Library
from vidstyle.web.exchange import Forbidden
from vidstyle.web.gate import Gate
from vidstyle.web.server import StudioServer
from vidstyle.web.studio import Studio

FOREIGN = {"Host": "127.0.0.1:8420", "Sec_Fetch_Site": "cross-site"}


def headers(**values: str) -> Message:
    message = Message()
    for name, value in values.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    "values",
    [
        {"Host": "127.0.0.1:8420"},
        {"Host": "localhost:9000"},
        {"Host": "[::1]:8420"},
        {"Host": "127.0.0.1:8420", "Origin": "http://127.0.0.1:8420", "Sec_Fetch_Site": "same-origin"},
        FOREIGN | {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
    ],
)
def test_our_own_page_is_let_in(values: dict[str, str]) -> None:
    Gate.for_address("127.0.0.1", 8420).check(headers(**values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8420"},
        {"Host": "[::1"},
        {"Host": "127.0.0.1:8420", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1:8420", "Origin": "http://127.0.0.1:3000"},
        {"Host": "127.0.0.1:8420", "Origin": "null"},
        FOREIGN,
        {"Host": "127.0.0.1:8420", "Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
        FOREIGN | {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ],
)
def test_others_are_kept_out(values: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        Gate.for_address("localhost", 8420).check(headers(**values))


def test_the_server_asks_the_gate_first(visitor: Visitor) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/studio"), ("POST", "/api/jobs"), ("POST", "/nothing")):
        assert visitor.ask(method, path, b"{}" if method == "POST" else None, Host="evil.example").status == 403
    assert visitor.post("/api/live/stop", Origin="http://evil.example").status == 403
    assert visitor.ask("POST", "/api/live/stop", b"{}", Content_Type="text/plain").status == 400
    assert visitor.post("/api/live/stop", Origin=visitor.url.rstrip("/")).status == 200


@pytest.mark.parametrize("others", ['prefs={"a":1}', "user=John Smith", "name=J\xf6rg", "a; =; ;", "a,b=c", 'a="b'])
def test_the_cookies_of_other_programs_lock_nobody_out(others: str) -> None:
    gate = Gate.for_address("0.0.0.0", 8420)
    ours = f"{gate.cookie}={gate.token}"
    for cookies in (ours, f"{others}; {ours}", f"{ours};{others}", f"{others}; {ours}; {others}"):
        gate.check(headers(Host="studio.local:8420", Cookie=cookies))
    for cookies in (others, f"{others}; {gate.cookie}=wrong", f"{others}; x{ours}", f"other={gate.token}"):
        with pytest.raises(Forbidden):
            gate.check(headers(Host="studio.local:8420", Cookie=cookies))


def test_two_studios_on_one_host_keep_their_cookies_apart() -> None:
    one, other = Gate.for_address("0.0.0.0", 8420), Gate.for_address("0.0.0.0", 8421)
    cookies = "; ".join(f"{gate.cookie}={gate.token}" for gate in (one, other))
    one.check(headers(Host="studio.local:8420", Cookie=cookies))
    other.check(headers(Host="studio.local:8421", Cookie=cookies))
    assert one.cookie != other.cookie


def test_another_address_needs_the_token(library: Library, tmp_path: Path) -> None:
    with (
        Studio(folder=tmp_path, library=library, engines=ENGINES) as studio,
        StudioServer(studio, host="0.0.0.0", port=0) as server,
    ):
        assert server.gate.token
        address, _, token = server.url.partition("?token=")
        assert token == server.gate.token
        visitor = Visitor(f"http://127.0.0.1:{address.rpartition(':')[2]}")
        for path in ("/", "/studio.css", "/api/studio", "/?token=wrong", "/?token=%C3%A4"):
            answer = visitor.get(path)
            assert (answer.status, "token" in answer.error) == (403, True), path
        seen = visitor.get("/", Accept="text/html,*/*;q=0.8")
        assert (seen.status, seen.headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
        assert seen.body.startswith(b"open the address with its token"), "words, for who types the address"
        answer = visitor.get(f"/?token={token}")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert cookie.startswith(f"vidstyle_token_{urlsplit(visitor.url).port}=")
        visitor.headers["Cookie"] = 'prefs={"a":1}; ' + cookie.partition(";")[0]
        assert visitor.get("/").status == 200
        assert visitor.post("/api/live/stop", Origin="http://evil.example").status == 403
