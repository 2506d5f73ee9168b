"""The program, as `vidstyle` and as `python -m vidstyle`."""

import sys


def main() -> None:
    """Run the command line, which takes a moment to be imported: Ctrl-C meanwhile is an error of one line, too."""
    try:
        from vidstyle.cli import app

        app.main()
    except KeyboardInterrupt:
        if sys.stderr is not None:  # after 2>&- Python has None
            sys.stderr.write("vidstyle: error: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
