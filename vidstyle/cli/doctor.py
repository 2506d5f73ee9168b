"""`vidstyle doctor`."""

from __future__ import annotations

import typer

from vidstyle.cli import console, options

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
        topic = ""
        for finding in diagnosis.findings:
            if finding.topic != topic:
                topic = finding.topic
                print(topic)
            name = f"{finding.name}: " if finding.name else ""
            print(f"  {_MARKS[finding.state]} {name}{finding.text}")
    if diagnosis.main_job.state != "ok":
        raise typer.Exit(1)
