"""Addresses as they may be shown: on terminals, in statistics, and so perhaps on air."""

from __future__ import annotations

import re


def without_secrets(source: str) -> str:
    """Without user and password, and the query, where cameras take them too; what is no URL stays as it is."""
    scheme, separator, rest = source.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path if separator else source


def without_key(url: str) -> str:
    """An output's: whoever sees all of RTMP's or SRT's can stream in its owner's name; others' queries are harmless."""
    shown, scheme = without_secrets(url), url.partition("://")[0]
    if scheme in ("rtmp", "rtmps"):
        return re.sub(r"(?<!/)/[^/]*/?$", "", shown)
    return shown if scheme == "srt" else shown + "".join(url.partition("?")[1:])
