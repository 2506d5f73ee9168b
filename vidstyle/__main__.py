"""The program, as `vidstyle` and as `python -m vidstyle`."""

import os
import sys


def main() -> None:
    """Run the command line, which takes a moment to be imported: Ctrl-C meanwhile is an error of one line, too."""
    sys.unraisablehook = _take_what_is_lost
    try:
        from vidstyle.cli import app

        app.main()
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(130)


def _say_interrupted() -> None:
    if sys.stderr is not None:  # after 2>&- Python has None
        sys.stderr.write("vidstyle: error: interrupted\n")


def _take_what_is_lost(lost: "sys.UnraisableHookArgs") -> None:
    """An exception that nobody can get, as in a finalizer or in the locks of imports: Ctrl-C must not be lost there."""
    from vidstyle.errors import Interrupted

    if isinstance(lost.exc_value, KeyboardInterrupt):
        _say_interrupted()
        os._exit(130)
    if not isinstance(lost.exc_value, Interrupted):  # which its `StopRequest` remembers
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    main()
