"""Films and pictures that are painted to the end, one after the other, in a thread of their own."""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from vidstyle.errors import Interrupted, OutputError, VidstyleError
from vidstyle.fileloop import Progress
from vidstyle.interrupts import StopRequest
from vidstyle.media.part_file import part_path
from vidstyle.pipeline import render
from vidstyle.report import RenderReport
from vidstyle.style_library import Library
from vidstyle.web.exchange import NothingThere
from vidstyle.web.order import Engines, Order, shell_line
from vidstyle.web.shelf import Shelf, Source

LONGEST_STEM = 40
"""Letters of a film's own name that its painted film keeps: with those of its styles, 255 bytes hold them."""

LONGEST_STYLES = 60
"""Letters of its styles' names."""

_PATIENCE = 20.0
"""Seconds that a job may take to finish what it has in hand when the studio closes."""

State = Literal["waiting", "preparing", "painting", "done", "failed", "cancelled"]
Render = Callable[..., RenderReport]


@dataclass
class Job:
    """One film or picture on its way. `discard` is set where its user wants nothing of it any more.

    What was painted live has no `source`, `command` and `report`.
    """

    id: str
    source: Source | None
    order: Order
    target: Path
    command: str
    state: State = "waiting"
    progress: Progress | None = None
    report: RenderReport | None = None
    error: str = ""
    discard: bool = False
    stop: StopRequest = field(default_factory=StopRequest)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        progress, report = self.progress, self.report
        return {
            "id": self.id,
            "kind": "picture" if self.target.suffix == ".png" else "film",
            "name": self.target.name,
            "styles": [list(style) for style in self.order.styles],
            "command": self.command,
            "state": self.state,
            "error": self.error,
            "frames": progress.frames if progress else 0,
            "total": progress.total if progress else None,
            "fps": round(progress.fps, 2) if progress else 0.0,
            "seconds_left": progress.seconds_left if progress else None,
            "seconds": round(report.seconds, 2) if report else None,
            "frames_out": report.frames_out if report else None,
            "engine": f"{report.backend} on {report.device}, {report.precision}" if report and report.backend else "",
            "warnings": report.warnings if report else [],
        }


class Jobs:
    """Thread-safe. Finished films lie in `folder`, which is made when the first one comes."""

    def __init__(
        self, library: Library, engines: Engines, shelf: Shelf, *, folder: Path, render: Render = render
    ) -> None:
        self.folder = folder
        self._library = library
        self._engines = engines
        self._shelf = shelf
        self._render = render
        self._jobs: dict[str, Job] = {}
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="vidstyle-jobs", daemon=True)
        self._thread.start()

    def start(self, source: Source, order: Order) -> Job:
        """Append a job. Raises UsageError, StyleError, OutputError before anything is painted."""
        order.look(self._library, self._library.network(order.network))
        self.make_folder()
        with self._lock:
            target = self._free_name(source, order)
            command = self.command(source, order, target.name)
            job = Job(id=secrets.token_hex(8), source=source, order=order, target=target, command=command)
            self._jobs[job.id] = job
            self._waiting.put(job)
        return job

    def keep(self, target: Path, order: Order) -> None:
        """Take up a film or picture that was painted live, as a job that is done."""
        job = Job(id=secrets.token_hex(8), source=None, order=order, target=target, command="", state="done")
        with self._lock:
            self._jobs[job.id] = job

    def make_folder(self) -> Path:
        """Where everything goes that is kept. Raises OutputError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"the folder {self.folder} cannot be made: {error.strerror or error}") from error
        return self.folder

    def command(self, source: Source, order: Order, target: str = "") -> str:
        """What to type to have the same in a terminal."""
        return shell_line(order.words(source.name, target or _file_name(source, order), self._engines))

    def jobs(self) -> list[Job]:
        """All of them, the newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> Job:
        """Raises NothingThere."""
        with self._lock:
            if job_id not in self._jobs:
                raise NothingThere("this job is no longer here")
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        """End it and keep nothing of it, even if it is whole by then; a job that is over stays what it is.

        Raises NothingThere.
        """
        job = self.find(job_id)
        with self._lock:
            job.discard = True
            if job.state == "waiting":
                job.state = "cancelled"
        job.stop.ask()
        return job

    def close(self) -> None:
        """Let the running job finish what it has in hand, as Ctrl-C does: its `.part` stays, and plays."""
        with self._lock:
            self._closed = True
            unfinished = [job for job in self._jobs.values() if job.state in ("waiting", "preparing", "painting")]
        for job in unfinished:
            job.stop.ask()
        self._waiting.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            with self._lock:
                if self._closed or job.state != "waiting":  # it was cancelled meanwhile
                    continue
                job.state = "preparing"
            self._run(job)

    def _run(self, job: Job) -> None:
        def follow(progress: Progress) -> None:
            job.progress = progress
            if progress.frames:
                job.state = "painting"

        assert job.source  # it was waiting
        state: State = "failed"
        try:
            job.report = self._render(
                self._shelf.file(job.source),
                job.target,
                options=job.order.options(self._engines),
                library=self._library,
                progress=follow,
                stop=job.stop,
            )
            state = "done"
        except Interrupted:
            state = "cancelled"
        except VidstyleError as error:
            job.error = self._shelf.in_their_words(error, job.source)
        except Exception as error:  # a library's, or our own: one film must not end the studio
            job.error = f"unexpected {type(error).__name__}: {error}"
        with self._lock:  # a cancel comes before this, or too late
            job.state = _discarded(job, state) if job.discard else state

    def _free_name(self, source: Source, order: Order) -> Path:
        """Where the result goes: never onto a file that is there, nor onto another job's."""
        wanted = Path(_file_name(source, order))
        taken = {job.target for job in self._jobs.values()}
        number = 1
        target = self.folder / wanted
        while target in taken or target.exists() or part_path(target).exists():
            number += 1
            target = self.folder / f"{wanted.stem}-{number}{wanted.suffix}"
        return target


def _discarded(job: Job, state: State) -> State:
    """Remove what a job has left that has come to `state`; the state it is in then."""
    # The film only where it is this job's own: one that is there already is what a job can fail of.
    left = [part_path(job.target), *([job.target] if state == "done" else [])]
    try:
        for path in left:
            path.unlink(missing_ok=True)
    except OSError as error:
        job.error = f"{job.target.name} cannot be removed: {error.strerror or error}"
        return "failed"
    job.report = None
    return "cancelled" if state == "done" else state


def _file_name(source: Source, order: Order) -> str:
    """`holiday-mosaic.mp4`: made of letters, digits and hyphens, whatever the source is called."""
    plain = unicodedata.normalize("NFC", source.name.rpartition(".")[0] or source.name)
    stem = re.sub(r"[\W_]+", "-", plain)[:LONGEST_STEM].strip("-") or source.kind
    styles = "-".join(name for name, weight in order.styles[:3] if weight)[:LONGEST_STYLES]
    return f"{stem}-{styles}{'.png' if source.kind == 'picture' else '.mp4'}"
