"""`vidstyle doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from vidstyle.cli import console, options

if TYPE_CHECKING:
    from vidstyle.diagnosis import Finding

_MARKS = {"ok": "+", "missing": "-", "failed": "!"}


def doctor(json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0) -> None:
    """Show what works on this machine: + is there, - is optional and not there, ! ought to work and does not.

    The exit code is 0 only if a film can be painted.
    """
    from vidstyle.diagnosis import diagnose

    diagnosis = diagnose()
    if json:
        console.data(diagnosis.to_json())
    else:
        console.lines(_page(diagnosis.findings))
    if diagnosis.main_job.state != "ok":
        raise typer.Exit(1)


def _page(findings: list[Finding]) -> Iterator[str]:
    """The findings below their topics."""
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            yield topic
        name = f"{finding.name}: " if finding.name else ""
        yield f"  {_MARKS[finding.state]} {name}{finding.text}"
