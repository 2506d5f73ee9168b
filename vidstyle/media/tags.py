"""Titles, languages and the like: which of a film's tags go along, and under which words."""

from __future__ import annotations

from av.container import InputContainer
from av.stream import Stream

# Statistics that mkvmerge and FFmpeg wrote about the stream that is being replaced or shortened.
_STALE_TAGS = (
    "DURATION",
    "NUMBER_OF_FRAMES",
    "NUMBER_OF_BYTES",
    "BPS",
    "_STATISTICS",
    "ENCODER",
    "ROTATE",
    "VENDOR_ID",
)
_EMPTY_HANDLERS = ("VideoHandler", "SoundHandler", "SubtitleHandler")
_MUXER_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
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


def stream_tags(stream: Stream, *, muxer: str) -> dict[str, str]:
    """A stream's tags without those that would now be wrong, or that mp4 has for want of anything to say."""
    kept = {k: v for k, v in stream.metadata.items() if not k.upper().startswith(_STALE_TAGS)}
    if "title" not in kept and (name := kept.pop("name", None)):
        kept["title"] = name  # FFmpeg reads it from mp4 under the one word and writes it under the other
    if muxer == "mov" and (language := kept.get("language")):
        kept["language"] = _IN_QUICKTIME.get(language, language)
    return {k: v for k, v in kept.items() if not (k.lower() == "handler_name" and v in _EMPTY_HANDLERS)}


def film_tags(source: InputContainer) -> dict[str, str]:
    """The film's tags without those that every muxer writes itself."""
    return {k: v for k, v in source.metadata.items() if k.lower() not in _MUXER_TAGS}
