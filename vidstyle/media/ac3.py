"""What the head of an AC-3 or E-AC-3 frame tells (ETSI TS 102 366)."""

from __future__ import annotations

_HEAD = 7  # bytes, with all that is read here
_LAST_AC3, _LAST_EAC3 = 10, 16  # bit stream identifications
_LAST_SIZE_CODE = 37
_RESERVED = 3  # of fields of two bits
_INDEPENDENT = (0, 2)  # types of streams that can be heard alone


def has_head(frame: memoryview, *, enhanced: bool) -> bool:
    """Whether a frame begins here, with a head that makes sense: a damaged one may have lost it.

    Clauses 4.4.1 and 4.4.2 and, with `enhanced` for E-AC-3, E.1.3.1; whose streams may begin with a frame of AC-3.
    """
    if len(frame) < _HEAD or (frame[0], frame[1]) != (0x0B, 0x77):
        return False
    identification, rate = frame[5] >> 3, frame[4] >> 6
    if identification <= _LAST_AC3:
        return rate != _RESERVED and frame[4] & 0x3F <= _LAST_SIZE_CODE
    stream_type, substream, words = frame[2] >> 6, frame[2] >> 3 & 0x07, (frame[2] & 0x07) << 8 | frame[3]
    half_rate = frame[4] >> 4 & 0x03  # stands where the rate itself is the reserved one
    return (
        enhanced
        and identification <= _LAST_EAC3
        and stream_type in _INDEPENDENT
        and substream == 0
        and 2 * (words + 1) >= _HEAD
        and (rate != _RESERVED or half_rate != _RESERVED)
    )
