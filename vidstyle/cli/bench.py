"""`vidstyle bench`."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.errors import OutputError, UsageError


def bench(
    network: Annotated[
        list[str],
        typer.Option(
            "--network",
            metavar="NAME",
            help="Network to measure; several may be named.",
            autocompletion=options.complete_networks,
        ),
    ] = ["live", "classic"],
    size: Annotated[
        list[int], typer.Option("--size", metavar="SHORT", help="360, 720 or 1080; several may be named.")
    ] = [360, 720, 1080],
    seconds: Annotated[float, typer.Option(min=0, metavar="N", help="How long to measure each case.")] = 3,
    peer: Annotated[bool, typer.Option("--peer/--no-peer", help="Measure the peers' way too.")] = True,
    film: Annotated[
        int, typer.Option(min=0, metavar="N", help="Frames of the 720p film for the whole loop; 0 leaves it out.")
    ] = 150,
    isa: Annotated[
        list[str], typer.Option("--isa", metavar="NAME", help="Measure as a lesser processor too: AVX2, AVX512_CORE.")
    ] = [],
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the bars.")] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE.md", help="Write a page, as docs/benchmarks.md.")] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace these files if they exist.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Instead, show where the time goes in OpenVINO, by kind of operation.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Measure every engine on this machine, and the whole loop, against the way most programs do it."""
    from vidstyle.backends.cpu import guard
    from vidstyle.backends.registry import get_backend
    from vidstyle.bench import cases, loop, report, steady
    from vidstyle.interrupts import stop_requests

    guard()
    _check(network, size, isas=isa, plot=plot, write=write, overwrite=overwrite)
    if profile:
        for flag, asked in {"--plot": plot, "--write": write, "--isa": isa}.items():
            if asked:
                raise UsageError(f"--profile measures OpenVINO alone and writes no file: leave out {flag}")
        _profile(network, size, json=json)
        return
    if peer and not get_backend("torch").available().ok:
        console.say("the peers' way is left out: it needs PyTorch, pip install 'vidstyle[torch]'")
        peer = False
    todo = cases.plan(network, size, isas=isa, peer=peer)
    timings = []
    film_timing, starts, stabiliser = None, [], []
    # SIGTERM is raised like Ctrl-C: then the child that measures ends with this process, and no film is left.
    with stop_requests(), tempfile.TemporaryDirectory(prefix="vidstyle-bench-") as folder:
        for number, case in enumerate(todo, 1):
            console.say(f"{number} of {len(todo)}: {case.width}x{case.height}, {case.label}")
            timings.append(cases.measure(case, seconds=seconds))
        if film:
            console.say(f"the whole loop, {film} frames of 1280x720")
            film_timing = loop.time_loop(Path(folder), size=cases.SIZES[720], frames=film, peer=peer)
            console.say("the live stabiliser")
            stabiliser = steady.time_stabiliser(cases.SIZES[720])
            console.say("starting the program")
            starts = loop.time_starts(Path(folder))
    command = shlex.join(["vidstyle", *sys.argv[1:]])
    results = report.new_results(command, timings=timings, loop=film_timing, starts=starts, stabiliser=stabiliser)
    if plot:
        from vidstyle.bench.plot import bars

        _write(plot, bars(results))
    if write:
        _write(write, report.page(results, plot=plot.name if plot else None))
    if json:
        console.data(results.to_json())
    else:
        console.lines([report.plain(report.table(results)), *report.loop_lines(results)])


def _check(
    network: list[str], size: list[int], *, isas: list[str], plot: Path | None, write: Path | None, overwrite: bool
) -> None:
    """Refuse at once what cannot be measured or written."""
    from vidstyle.bench import cases
    from vidstyle.media.part_file import check_file
    from vidstyle.networks.architecture import ARCHITECTURES
    from vidstyle.style_library import Library

    for name in set(network) - set(ARCHITECTURES):  # those are measured with random weights where there are no others
        Library().network(name)
    if plot and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot}: this is drawn as SVG; give it the ending .svg")
    for file in filter(None, (plot, write)):
        check_file(file, overwrite=overwrite)
    if strange := [name for name in isas if name.upper() not in cases.ISAS]:
        raise UsageError(f"--isa {strange[0]}: there are {', '.join(cases.ISAS)}")
    if unknown := [side for side in size if side not in cases.SIZES]:
        raise UsageError(f"--size {unknown[0]}: there are {', '.join(map(str, cases.SIZES))}")


def _profile(networks: list[str], sizes: list[int], *, json: bool) -> None:
    from dataclasses import asdict

    from vidstyle.bench.cases import SIZES
    from vidstyle.bench.profile import profile

    found = [profile(network, size=SIZES[side]) for network in networks for side in sizes]
    if json:
        console.data({"profiles": [asdict(one) for one in found]})
    else:
        console.lines(line for one in found for line in one.lines)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file} cannot be written ({error.strerror})") from error
