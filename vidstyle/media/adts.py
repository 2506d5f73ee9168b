"""AAC as MPEG-TS has it, a header before every packet, for containers that say once in their index how it is coded.

ISO/IEC 14496-3: ADTS in 1.A.2.2, what an index holds in 1.6.2.1.
"""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_LOW_COMPLEXITY = 2  # the usual object type
_HEADER = 7  # bytes, at least


def without_header(packet: Packet[Stream]) -> list[Packet[Stream]]:
    """The sound alone.

    FFmpeg's filter does the same, but hands the two bytes of the index along once more with its first packet, and
    Matroska's muxer then writes them, and a sampling rate, over what follows in a header that has them already.
    """
    data = bytes(packet)
    has_checksum = not data[1] & 1
    plain: Packet[Stream] = Packet(data[_HEADER + 2 if has_checksum else _HEADER :])
    plain.pts, plain.dts, plain.duration, plain.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    plain.is_keyframe = packet.is_keyframe
    return [plain]


class AsTheIndex:
    """Whether a packet's ADTS header tells of the profile, sampling rate and channels that the index tells of.

    Where that is not known yet, the first packet's header decides. One without channels has them in the sound itself.
    """

    def __init__(self, config: bytes | None) -> None:
        self._config = config

    def __call__(self, packet: memoryview) -> bool:
        if not has_header(packet):
            return True
        profile, rate = packet[2] >> 6, packet[2] >> 2 & 0x0F
        channels = (packet[2] & 1) << 2 | packet[3] >> 6
        config = _config(object_type=profile + 1, rate=rate, channels=channels)
        if self._config is None:
            self._config = config
        return config == self._config or not channels


def has_header(packet: memoryview) -> bool:
    """Whether there is a header to strip: a damaged packet may have lost it."""
    return len(packet) >= _HEADER and packet[0] == 0xFF and packet[1] & 0xF6 == 0xF0


def is_adts(stream: AudioStream) -> bool:
    """Whether the stream has such headers: what has none says in its index how it is coded."""
    return stream.codec_context.codec.canonical_name == "aac" and not stream.codec_context.extradata


def audio_specific_config(stream: AudioStream) -> bytes | None:
    """The two bytes that AAC needs in an index, for a stream (MPEG-TS) that repeats them in every packet instead.

    None where the sound is not plain AAC LC: then the first packet tells.
    """
    context = stream.codec_context
    channels = {**{n: n for n in range(1, 7)}, 8: 7}.get(context.layout.nb_channels)
    if context.profile != "LC" or channels is None or context.sample_rate not in _RATES:
        return None
    return _config(object_type=_LOW_COMPLEXITY, rate=_RATES.index(context.sample_rate), channels=channels)


def _config(*, object_type: int, rate: int, channels: int) -> bytes:
    return (object_type << 11 | rate << 7 | channels << 3).to_bytes(2, "big")
