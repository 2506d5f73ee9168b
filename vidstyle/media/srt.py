"""SRT, which PyAV's FFmpeg lacks: through the system's ffmpeg, which has it where it was built with libsrt."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from typing import IO
from urllib.parse import parse_qs, urlsplit

from vidstyle.errors import OutputError
from vidstyle.media.live_protocol import OutputLost
from vidstyle.media.transport import PATIENCE


class SrtTransport:
    """A pipe to the system's ffmpeg, which sends what comes."""

    is_called = False
    muxer = "mpegts"

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_listener = parse_qs(urlsplit(url).query).get("mode") == ["listener"]  # it waits for its receiver
        self._program: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None

    def connect(self) -> None:
        """Start ffmpeg, which connects. Raises OutputError where there is none, or none that has SRT."""
        ffmpeg = shutil.which("ffmpeg")
        if not ffmpeg or not _has_srt(ffmpeg):
            found = "the ffmpeg on this system has no SRT" if ffmpeg else "SRT needs the ffmpeg program, not found here"
            raise OutputError(f"{self._url}: {found}; install one with libsrt, or use udp://HOST:PORT")
        command = [ffmpeg, "-loglevel", "error", "-fflags", "nobuffer", "-f", "mpegts", "-i", "pipe:0"]
        command += ["-map", "0", "-c", "copy", "-f", "mpegts", "-flush_packets", "1", self._url]
        # A pipe, which nobody reads before the end, would be full some day.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - `hang_up` closes it
        self._program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=self._words, bufsize=0, start_new_session=True
        )
        if sys.platform != "win32" and self._program.stdin:
            os.set_blocking(self._program.stdin.fileno(), False)

    def write(self, data: bytes) -> int:
        """Hand `data` to ffmpeg; returns how many bytes. Raises OutputLost with its last words once it has ended."""
        program = self._program
        if not program or not program.stdin or program.poll() is not None:
            raise OutputLost(f"{self._url}: {self._last_words() or 'ffmpeg has ended'}")
        rest = memoryview(data)
        try:
            while rest:
                self._wait_for(program.stdin.fileno())
                rest = rest[program.stdin.write(rest) or 0 :]
        except OSError as error:
            raise OutputLost(f"{self._url}: {self._last_words() or error}") from error
        return len(data)

    def _wait_for(self, descriptor: int) -> None:
        """Wait until ffmpeg takes more. Raises OutputLost where it should have a receiver and takes nothing."""
        if sys.platform == "win32":
            return  # there, the write itself waits
        watched = select.poll()
        watched.register(descriptor, select.POLLOUT)
        if not watched.poll(None if self._is_listener else 1000 * PATIENCE):
            raise OutputLost(f"{self._url}: ffmpeg takes nothing")

    def flush(self) -> None:
        """Nothing is held back."""

    def hang_up(self) -> None:
        """End ffmpeg by the end of its input, after `PATIENCE` seconds by force."""
        program, self._program = self._program, None
        if not program:
            return
        if program.stdin:
            with contextlib.suppress(OSError):
                program.stdin.close()
        try:
            program.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        if self._words:
            self._words.close()

    def close(self) -> None:
        """The same as `hang_up`."""
        self.hang_up()

    def _last_words(self) -> str:
        if not self._program or not self._words or self._program.poll() is None:
            return ""
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _has_srt(ffmpeg: str) -> bool:
    listed = subprocess.run([ffmpeg, "-hide_banner", "-protocols"], capture_output=True, text=True, check=False)
    return "srt" in listed.stdout.split()
