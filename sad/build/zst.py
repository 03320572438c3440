"""Zstandard files with 2 GiB windows, read in bounded memory; a cut-off file is noticed."""

from __future__ import annotations

from typing import IO

import zstandard

_WINDOW = 1 << 31  # the window of the public dumps
_HEADER_BYTES = 18  # a frame's header is no longer
_RLE, _RESERVED = 1, 3  # kinds of blocks


class ZstReader:
    """The decompressed bytes of all frames of a seekable file.

    The library's own reader ends quietly where a file does, so the frames are counted at the end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._stream = decompressor.stream_reader(file, read_across_frames=True, closefd=False)

    def read1(self, size: int) -> bytes:
        """Up to ``size`` bytes, or none at the end of the file.

        Raises:
            EOFError: the file ends inside a frame.
            zstandard.ZstdError: the data is damaged.
        """
        piece: bytes = self._stream.read1(size)
        if not piece and not is_whole(self._file):
            raise EOFError("the file ends inside a compressed frame")
        return piece


def is_whole(file: IO[bytes]) -> bool:
    """Whether the last frame of ``file`` is complete, told by the sizes of its blocks (RFC 8878).

    Nothing is decompressed. Bytes that are no frame count as whole: the decompressor refuses them.
    """
    size = file.seek(0, 2)
    place = 0
    while place < size:
        end = _end_of_frame(file, place)
        if end is None:
            return True
        if end > size:
            return False
        place = end
    return True


def _end_of_frame(file: IO[bytes], place: int) -> int | None:
    """Where the frame at ``place`` ends, or would end beyond the file; None if it is none."""
    file.seek(place)
    head = file.read(_HEADER_BYTES)
    if head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:  # a skippable frame
        return place + 8 + int.from_bytes(head[4:8], "little")
    try:
        start = place + zstandard.frame_header_size(head)
        checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
    except zstandard.ZstdError:
        return place + _HEADER_BYTES + 1 if len(head) < _HEADER_BYTES else None
    last = False
    while not last:
        file.seek(start)
        raw = file.read(3)
        block = int.from_bytes(raw, "little")
        last, kind = bool(block & 1), (block >> 1) & 3
        if kind == _RESERVED:
            return None
        start += 3 + (1 if kind == _RLE else block >> 3)
        if len(raw) < 3:
            return start + 3
    return start + checksum
