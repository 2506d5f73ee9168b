"""What the head of an AC-3 or E-AC-3 frame tells (ETSI TS 102 366)."""

from __future__ import annotations

_HEAD = 7  # bytes, with all that is read here
_LAST_AC3, _LAST_EAC3 = 10, 16  # bit stream identifications
_LAST_SIZE_CODE = 37
_RESERVED = 3  # of fields of two bits
_INDEPENDENT = (0, 2)  # types of streams that can be heard alone
_SIX_BLOCKS = 3  # E-AC-3's code for as many blocks of sound as AC-3 always has


class AsTheFirst:
    """Whether a frame begins here, with a head that makes sense and tells of as many blocks of sound as the first did.

    A damaged one may have lost it. Muxers with an index gather frames of fewer blocks until they have six.
    """

    def __init__(self, *, enhanced: bool) -> None:
        self._enhanced = enhanced
        self._blocks: int | None = None

    def __call__(self, frame: memoryview) -> bool:
        blocks = _blocks(frame, enhanced=self._enhanced)
        if self._blocks is None:
            self._blocks = blocks
        return blocks is not None and blocks == self._blocks


def _blocks(frame: memoryview, *, enhanced: bool) -> int | None:
    """E-AC-3's code for the blocks of the frame that begins here; None where its head makes no sense.

    Clauses 4.4.1 and 4.4.2 and, with `enhanced` for E-AC-3, E.1.3.1; whose streams may begin with a frame of AC-3.
    """
    if len(frame) < _HEAD or (frame[0], frame[1]) != (0x0B, 0x77):
        return None
    identification, rate = frame[5] >> 3, frame[4] >> 6
    if identification <= _LAST_AC3:
        return _SIX_BLOCKS if rate != _RESERVED and frame[4] & 0x3F <= _LAST_SIZE_CODE else None
    stream_type, substream, words = frame[2] >> 6, frame[2] >> 3 & 0x07, (frame[2] & 0x07) << 8 | frame[3]
    blocks = frame[4] >> 4 & 0x03  # half the rate instead where that is the reserved one; there are six blocks then
    makes_sense = (
        enhanced
        and identification <= _LAST_EAC3
        and stream_type in _INDEPENDENT
        and substream == 0
        and 2 * (words + 1) >= _HEAD
        and (rate != _RESERVED or blocks != _RESERVED)
    )
    if not makes_sense:
        return None
    return _SIX_BLOCKS if rate == _RESERVED else blocks
