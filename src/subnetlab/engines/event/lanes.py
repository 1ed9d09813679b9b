"""Eight numbers and eight bits at a time: the masked sums and comparisons that the event engine lives on.

Vectors are stretches of flat float64 arrays, a whole number of eights long; the bits that select from them are
those of uint64 words, bit i % 64 of word i // 64 for lane i. Lanes that are not selected are never added, so what
stands there does not matter. Each function is Python for the reader and for tests, and LLVM vector code where
compiled: on processors with masked instructions a term of eight costs about one cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.arrays import FloatArray, WordArray

LANES = 8
_EIGHT = ir.VectorType(ir.DoubleType(), LANES)
_BYTE = ir.IntType(8)
_EIGHT_BITS = ir.VectorType(ir.IntType(1), LANES)
_CHAINS = 4  # sums beside each other, to hide the time that an addition takes
_FLAGS = ("reassoc", "contract", "nsz")  # never "nnan" or "ninf": a run that diverges must be seen


def _selected(words: WordArray, first_word: Any, eights: int) -> Any:
    bits = np.unpackbits(words[first_word : first_word - (-eights // 8)].view(np.uint8), bitorder="little")
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
    y[first_y : first_y + size][selected] += factor * x[first_x : first_x + size][selected]


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
    y[first_y : first_y + LANES * eights][selected] += amount


def at_most(x: FloatArray, first: Any, bound: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] <= bound (never for NaN)."""
    return np.uint64(np.packbits(x[first : first + LANES] <= bound, bitorder="little")[0])


def below(x: FloatArray, first: Any, bound: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] < bound (never for NaN)."""
    return np.uint64(np.packbits(x[first : first + LANES] < bound, bitorder="little")[0])


def above(x: FloatArray, first: Any, bound: float) -> np.uint64:
    """Return eight bits, bit i telling whether x[first + i] > bound (never for NaN)."""
    return np.uint64(np.packbits(x[first : first + LANES] > bound, bitorder="little")[0])


def lowest_bit(word: Any) -> int:
    """Return the position of the lowest one of a word that is not 0."""
    word = int(word)
    return (word & -word).bit_length() - 1


class _Code:
    """Writes LLVM code for one of the functions above; argument k of the function is ``args[k]``."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def pointer(self, array: int, offset: int, element: Any) -> Any:
        """Return the address of element args[offset] of the array args[array], as a pointer to ``element``."""
        struct = self.context.make_array(self.signature.args[array])(self.context, self.builder, self.args[array])
        place = self.builder.gep(struct.data, [self.args[offset]])
        return self.builder.bitcast(place, element.as_pointer())

    def load(self, pointer: Any, index: Any, alignment: int) -> Any:
        value = self.builder.load(self.builder.gep(pointer, [index]))
        value.align = alignment
        return value

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        self.builder.store(value, self.builder.gep(pointer, [index])).align = 8

    def splat(self, scalar: Any) -> Any:
        empty = ir.Constant(_EIGHT, ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, empty, zeros)

    def bits(self, byte: Any) -> Any:
        return self.builder.bitcast(byte, _EIGHT_BITS)

    def total(self, vector: Any) -> Any:
        width = LANES
        while width > 1:  # halves onto each other
            width //= 2
            kind = ir.VectorType(ir.IntType(32), width)
            low = ir.Constant(kind, list(range(width)))
            high = ir.Constant(kind, list(range(width, 2 * width)))
            other = ir.Constant(vector.type, ir.Undefined)
            vector = self.builder.fadd(
                self.builder.shuffle_vector(vector, other, low),
                self.builder.shuffle_vector(vector, other, high),
                flags=_FLAGS,
            )
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def sum_over(self, eights: Any, term: Callable[[Any, Any], Any]) -> Any:
        """Return the sum of vectors: ``term(index, so_far)`` returns the sum with the next one added; four chains."""
        builder = self.builder
        chains = [cgutils.alloca_once_value(builder, ir.Constant(_EIGHT, None)) for _ in range(_CHAINS)]

        def number(value: int) -> Any:
            return ir.Constant(eights.type, value)

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
            sums = [builder.fadd(sums[k], sums[k + 1], flags=_FLAGS) for k in range(0, len(sums), 2)]
        return self.total(sums[0])


def _total_code(code: _Code) -> Any:
    bytes_, x = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _EIGHT)
    builder = code.builder

    def term(index: Any, so_far: Any) -> Any:
        more = builder.fadd(so_far, code.load(x, index, 8), flags=_FLAGS)
        return builder.select(code.bits(code.load(bytes_, index, 1)), more, so_far)

    return code.sum_over(code.args[4], term)


def _sum_code(code: _Code) -> Any:
    bytes_, more_bytes = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _BYTE)
    x = code.pointer(4, 5, _EIGHT)
    builder = code.builder

    def term(index: Any, so_far: Any) -> Any:
        byte = builder.and_(code.load(bytes_, index, 1), code.load(more_bytes, index, 1))
        more = builder.fadd(so_far, code.load(x, index, 8), flags=_FLAGS)
        return builder.select(code.bits(byte), more, so_far)

    return code.sum_over(code.args[6], term)


def _axpy_code(code: _Code) -> Any:
    bytes_, x, y = code.pointer(0, 1, _BYTE), code.pointer(3, 4, _EIGHT), code.pointer(5, 6, _EIGHT)
    builder = code.builder
    factor = code.splat(code.args[2])
    with cgutils.for_range(builder, code.args[7]) as loop:
        old = code.load(y, loop.index, 8)
        product = builder.fmul(factor, code.load(x, loop.index, 8), flags=_FLAGS)
        new = builder.fadd(old, product, flags=_FLAGS)
        chosen = builder.select(code.bits(code.load(bytes_, loop.index, 1)), new, old)
        code.store(chosen, y, loop.index)
    return code.context.get_dummy_value()


def _shift_code(code: _Code) -> Any:
    bytes_, more_bytes = code.pointer(0, 1, _BYTE), code.pointer(2, 3, _BYTE)
    y = code.pointer(5, 6, _EIGHT)
    builder = code.builder
    amount = code.splat(code.args[4])
    with cgutils.for_range(builder, code.args[7]) as loop:
        byte = builder.and_(code.load(bytes_, loop.index, 1), code.load(more_bytes, loop.index, 1))
        old = code.load(y, loop.index, 8)
        chosen = builder.select(code.bits(byte), builder.fadd(old, amount, flags=_FLAGS), old)
        code.store(chosen, y, loop.index)
    return code.context.get_dummy_value()


def _comparison_code(code: _Code, relation: str) -> Any:
    x = code.pointer(0, 1, _EIGHT)
    eight = code.load(x, ir.Constant(ir.IntType(64), 0), 8)
    bits = code.builder.fcmp_ordered(relation, eight, code.splat(code.args[2]))
    return code.builder.zext(code.builder.bitcast(bits, _BYTE), ir.IntType(64))


def _compile_as(function: Any, result: Any, kinds: tuple[Any, ...], write: Callable[[_Code], Any]) -> None:
    """Make ``function`` mean the LLVM code that ``write`` returns, inside compiled functions."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            return signature(result, *kinds)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return write(_Code(context, builder, signature, args))

    infer_global(function, types.Function(Template))
    lower_builtin(function, *kinds)(generate)


_I, _F, _WORDS, _FLOATS = types.intp, types.float64, types.uint64[::1], types.float64[::1]
_compile_as(masked_total, _F, (_WORDS, _I, _FLOATS, _I, _I), _total_code)
_compile_as(masked_sum, _F, (_WORDS, _I, _WORDS, _I, _FLOATS, _I, _I), _sum_code)
_compile_as(masked_axpy, types.void, (_WORDS, _I, _F, _FLOATS, _I, _FLOATS, _I, _I), _axpy_code)
_compile_as(masked_shift, types.void, (_WORDS, _I, _WORDS, _I, _F, _FLOATS, _I, _I), _shift_code)
_compile_as(at_most, types.uint64, (_FLOATS, _I, _F), lambda code: _comparison_code(code, "<="))
_compile_as(below, types.uint64, (_FLOATS, _I, _F), lambda code: _comparison_code(code, "<"))
_compile_as(above, types.uint64, (_FLOATS, _I, _F), lambda code: _comparison_code(code, ">"))
_compile_as(
    lowest_bit, _I, (types.uint64,), lambda code: code.builder.cttz(code.args[0], ir.Constant(ir.IntType(1), 1))
)
