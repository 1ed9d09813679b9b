"""LLVM vector code for compiled functions: a loop over eight numbers is not certain to become one instruction.

A vector is 64 bytes of an array, eight float64 or sixteen float32. `compile_as` says which code a compiled
function runs in place of a Python function, which readers and tests call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

if TYPE_CHECKING:
    from collections.abc import Callable

VECTOR_BYTES = 64
REAL_FLAGS = ("reassoc", "contract", "nsz")  # never "nnan" or "ninf": a run that diverges must be seen
_VECTORS = {
    types.float64: ir.VectorType(ir.DoubleType(), 8),
    types.float32: ir.VectorType(ir.FloatType(), 16),
}


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array of zeros that starts at a multiple of 64 bytes, so that no vector lies in two cache lines."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + VECTOR_BYTES, np.uint8)
    first = -memory.ctypes.data % VECTOR_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


class VectorCode:
    """Writes the code of one function; its argument k is ``args[k]``."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def vector(self, array: int) -> Any:
        """Return the type of 64 bytes of the array args[array]."""
        return _VECTORS[self.signature.args[array].dtype]

    def pointer(self, array: int, offset: int | None, element: Any) -> Any:
        """Return the address of element args[offset] of the array args[array], as a pointer to ``element``."""
        place = self.context.make_array(self.signature.args[array])(self.context, self.builder, self.args[array]).data
        if offset is not None:
            place = self.builder.gep(place, [self.args[offset]])
        return self.builder.bitcast(place, element.as_pointer())

    def load(self, pointer: Any, index: Any, alignment: int) -> Any:
        """Return pointer[index]."""
        value = self.builder.load(self.builder.gep(pointer, [index]))
        value.align = alignment
        return value

    def store(self, value: Any, pointer: Any, index: Any, alignment: int = 8) -> None:
        """Write pointer[index]."""
        self.builder.store(value, self.builder.gep(pointer, [index])).align = alignment

    @property
    def false(self) -> Any:
        """Return the constant 0 of one bit."""
        return ir.Constant(ir.IntType(1), 0)

    def number(self, value: int) -> Any:
        """Return an integer constant for places and counts."""
        return ir.Constant(ir.IntType(64), value)

    def splat(self, scalar: Any, vector: Any) -> Any:
        """Return a vector of equal numbers."""
        empty = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(one, empty, zeros)

    def add(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return self.builder.fadd(x, y, flags=REAL_FLAGS)

    def multiply(self, x: Any, y: Any) -> Any:
        """Return x y."""
        return self.builder.fmul(x, y, flags=REAL_FLAGS)


def compile_as(function: Any, result: Any, *forms: tuple[Any, ...], write: Callable[[VectorCode], Any]) -> None:
    """Make compiled callers of ``function`` run the code that ``write`` generates.

    Parameters
    ----------
    function : callable
    result : numba type
    *forms : tuple of numba types
        The arguments. Among several forms the numbers in the arrays decide. An array may have any number of
        dimensions: it is read as flat.
    write : callable
    """

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            for form in forms:
                given = [arg if isinstance(kind, types.Array) else kind for arg, kind in zip(args, form, strict=True)]
                if all(_flat(arg) == kind for arg, kind in zip(given, form, strict=True)):
                    return signature(result, *given)
            return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return write(VectorCode(context, builder, signature, args))

    infer_global(function, types.Function(Template))
    for form in forms:
        lower_builtin(function, *[types.Array if isinstance(kind, types.Array) else kind for kind in form])(generate)


def _flat(kind: Any) -> Any:
    """Return the type of a contiguous array as that of a flat one, and other types unchanged."""
    return types.Array(kind.dtype, 1, "C") if isinstance(kind, types.Array) and kind.is_c_contig else kind
