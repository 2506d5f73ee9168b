"""The `vidstyle` command: a table of sub-commands, each imported only when it is called.

One line in `COMMANDS` makes a command; its module is neither imported for `--help` nor needed there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from vidstyle import __version__
from vidstyle.cli import console
from vidstyle.errors import UsageError, VidstyleError
from vidstyle.suggest import did_you_mean

COMMANDS = {
    "render": ("vidstyle.cli.render:render", "Paint a film, a picture or a numbered sequence."),
    "webcam": ("vidstyle.cli.webcam:webcam", "Paint a camera live: preview, virtual camera, streams."),
    "styles": ("vidstyle.cli.styles:app", "List, show, add, import and remove styles."),
    "train": ("vidstyle.cli.train:train", "Make a style of a painting."),
    "explore": ("vidstyle.cli.explore:app", "What the style losses see: content, texture, comparisons."),
    "serve": ("vidstyle.cli.serve:serve", "The studio page in the browser."),
    "build": ("vidstyle.cli.build:build", "Compile engines ahead of their first use."),
    "bench": ("vidstyle.cli.bench:app", "Measure engines and the whole loop on this machine."),
    "eval": ("vidstyle.cli.eval:app", "Measure pictures, steadiness and precision."),
    "doctor": ("vidstyle.cli.doctor:doctor", "What works on this machine, and what to do about the rest."),
}
"""Name of every command, to (module:attribute, help). The attribute is a function or a `typer.Typer`."""


class _Commands(TyperGroup):
    """A group that takes its commands from `COMMANDS`, and their defaults from configuration files."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [name for name in COMMANDS if _is_installed(name)]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Name and help of a command, which is all that lists and completion need."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command itself: now its module is imported."""
        name = args[0]
        if name not in COMMANDS or not _is_installed(name):
            if ctx.resilient_parsing:
                return None, None, args[1:]
            raise UsageError(f"no command {name!r}{did_you_mean(name, COMMANDS)}; see vidstyle --help")
        command = load_command(name)
        if not ctx.resilient_parsing:
            ctx.default_map = {name: _configured(name, command, ctx.params.get("config"))}
        return name, command, args[1:]


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(COMMANDS[name][0].partition(":")[0]) is not None


def load_command(name: str) -> Any:
    """The command called `name`, its module imported."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(found)
        found = app
    command = typer.main.get_command(found)
    command.name = name
    return command


def _configured(name: str, command: Any, explicit: Path | None) -> dict[str, Any]:
    """Defaults for `command` from the configuration files, by parameter name."""
    from vidstyle.settings import config_files, read_config

    options = {
        flag.removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("--")
    }
    files = [explicit] if explicit else config_files()
    values = read_config(files, command=name, commands=COMMANDS, known=options)
    return {
        options[key].name: [value]
        if getattr(options[key], "multiple", False) and not isinstance(value, list)
        else value
        for key, value in values.items()
    }


app = typer.Typer(
    cls=_Commands,
    help="Films and webcams, painted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"vidstyle {__version__}")
        raise typer.Exit


@app.callback()
def vidstyle(
    config: Annotated[
        Path | None, typer.Option(help="Read this TOML file instead of the user's and ./vidstyle.toml.", metavar="FILE")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Films and webcams, painted."""


def main() -> None:
    """Entry point: runs the command line and exits with the code that `vidstyle.errors` gives."""
    code = run(sys.argv[1:] or ["--help"])
    if any(thread.name.startswith("vidstyle-") for thread in threading.enumerate()):
        # A stage hangs in a library call; the interpreter's own shutdown would pull memory from under it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code. Errors go to stderr, one line each."""
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="vidstyle", standalone_mode=False)
        sys.stdout.flush()
    except VidstyleError as error:
        return _fail(error, str(error), error.exit_code)
    except TyperException as error:
        return _fail(error, error.format_message(), 2)
    except KeyboardInterrupt as error:
        return _fail(error, "interrupted", 130)
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush does not fail again
        return _fail(error, "the reader of the output has gone", 4)
    except Exception as error:
        return _fail(error, f"unexpected {type(error).__name__}: {error} (-vv shows where; please report it)", 1)
    return result if isinstance(result, int) else 0


def _fail(error: BaseException, message: str, code: int) -> int:
    if console.verbosity >= console.TRACEBACKS:
        traceback.print_exception(error)
    console.error(message)
    return code
