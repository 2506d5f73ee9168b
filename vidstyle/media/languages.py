"""The languages of sound and subtitles, which containers name in their own ways."""

from __future__ import annotations

# QuickTime numbers its languages, and FFmpeg knows each number by one name only; these are ISO 639-2's others.
_IN_QUICKTIME = {
    "bod": "tib",
    "cym": "wel",
    "cze": "ces",
    "deu": "ger",
    "ell": "gre",
    "eus": "baq",
    "fre": "fra",
    "hye": "arm",
    "isl": "ice",
    "kat": "geo",
    "mkd": "mac",
    "msa": "may",
    "mya": "bur",
    "nld": "dut",
    "rum": "ron",
    "slo": "slk",
    "sqi": "alb",
    "swe": "sve",
    "zho": "chi",
}


def in_quicktime(language: str) -> str:
    """The name by which FFmpeg's QuickTime muxer knows a language of ISO 639-2; by any other it is lost."""
    return _IN_QUICKTIME.get(language, language)
