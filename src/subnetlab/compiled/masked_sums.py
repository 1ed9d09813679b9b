"""Masked sums and comparisons of eight numbers at a time, which the event engine spends its time on.

Vectors are parts of flat float64 arrays, a multiple of eight long. Bit i % 64 of uint64 word i // 64 selects lane i.
Lanes that are not selected are never added, so their content does not matter. Each function is written twice: in
Python for readers and tests, and as LLVM vector code for compiled callers. On processors with masked instructions
eight numbers cost about one cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils

from .vector_code import REAL_FLAGS, VectorCode, compile_as

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray, WordArray

LANES = 8
MODES = 3  # slopes of an entry
_EIGHT = ir.VectorType(ir.DoubleType(), LANES)
_BYTE = ir.IntType(8)
_EIGHT_BITS = ir.VectorType(ir.IntType(1), LANES)
_CHAINS = 4  # sums beside each other, to hide the time that an addition takes


def _selected(words: WordArray, first_word: Any, eights: int) -> Any:
    bits = np.unpackbits(words.reshape(-1)[first_word : first_word - (-eights // 8)].view(np.uint8), bitorder="little")
    return bits[: LANES * eights].astype(bool)


def masked_total(words: WordArray, first_word: Any, x: FloatArray, first_x: Any, eights: int) -> float:
    """Return the sum of x_i over the selected lanes i < 8 eights."""
    selected = _selected(words, first_word, eights)
    return float(np.sum(x[first_x : first_x + LANES * eights][selected]))


def masked_sum(
    words: WordArray, first_word: Any, more: WordArray, first_more: Any, x: FloatArray, first_x: Any, eights: int
) -> float:
    """Return the sum of x_i over the lanes that both words and more select."""
    selected = _selected(words, first_word, eights) & _selected(more, first_more, eights)
    return float(np.sum(x[first_x : first_x + LANES * eights][selected]))


def masked_axpy(
    words: WordArray,
    first_word: Any,
    factor: float,
    x: FloatArray,
    first_x: Any,
    y: FloatArray,
    first_y: Any,
    eights: int,
) -> None:
    """Add factor x_i to y_i in the selected lanes."""
    selected = _selected(words, first_word, eights)
    size = LANES * eights
    y.reshape(-1)[first_y : first_y + size][selected] += factor * x.reshape(-1)[first_x : first_x + size][selected]


def masked_shift(
    words: WordArray,
    first_word: Any,
    more: WordArray,
    first_more: Any,
    amount: float,
    y: FloatArray,
    first_y: Any,
    eights: int,
) -> None:
    """Add the amount to y_i in the lanes that both words and more select."""
    selected = _selected(words, first_word, eights) & _selected(more, first_more, eights)
    y.reshape(-1)[first_y : first_y + LANES * eights][selected] += amount


def within_reach(x: FloatArray, first: Any, slopes: FloatArray, advance: FloatArray, reach: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] - sum_k advance[k] slope_ki <= reach (never for NaN).

    The slopes of these eight stand from ``slopes[MODES first]`` on, those for k = 0 first.
    """
    eight = slopes[MODES * first : MODES * (first + LANES)].reshape(MODES, LANES)
    return np.uint64(np.packbits(x[first : first + LANES] - advance @ eight <= reach, bitorder="little")[0])


def below(x: FloatArray, first: Any, bound: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] < bound (never for NaN)."""
    return np.uint64(np.packbits(x[first : first + LANES] < bound, bitorder="little")[0])


def above(x: FloatArray, first: Any, bound: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] > bound (never for NaN)."""
    return np.uint64(np.packbits(x[first : first + LANES] > bound, bitorder="little")[0])


def _bits(code: VectorCode, byte: Any) -> Any:
    return code.builder.bitcast(byte, _EIGHT_BITS)


def _total(code: VectorCode, vector: Any) -> Any:
    """Return the sum of a vector's numbers, halves added onto each other."""
    width = LANES
    while width > 1:
        width //= 2
        kind = ir.VectorType(ir.IntType(32), width)
        low = ir.Constant(kind, list(range(width)))
        high = ir.Constant(kind, list(range(width, 2 * width)))
        other = ir.Constant(vector.type, ir.Undefined)
        shuffle = code.builder.shuffle_vector
        vector = code.add(shuffle(vector, other, low), shuffle(vector, other, high))
    return code.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _sum_over(code: VectorCode, eights: Any, term: Callable[[Any, Any], Any]) -> Any:
    """Return the sum of vectors: ``term(index, so_far)`` returns the sum with the next one added; four chains."""
    builder, number = code.builder, code.number
    chains = [cgutils.alloca_once_value(builder, ir.Constant(_EIGHT, None)) for _ in range(_CHAINS)]
    with cgutils.for_range(builder, builder.udiv(eights, number(_CHAINS))) as loop:
        first = builder.mul(loop.index, number(_CHAINS))
        for k, chain in enumerate(chains):
            builder.store(term(builder.add(first, number(k)), builder.load(chain)), chain)
    rest = builder.urem(eights, number(_CHAINS))
    for k, chain in enumerate(chains[:-1]):
        with builder.if_then(builder.icmp_unsigned(">", rest, number(k))):
            index = builder.add(builder.sub(eights, rest), number(k))
            builder.store(term(index, builder.load(chain)), chain)
    sums = [builder.load(chain) for chain in chains]
    while len(sums) > 1:
        sums = [code.add(sums[k], sums[k + 1]) for k in range(0, len(sums), 2)]
    return _total(code, sums[0])


def _total_code(code: VectorCode) -> Any:
    bytes_, x = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _EIGHT)
    builder = code.builder

    def term(index: Any, so_far: Any) -> Any:
        more = code.add(so_far, code.load(x, index, 8))
        return builder.select(_bits(code, code.load(bytes_, index, 1)), more, so_far)

    return _sum_over(code, code.args[4], term)


def _sum_code(code: VectorCode) -> Any:
    bytes_, more_bytes = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _BYTE)
    x = code.pointer(4, 5, _EIGHT)
    builder = code.builder

    def term(index: Any, so_far: Any) -> Any:
        byte = builder.and_(code.load(bytes_, index, 1), code.load(more_bytes, index, 1))
        more = code.add(so_far, code.load(x, index, 8))
        return builder.select(_bits(code, byte), more, so_far)

    return _sum_over(code, code.args[6], term)


def _axpy_code(code: VectorCode) -> Any:
    bytes_, x, y = code.pointer(0, 1, _BYTE), code.pointer(3, 4, _EIGHT), code.pointer(5, 6, _EIGHT)
    builder = code.builder
    factor = code.splat(code.args[2], _EIGHT)
    with cgutils.for_range(builder, code.args[7]) as loop:
        old = code.load(y, loop.index, 8)
        product = code.multiply(factor, code.load(x, loop.index, 8))
        new = code.add(old, product)
        chosen = builder.select(_bits(code, code.load(bytes_, loop.index, 1)), new, old)
        code.store(chosen, y, loop.index)
    return code.context.get_dummy_value()


def _shift_code(code: VectorCode) -> Any:
    bytes_, more_bytes = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _BYTE)
    y = code.pointer(5, 6, _EIGHT)
    builder = code.builder
    amount = code.splat(code.args[4], _EIGHT)
    with cgutils.for_range(builder, code.args[7]) as loop:
        byte = builder.and_(code.load(bytes_, loop.index, 1), code.load(more_bytes, loop.index, 1))
        old = code.load(y, loop.index, 8)
        chosen = builder.select(_bits(code, byte), code.add(old, amount), old)
        code.store(chosen, y, loop.index)
    return code.context.get_dummy_value()


def _within_reach_code(code: VectorCode) -> Any:
    builder, number = code.builder, code.number
    x, advance = code.pointer(0, 1, _EIGHT), code.pointer(3, None, ir.DoubleType())
    slopes = builder.gep(code.pointer(2, None, ir.DoubleType()), [builder.mul(code.args[1], number(MODES))])
    slopes = builder.bitcast(slopes, _EIGHT.as_pointer())
    eight = code.load(x, number(0), 8)
    for k in range(MODES):
        step = code.splat(code.load(advance, number(k), 8), _EIGHT)
        eight = builder.fsub(eight, code.multiply(step, code.load(slopes, number(k), 8)), flags=REAL_FLAGS)
    bits = builder.fcmp_ordered("<=", eight, code.splat(code.args[4], _EIGHT))
    return builder.zext(builder.bitcast(bits, _BYTE), ir.IntType(64))


def _comparison_code(code: VectorCode, relation: str) -> Any:
    x = code.pointer(0, 1, _EIGHT)
    eight = code.load(x, ir.Constant(ir.IntType(64), 0), 8)
    bits = code.builder.fcmp_ordered(relation, eight, code.splat(code.args[2], _EIGHT))
    return code.builder.zext(code.builder.bitcast(bits, _BYTE), ir.IntType(64))


_I, _F, _WORDS, _FLOATS = types.intp, types.float64, types.uint64[::1], types.float64[::1]
compile_as(masked_total, _F, (_WORDS, _I, _FLOATS, _I, _I), write=_total_code)
compile_as(masked_sum, _F, (_WORDS, _I, _WORDS, _I, _FLOATS, _I, _I), write=_sum_code)
compile_as(masked_axpy, types.void, (_WORDS, _I, _F, _FLOATS, _I, _FLOATS, _I, _I), write=_axpy_code)
compile_as(masked_shift, types.void, (_WORDS, _I, _WORDS, _I, _F, _FLOATS, _I, _I), write=_shift_code)
compile_as(within_reach, types.uint64, (_FLOATS, _I, _FLOATS, _FLOATS, _F), write=_within_reach_code)
compile_as(below, types.uint64, (_FLOATS, _I, _F), write=lambda code: _comparison_code(code, "<"))
compile_as(above, types.uint64, (_FLOATS, _I, _F), write=lambda code: _comparison_code(code, ">"))
