"""Everything that vidstyle raises on purpose.

    VidstyleError (exit 1)
    |- UsageError (2)        the request itself makes no sense: flags, names, settings
    |- InputError (3)        the film, picture or camera cannot be read
    |- OutputError (4)       the target cannot be written
    |- StyleError (5)        a style, network or weights file is missing, damaged or refused
    |- BackendError (6)      an engine, device or driver is missing or failed
    |  `- OutOfMemory (6)    the device had no room for this batch; a smaller one may fit
    `- Interrupted (130)     the user asked to stop; Terminated (143) is SIGTERM's version

A message is one line: what happened, why, and what to do about it. Errors of other
libraries are turned into these where they are first met, with the original as `__cause__`.
"""

from __future__ import annotations


class VidstyleError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(VidstyleError):
    """The request makes no sense: contradictory flags, unknown names, invalid settings."""

    exit_code = 2


class InputError(VidstyleError):
    """The film, picture or camera cannot be read."""

    exit_code = 3


class OutputError(VidstyleError):
    """The target cannot be written."""

    exit_code = 4


class StyleError(VidstyleError):
    """A style, network or weights file is missing, damaged or refused."""

    exit_code = 5


class BackendError(VidstyleError):
    """An engine, device or driver is missing or failed."""

    exit_code = 6


class OutOfMemory(BackendError):
    """The device had no room for this batch; a smaller batch, or tiles, may fit."""


class Interrupted(VidstyleError):
    """The user asked to stop (SIGINT)."""

    exit_code = 130


class Terminated(Interrupted):
    """The system asked to stop (SIGTERM)."""

    exit_code = 143
