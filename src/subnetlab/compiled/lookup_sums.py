"""Lines of 64 bytes, eight float64 or sixteen float32: sums of rows that bits select, looked up in tables.

Arrays of any shape are read as flat, and places count numbers, not bytes. Each function is written twice: in Python
for readers and tests, and as LLVM vector code for compiled callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils

from .vector_code import VECTOR_BYTES, VectorCode, compile_as

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, WordArray

GROUP = 4  # rows of data whose sums are tabulated together: 16 sums
PIECE = 16  # rows whose activity is loaded at once, four groups
SUMS = 1 << GROUP
FOUR = 4  # float64 in half a line


def lanes(dtype: Any) -> int:
    """Return how many numbers one line holds."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def tabulate(G: FloatArray, place: Any, driving: FloatArray, first: Any, groups: Any, tables: FloatArray) -> None:
    """tables[g, s] = the sum of driving_i G_i over those of the four rows i of group g whose bit is set in s.

    G_i is the line number i - first from ``place`` on, and group g the rows from first + 4 g on.
    """
    _tabulate(lanes(G.dtype), G, place, driving, first, groups, tables)


def tabulate_fours(G: FloatArray, place: Any, driving: FloatArray, first: Any, groups: Any, tables: FloatArray) -> None:
    """`tabulate` with lines of four float64."""
    _tabulate(FOUR, G, place, driving, first, groups, tables)


def add_looked_up(
    z: FloatArray, place: Any, factor: Any, words: WordArray, word: Any, pieces: Any, tables: FloatArray
) -> None:
    """Add factor sum_g tables[g, s_g] to a line, where s_g are the successive four bits of the word."""
    _add_looked_up(lanes(z.dtype), z, place, factor, words, word, pieces, tables)


def add_looked_up_fours(
    z: FloatArray, place: Any, factor: Any, words: WordArray, word: Any, pieces: Any, tables: FloatArray
) -> None:
    """`add_looked_up` with lines of four float64."""
    _add_looked_up(FOUR, z, place, factor, words, word, pieces, tables)


def _tabulate(
    width: int, G: FloatArray, place: int, driving: FloatArray, first: int, groups: int, tables: FloatArray
) -> None:
    for g in range(groups):
        i = GROUP * g
        lines = G.reshape(-1)[place + i * width :][: GROUP * width].reshape(GROUP, width)
        rows = lines * driving.reshape(-1)[first + i :][:GROUP, np.newaxis]
        for s in range(SUMS):
            chosen = [k for k in range(GROUP) if s >> k & 1]
            tables[(g * SUMS + s) * width :][:width] = rows[chosen].sum(axis=0)


def _add_looked_up(
    width: int, z: FloatArray, place: int, factor: Any, words: WordArray, word: int, pieces: int, tables: FloatArray
) -> None:
    line = z.reshape(-1)[place : place + width]
    for g in range(PIECE // GROUP * pieces):
        s = int(words.reshape(-1)[word + g // 16]) >> (GROUP * (g % 16)) & (SUMS - 1)
        line += factor * tables[(g * SUMS + s) * width :][:width]


def add_active(z: FloatArray, place: Any, factor: Any, sums: FloatArray, first: Any) -> np.uint64:
    """Add factor max(z, 0) to a line of sums; return a bit for each z >= 0. NaN is not active but reaches the sums."""
    width = lanes(z.dtype)
    line = z.reshape(-1)[place : place + width]
    sums[first : first + width] += factor * np.maximum(line, 0)
    return np.uint64(int(np.packbits(np.append(line >= 0, [False] * (64 - width)), bitorder="little").view("<u8")[0]))


def _tabulate_code(code: VectorCode, line: Any = None) -> Any:
    builder, number, line = code.builder, code.number, line or code.vector(0)
    rows, driving, tables = code.pointer(0, 1, line), code.pointer(2, 3, line.element), code.pointer(5, None, line)
    with cgutils.for_range(builder, code.args[4]) as loop:
        first, place = builder.mul(loop.index, number(GROUP)), builder.mul(loop.index, number(SUMS))
        terms = []
        for k in range(GROUP):
            i = builder.add(first, number(k))
            factor = builder.load(builder.gep(driving, [i]))
            terms.append(code.multiply(code.splat(factor, line), code.load(rows, i, 8)))
        sums = [ir.Constant(line, None)]
        for s in range(1, SUMS):
            lowest, rest = (s & -s).bit_length() - 1, s & (s - 1)
            sums.append(code.add(sums[rest], terms[lowest]) if rest else terms[lowest])
        for s in range(SUMS):
            code.store(sums[s], tables, builder.add(place, number(s)))
    return code.context.get_dummy_value()


def _add_looked_up_code(code: VectorCode, line: Any = None) -> Any:
    builder, number, line = code.builder, code.number, line or code.vector(0)
    z, tables = code.pointer(0, 1, line), code.pointer(6, None, ir.IntType(8))
    pieces = code.pointer(3, 4, ir.IntType(PIECE))
    bytes_per_line = VECTOR_BYTES if line is code.vector(0) else VECTOR_BYTES // 2
    bytes_per_table = SUMS * bytes_per_line
    shift_of_line = bytes_per_line.bit_length() - 1
    chains = [cgutils.alloca_once_value(builder, ir.Constant(line, None)) for _ in range(PIECE // GROUP)]
    with cgutils.for_range(builder, code.args[5]) as loop:
        bits = builder.zext(code.load(pieces, loop.index, 2), ir.IntType(64))
        first = builder.mul(loop.index, number(len(chains) * bytes_per_table))
        for k, chain in enumerate(chains):
            # the four bits of the group, moved to where they count lines
            shift = GROUP * k - shift_of_line
            moved = builder.lshr(bits, number(shift)) if shift >= 0 else builder.shl(bits, number(-shift))
            place = builder.add(builder.and_(moved, number((SUMS - 1) * bytes_per_line)), first)
            place = builder.add(place, number(k * bytes_per_table))
            entry = code.load(builder.bitcast(builder.gep(tables, [place]), line.as_pointer()), number(0), 8)
            builder.store(code.add(builder.load(chain), entry), chain)
    sums = [builder.load(chain) for chain in chains]
    while len(sums) > 1:
        sums = [code.add(sums[k], sums[k + 1]) for k in range(0, len(sums), 2)]
    change = code.multiply(code.splat(code.args[2], line), sums[0])
    code.store(code.add(code.load(z, number(0), 8), change), z, number(0))
    return code.context.get_dummy_value()


def _add_active_code(code: VectorCode) -> Any:
    builder, number, line = code.builder, code.number, code.vector(0)
    z, sums = code.load(code.pointer(0, 1, line), number(0), 8), code.pointer(3, 4, line)
    zero = ir.Constant(line, None)
    relu = builder.select(builder.fcmp_ordered("<", z, zero), zero, z)  # NaN is not below zero
    term = code.multiply(code.splat(code.args[2], line), relu)
    code.store(code.add(code.load(sums, number(0), 8), term), sums, number(0))
    active = builder.bitcast(builder.fcmp_ordered(">=", z, zero), ir.IntType(line.count))
    return builder.zext(active, ir.IntType(64))


_I, _WORDS = types.intp, types.uint64[::1]
_KINDS = [(types.float64, types.float64[::1]), (types.float32, types.float32[::1])]
compile_as(tabulate, types.void, *[(a, _I, a, _I, _I, a) for _, a in _KINDS], write=_tabulate_code)
compile_as(add_looked_up, types.void, *[(a, _I, x, _WORDS, _I, _I, a) for x, a in _KINDS], write=_add_looked_up_code)
_FLOATS = types.float64[::1]
_FOUR = ir.VectorType(ir.DoubleType(), FOUR)
compile_as(
    tabulate_fours, types.void, (_FLOATS, _I, _FLOATS, _I, _I, _FLOATS), write=lambda code: _tabulate_code(code, _FOUR)
)
compile_as(
    add_looked_up_fours,
    types.void,
    (_FLOATS, _I, types.float64, _WORDS, _I, _I, _FLOATS),
    write=lambda code: _add_looked_up_code(code, _FOUR),
)
compile_as(add_active, types.uint64, *[(a, _I, x, a, _I) for x, a in _KINDS], write=_add_active_code)
