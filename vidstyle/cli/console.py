"""stderr: messages, warnings and the progress line. stdout is for data only."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from vidstyle.errors import OutputError, VidstyleError

if TYPE_CHECKING:
    from vidstyle.fileloop import Progress

TRACEBACKS = 2
"""`verbosity` from which errors show where they come from."""

verbosity = 0
"""How often -v was given; -1 for -q."""


def set_verbosity(value: int) -> int:
    """Callback of -v."""
    global verbosity
    verbosity = max(verbosity, value) if value else verbosity
    return value


def set_quiet(value: bool) -> bool:
    """Callback of -q."""
    global verbosity
    verbosity = -1 if value else verbosity
    return value


def error(message: str) -> None:
    """One line that is always shown."""
    _line(f"vidstyle: error: {_one_line(message)}")


def warn(message: str) -> None:
    """One line that is always shown."""
    _line(f"vidstyle: warning: {_one_line(message)}")


def trace(error: BaseException) -> None:
    """Where an error comes from, in many lines."""
    _line("".join(traceback.format_exception(error)).rstrip())


def run_tool(main: Callable[[Sequence[str]], None]) -> None:
    """A `python -m` tool of its own: `main` with its words, our errors as one line with their exit code."""
    try:
        main(sys.argv[1:])
    except VidstyleError as failure:
        error(str(failure))
        sys.exit(failure.exit_code)


def say(message: str) -> None:
    """One line, unless the user wants quiet."""
    if verbosity >= 0:
        _line(f"vidstyle: {_one_line(message)}")


def detail(message: str) -> None:
    """One line, where the user wants more."""
    if verbosity >= 1:
        _line(f"vidstyle: {_one_line(message)}")


def data(value: Any) -> None:
    """One line of JSON on stdout, in ASCII: no file's name, in whatever encoding, is lost on the way."""
    lines([json.dumps(value)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows on stdout, in columns as wide as they need to be."""
    cells = [[_one_line(cell) for cell in row] for row in ([head, *rows] if head else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def lines(text: Iterable[str]) -> None:
    """Lines on stdout, at once. Raises OutputError if they get nowhere."""
    if sys.stdout is None:  # so Python has it where the shell closed it (>&-)
        raise OutputError("standard output is closed; redirect it to a file")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a locale cannot say is no reason to say nothing
    try:
        for line in text:
            print(line)
        sys.stdout.flush()
    except OSError as error:
        raise not_written(error) from error


def not_written(error: OSError) -> OutputError:
    """The one-line error for a file, or stdout where `error` names none, that took no more."""
    from vidstyle.media.part_file import STDOUT, output_error

    if error.filename is None and sys.stdout is not None:
        _give_up(sys.stdout)
    return output_error(error, error.filename or STDOUT)


class ProgressLine:
    """One line on a terminal that is written over; nothing where stderr is no terminal, or under -q."""

    INTERVAL = 0.2
    """Seconds between two updates."""

    current: ProgressLine | None = None
    """The line that is on the terminal now, which messages must not be appended to."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty() and verbosity >= 0
        self._next = 0.0
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._shown or now < self._next or not progress.frames:
            return
        self._next = now + self.INTERVAL
        total = f"/{progress.total}" if progress.total else ""
        left = progress.seconds_left
        ending = f"  {format_seconds(left)} left" if left is not None else ""
        text = f"{progress.frames}{total} frames  {format_pace(progress.fps)}{ending}"
        text = text[: _columns() - 1]  # what wraps cannot be written over
        _write(f"\r{text:<{self._width}}")
        self._width = len(text)
        ProgressLine.current = self

    def clear(self) -> None:
        """Take the line away, so that what is said next starts clean."""
        if self._width:
            _write(f"\r{'':{self._width}}\r")
            self._width = 0
            ProgressLine.current = None


def _columns() -> int:
    """How wide the terminal is that stderr goes to; 80 where it does not tell."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


def format_seconds(seconds: float) -> str:
    """`M:SS`, or `H:MM:SS` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_pace(fps: float) -> str:
    """Frames a second, or, where they are so few as in Gatys mode, seconds a frame."""
    return f"{1 / fps:.1f} s a frame" if 0 < fps < 1 else f"{fps:.1f} fps"


def _line(text: str) -> None:
    if ProgressLine.current:
        ProgressLine.current.clear()
    _write(f"{text}\n")


def _write(text: str) -> None:
    """Text on stderr, where there is one (after 2>&- Python has None)."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        # That nobody reads what is said is no reason to give up the work, nor to call it failed once it is done.
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Send whatever follows nowhere: what is buffered would fail again in the interpreter's last flush (exit 120)."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _one_line(message: str) -> str:
    """Control characters, which file and style names may hold, must not reach a terminal."""
    return "".join(c if c.isprintable() else " " for c in message).strip()
