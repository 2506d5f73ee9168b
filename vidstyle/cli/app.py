"""The `vidstyle` command: a table of sub-commands, each imported only when it is called.

One line in `COMMANDS` makes a command; its module is neither imported for `--help` nor needed there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from vidstyle import __version__
from vidstyle.cli import console
from vidstyle.errors import BackendError, Interrupted, UsageError, VidstyleError
from vidstyle.suggest import did_you_mean

COMMANDS = {
    "render": ("vidstyle.cli.render:render", "Paint a film, a picture or a numbered sequence."),
    "webcam": ("vidstyle.cli.webcam:webcam", "Paint a camera live: preview, virtual camera, streams."),
    "styles list": ("vidstyle.cli.styles:list_styles", "All styles at hand."),
    "styles show": ("vidstyle.cli.styles:show", "What is known of a style."),
    "styles add": ("vidstyle.cli.styles_add:add", "Add a style that somebody made."),
    "styles import": ("vidstyle.cli.styles_import:import_style", "Read a network of another program."),
    "styles preview": ("vidstyle.cli.styles_preview:preview", "Paint the previews of styles anew."),
    "styles sheet": ("vidstyle.cli.styles_sheet:sheet", "Your own pictures in every style, on one sheet."),
    "styles remove": ("vidstyle.cli.styles:remove", "Remove a style of your own."),
    "train": ("vidstyle.cli.train:train", "Make a style of a painting."),
    "explore content": ("vidstyle.cli.explore:content", "What the content loss sees of a picture."),
    "explore texture": ("vidstyle.cli.explore:texture", "What the style loss sees of a painting."),
    "explore compare": ("vidstyle.cli.explore:compare", "Gatys and the networks side by side."),
    "serve": ("vidstyle.cli.serve:serve", "The studio: a page to choose styles, paint films and go live."),
    "build": ("vidstyle.cli.build:build", "Compile engines ahead of their first use."),
    "bench": ("vidstyle.cli.bench:bench", "Measure engines and the whole loop on this machine."),
    "eval pictures": ("vidstyle.cli.eval_pictures:pictures", "Content and style losses, shift error, noise gain."),
    "eval video": ("vidstyle.cli.eval_video:video", "Steadiness and losses of a painted film."),
    "doctor": ("vidstyle.cli.doctor:doctor", "What works on this machine, and what to do about the rest."),
}
"""Words of every command, to (module:function, help)."""

GROUPS = {
    "styles": "List, show, add, import and remove styles.",
    "explore": "What the style losses see: content, texture, comparisons.",
    "eval": "Measure painted pictures and films.",
}
"""Help of the first words that several commands share."""

_EXTRAS = {"torch": "torch", "onnx": "torch", "safetensors": "torch"}
"""Packages that some commands cannot do without, and the extra that brings them."""


class _Command(TyperCommand):
    """One command, once its module is imported."""

    def get_help_option(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        return _as_data(super().get_help_option(ctx))


class _Commands(TyperGroup):
    """A group that takes its commands from `COMMANDS`, and their defaults from configuration files."""

    prefix = ""
    """The words before this group's own, with a space after each."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Without any word, the help is what is wanted."""
        try:
            return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])
        except OSError as error:  # of the shell's own files, or of stdout: from here completion is installed or shown
            raise console.not_written(error) from error

    def get_help_option(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        return _as_data(super().get_help_option(ctx))

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(self._members())

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Name and help of a command, which is all that lists and completion need."""
        return TyperCommand(cmd_name, help=self._members()[cmd_name]) if cmd_name in self._members() else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command itself: now its module is imported."""
        name, members = args[0], self._members()
        if name not in members:
            if ctx.resilient_parsing:
                return None, None, args[1:]
            near = did_you_mean(name, members)
            raise UsageError(f"no command '{self.prefix}{name}'{near}; see {ctx.command_path} --help")
        words = self.prefix + name
        if words in GROUPS:
            return name, _group(name), args[1:]
        command = load_command(words)
        if not ctx.resilient_parsing:
            ctx.default_map = {name: _configured(words, command, _config_files(ctx))}
        return name, command, args[1:]

    def _members(self) -> dict[str, str]:
        """This group's commands and sub-groups with their help, as far as they are installed."""
        members: dict[str, str] = {}
        for words, (place, summary) in COMMANDS.items():
            if words.startswith(self.prefix) and importlib.util.find_spec(place.partition(":")[0]):
                first, _, more = words.removeprefix(self.prefix).partition(" ")
                members[first] = GROUPS[first] if more else summary
        return members


def _group(name: str) -> _Commands:
    group = _Commands(name=name, help=GROUPS[name], rich_markup_mode=None)
    group.prefix = f"{name} "
    return group


def _as_data(option: Any) -> Any:
    """The help's option, what it shows being data like any other: what cannot be written is an OutputError."""
    option.callback = _show_help
    return option


def _show_help(ctx: typer.Context, option: Any, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        console.lines([ctx.get_help()])
        raise typer.Exit


def load_command(words: str) -> Any:
    """The command of these words, its module imported."""
    module, _, function = COMMANDS[words][0].partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(words.split()[-1], cls=_Command)(getattr(importlib.import_module(module), function))
    return typer.main.get_command(app)


def _config_files(ctx: Any) -> list[Path]:
    """The files that are read in this context: the one that was given, or those that are found."""
    from vidstyle.config import config_files

    explicit = ctx.find_root().params.get("config")
    return [explicit] if explicit else config_files()


def _configured(words: str, command: Any, files: list[Path]) -> dict[str, Any]:
    """Defaults for `command` from the configuration `files`, by parameter name.

    Its table has its words joined by a hyphen: `[render]`, `[eval-pictures]`.
    """
    from vidstyle.config import read_config

    options = {
        flag.removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("--")
    }
    tables = {name.replace(" ", "-") for name in COMMANDS}
    values = read_config(files, command=words.replace(" ", "-"), commands=tables, known=options)
    return {options[key].name: _as_given(options[key], value) for key, value in values.items()}


def _as_given(parameter: Any, value: Any) -> Any:
    """A single value for a flag that may be repeated is a list of one."""
    return [value] if getattr(parameter, "multiple", False) and not isinstance(value, list) else value


app = typer.Typer(
    cls=_Commands,
    help="Films and webcams, painted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.lines([f"vidstyle {__version__}"])
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
    code = run(sys.argv[1:])
    if any(thread.name.startswith("vidstyle-") for thread in threading.enumerate()):
        # A stage hangs in a library call; the interpreter's own shutdown would pull memory from under it.
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the shell closed it
            stream.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code. Errors go to stderr, one line each."""
    console.verbosity = 0
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="vidstyle", standalone_mode=False)
    except VidstyleError as error:
        return _fail(error, str(error), error.exit_code)
    except TyperException as error:
        return _fail(error, f"{_place_of(error)}{error.format_message()}", 2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            return _unexpected(error)
        hint = f"pip install 'vidstyle[{_EXTRAS[package]}]'"
        return _fail(error, f"this needs {package}, which is not installed: {hint}", BackendError.exit_code)
    except Exception as error:
        return _unexpected(error)
    code = result if isinstance(result, int) else 0
    if code == Interrupted.exit_code:  # so the parser ends on a KeyboardInterrupt, without a word
        console.error("interrupted")
    return code


def _place_of(error: TyperException) -> str:
    """Where a value was read that the parser refuses, if nobody has typed it; else nothing."""
    if not (isinstance(error, typer.BadParameter) and error.ctx and error.param):
        return ""
    source = error.ctx.get_parameter_source(error.param.name)
    files = " or ".join(map(str, _config_files(error.ctx)))
    return f"configuration file {files}: " if source and source.name == "DEFAULT_MAP" else ""


def _unexpected(error: Exception) -> int:
    return _fail(error, f"unexpected {type(error).__name__}: {error} (-vv shows where; please report it)", 1)


def _fail(error: BaseException, message: str, code: int) -> int:
    if stopped := _interruption(error):
        message, code = str(stopped), stopped.exit_code
    if console.verbosity >= console.TRACEBACKS:
        console.trace(error)
    console.error(message)
    return code


def _interruption(error: BaseException | None) -> Interrupted | None:
    """The Ctrl-C that an error comes from: C code that is interrupted, as in imports, raises errors of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt | Interrupted):
        error = error.__cause__
    return Interrupted("interrupted") if isinstance(error, KeyboardInterrupt) else error
