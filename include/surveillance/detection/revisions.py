"""``models.bar_revision`` of many bars at once: CRC-32 of seven float64 each."""

from __future__ import annotations

import numpy as np
from numba import njit

ROWS = 1 << 16  # at a time: what fits into a cache
_POLYNOMIAL = np.uint32(0xEDB88320)


def revisions(*columns: np.ndarray) -> np.ndarray:
    """Open, high, low, close, volume, vwap and trades as float64 columns (NaN: left out) -> uint32."""
    found = np.empty(len(columns[0]), dtype=np.uint32)
    for start in range(0, len(found), ROWS):
        part = slice(start, start + ROWS)
        rows = np.stack([column[part] for column in columns], axis=1).astype(np.float64, copy=False)
        # There are many NaN, and a digest must know only one.
        rows[np.isnan(rows)] = np.nan
        _crc32(rows.view(np.uint32), _TABLES, found[part])
    return found


def _tables() -> np.ndarray:
    """Eight tables of 256: the CRC of a byte that is followed by 0 to 7 zero bytes."""
    tables = np.zeros((8, 256), dtype=np.uint32)
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ _POLYNOMIAL, crc >> 1).astype(np.uint32)
    tables[0] = crc
    for place in range(1, 8):
        tables[place] = tables[0][tables[place - 1] & 0xFF] ^ (tables[place - 1] >> 8)
    return tables


_TABLES = _tables()


@njit(cache=True)
def _crc32(words: np.ndarray, tables: np.ndarray, out: np.ndarray) -> None:
    """Eight bytes at a step; ``words`` are little-endian halves of float64, two per value."""
    byte = np.uint32(0xFF)
    for row in range(words.shape[0]):
        crc = np.uint32(0xFFFFFFFF)
        for place in range(0, words.shape[1], 2):
            low = crc ^ words[row, place]
            high = words[row, place + 1]
            crc = (
                tables[7, low & byte]
                ^ tables[6, (low >> np.uint32(8)) & byte]
                ^ tables[5, (low >> np.uint32(16)) & byte]
                ^ tables[4, low >> np.uint32(24)]
                ^ tables[3, high & byte]
                ^ tables[2, (high >> np.uint32(8)) & byte]
                ^ tables[1, (high >> np.uint32(16)) & byte]
                ^ tables[0, high >> np.uint32(24)]
            )
        out[row] = ~crc
