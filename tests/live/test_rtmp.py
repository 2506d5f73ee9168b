"""RTMP: its notation, its chunks, servers that refuse, and a real server with a real player."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.live.test_streams import TalkingCamera, free_port
from vidstyle.errors import UsageError
from vidstyle.media import amf
from vidstyle.media.camera_synthetic import frame_number
from vidstyle.media.live_protocol import LiveFrame, OutputLost, PictureFormat
from vidstyle.media.outputs import make_output
from vidstyle.media.rtmp_chunks import COMMAND, USER_CONTROL, ChunkReader, Message, chunks

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
PICTURE = PictureFormat(width=320, height=192, rate=Fraction(30))


def test_amf_is_read_as_it_was_written() -> None:
    values = ["connect", 1.0, {"app": "live", "on": True, "nothing": None, "deep": {"x": -2.5}}, None, False]
    assert amf.decode(amf.encode(*values)) == values
    assert amf.encode("a", 1.0) == b"\x02\x00\x01a\x00\x3f\xf0\x00\x00\x00\x00\x00\x00", "the specification's bytes"
    with pytest.raises(ValueError, match="too early"):
        amf.decode(amf.encode("connect")[:-1])


@pytest.mark.parametrize("stamp", [0, 0xFFFFFE, 0xFFFFFF, 0x1234567])
def test_chunks_come_together_again_in_whatever_pieces(stamp: int) -> None:
    long = Message(kind=9, payload=bytes(range(250)) * 4, stamp=stamp, stream=1)
    short = Message(kind=COMMAND, payload=b"word")
    wire = chunks(long, channel=4, size=128) + chunks(short, channel=3, size=128)
    for step in (1, 7, len(wire)):
        reader = ChunkReader()
        read = [message for at in range(0, len(wire), step) for message in reader.feed(wire[at : at + step])]
        assert read == [long, short]


class Server:
    """Answers one publisher: with `status` to its wish to publish, then with a ping."""

    def __init__(self, status: dict) -> None:
        self.status = status
        self.heard: list = []
        self.kinds: list[int] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtmp://127.0.0.1:{self._server.getsockname()[1]}/live/key?token=7"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, contextlib.suppress(ConnectionError):
            hello = connection.recv(1537, socket.MSG_WAITALL)
            connection.sendall(b"\3" + bytes(1536) + hello[1:])
            connection.recv(1536, socket.MSG_WAITALL)
            reader = ChunkReader()
            while data := connection.recv(65536):
                for message in reader.feed(data):
                    self.kinds.append(message.kind)
                    if message.kind == COMMAND:
                        self._answer(connection, amf.decode(message.payload))

    def _answer(self, connection: socket.socket, order: list) -> None:
        self.heard.append(order)
        if order[0] in ("connect", "createStream"):
            reply = amf.encode("_result", order[1], None, 1.0)
        elif order[0] == "publish":
            reply = amf.encode("onStatus", 0.0, None, self.status)
        else:
            reply = amf.encode("_error", order[1], None, {"level": "error", "code": "unknown command"})
        connection.sendall(chunks(Message(kind=COMMAND, payload=reply), channel=3, size=128))
        if order[0] == "publish":
            connection.sendall(chunks(Message(kind=USER_CONTROL, payload=b"\0\6time"), channel=2, size=128))


def pictures(count: int) -> list[LiveFrame]:
    return [LiveFrame(image=np.zeros((192, 320, 3), np.uint8), captured=100 + i / 30, index=i) for i in range(count)]


def test_the_server_gets_key_and_pictures_and_its_pings_answered() -> None:
    server = Server({"level": "status", "code": "NetStream.Publish.Start"})
    stream = make_output(server.url)
    stream.open(PICTURE)
    for frame in pictures(5):
        stream.write(frame)
        time.sleep(0.05)
    stream.close()
    until = time.monotonic() + 5
    while server.heard[-1][0] != "deleteStream":
        assert time.monotonic() < until
        time.sleep(0.01)
    assert server.heard[0][2]["app"] == "live"
    assert [order[3] for order in server.heard if order[0] == "publish"] == ["key?token=7"]
    assert server.kinds.count(9) >= 5
    assert server.kinds.count(USER_CONTROL) == 1


def test_a_refusal_is_told_in_the_servers_words() -> None:
    server = Server({"level": "error", "code": "NetStream.Publish.BadName", "description": "wrong key"})
    with pytest.raises(OutputLost, match="refuses: wrong key"):
        make_output(server.url).open(PICTURE)


def test_a_streams_key_is_shown_to_nobody() -> None:
    """Statistics are on the terminal and on the page, which viewers of a stream may see."""
    for url in ("rtmp://live.example/app/s3cret", "rtmps://live.example:443/two/parts/s3cret?token=s3cret"):
        name = make_output(url).name
        assert "s3cret" not in name
        assert name.startswith(url.partition("/s3cret")[0])


def test_addresses_that_cannot_work_are_refused_at_once() -> None:
    for url in ("rtmp://host", "rtmp://host/s3cret", "rtmp://host:port/live/s3cret", "rtmp://me:s3cret@host/live/key"):
        with pytest.raises(UsageError, match=re.escape("output 'rtmp://host")) as refusal:
            make_output(url)
        assert "s3cret" not in str(refusal.value)


@pytest.mark.skipif(not shutil.which("nginx") or not MODULE.exists(), reason="nginx with its RTMP module is missing")
def test_nginx_takes_the_stream_and_gives_it_to_a_player(start_session, tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        f"{user} load_module {MODULE}; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} "
        f"rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}"
    )
    server = subprocess.Popen(["nginx", "-e", str(tmp_path / "log"), "-c", str(configuration)])
    url = f"rtmp://127.0.0.1:{port}/live/key"
    try:
        time.sleep(0.5)
        session = start_session([make_output(url)], camera=TalkingCamera)
        session.wait_for(lambda: session.loop.statistics.as_json()["delivered"] > 30)
        with av.open(url, timeout=10, options={"rtmp_live": "live"}) as seen:
            assert {s.type for s in seen.streams} == {"video", "audio"}
            numbers = []
            for frame in seen.decode(video=0):
                numbers.append(frame_number(255 - frame.to_ndarray(format="rgb24")))
                if len(numbers) == 40:
                    break
        assert np.median(np.diff(numbers)) == 1
        report = session.finish()
    finally:
        server.terminate()
        server.wait()
    assert report["outputs"][f"rtmp://127.0.0.1:{port}/live"]["reconnects"] == 0
