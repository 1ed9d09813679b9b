"""The labels of an axis: a concatenation of ordered products of atoms, and what makes two axes agree.

An atom stands for `size` interchangeable entries. Of two axes that an operation aligns, the atoms become one; where one
side is factored or joined more finely, the other side's atoms split: 24 agrees with 4 x 6 as a product, and with
16 + 8 as a sum. An atom whose entries an operation tells apart is frozen, with the reason. What no rule can express is
never guessed: everything on both sides is frozen.

    axis    ((atom, atom), (atom,))     two parts, one after another
    part    (atom, atom)                a product; the last atom varies fastest; () has one entry
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Part: TypeAlias = "tuple[Atom, ...]"
Axis: TypeAlias = "tuple[Part, ...]"

INTERLEAVED = "parts that are joined within another factor of the axis"
EMPTY = "an axis without entries"
MISALIGNED = "two ways of factoring the axis have no common refinement"


class Atom:
    """Entries of an axis that nothing has told apart so far.

    Parameters
    ----------
    size : int
        At least 2: an axis of one entry has no atoms.
    reason : str, optional
        Why the atom is frozen; None for one that may be cut.
    """

    __slots__ = ("_factors", "_reason", "_same", "_terms", "size")

    def __init__(self, size: int, reason: str | None = None) -> None:
        self.size = size
        self._reason = reason
        self._same: Atom | None = None
        self._factors: Part = ()
        self._terms: Part = ()

    def root(self) -> Atom:
        """Return the atom that stands for all that were united with this one."""
        atom = self
        while atom._same is not None:
            if atom._same._same is not None:
                atom._same = atom._same._same
            atom = atom._same
        return atom

    def factors(self) -> Iterator[Atom]:
        """Yield the atoms whose ordered product this one is; a sum counts as one."""
        atom = self.root()
        if atom._factors:
            for factor in atom._factors:
                yield from factor.factors()
        else:
            yield atom

    def leaves(self) -> Iterator[Atom]:
        """Yield the atoms that this one was split into, in any way."""
        for atom in self.factors():
            if atom._terms:
                for term in atom._terms:
                    yield from term.leaves()
            else:
                yield atom

    @property
    def terms(self) -> Part:
        """The atoms whose sum this one is; empty for one that was not split so."""
        return self.root()._terms

    @property
    def reason(self) -> str | None:
        """Why the atom is frozen, or None."""
        return self.root()._reason

    def freeze(self, reason: str) -> None:
        """Never cut this atom; the first reason stays."""
        for leaf in self.leaves():
            leaf._reason = leaf._reason or reason

    def _into(self, sizes: Sequence[int]) -> Part:
        return tuple(Atom(size, self._reason) for size in sizes)

    def split_product(self, outer: int) -> Part:
        """Split a leaf into ``outer`` times the rest, and return both."""
        self._factors = self._into((outer, self.size // outer))
        return self._factors

    def split_sum(self, first: int) -> tuple[Part, Part]:
        """Split a leaf into ``first`` entries and the rest, and return both as parts; one entry has no atom."""
        self._terms = self._into((first, self.size - first))
        head, tail = self._terms
        return (head,), (tail,)

    def unite(self, other: Atom) -> None:
        """Make two leaves of one size the same; a reason of either holds for both."""
        if self is not other:
            self._reason = self._reason or other._reason
            other._same = self


def axis_of(size: int, reason: str | None = None) -> Axis:
    """Return a new axis with one atom; one of a single entry has none."""
    return ((Atom(size, reason),),) if size != 1 else ((),)


def part_size(part: Part) -> int:
    """Return the number of entries of a part."""
    return prod(atom.size for atom in part)


def axis_size(axis: Axis) -> int:
    """Return the number of entries along the axis."""
    return sum(map(part_size, axis))


def leaves(axes: Iterable[Axis]) -> Iterator[Atom]:
    """Yield every leaf of the axes."""
    for axis in axes:
        for part in axis:
            for atom in part:
                yield from atom.leaves()


def freeze(axes: Iterable[Axis], reason: str) -> None:
    """Freeze every atom of the axes."""
    for atom in leaves(axes):
        atom.freeze(reason)


def expand(axis: Axis) -> Axis:
    """Return the axis in terms of the atoms of now: products written out, sums as parts.

    A sum that is not the outermost factor cannot be written as parts one after another: its terms are frozen, and it
    stays a factor.
    """
    parts: list[Part] = []
    for part in axis:
        factors = tuple(factor for atom in part for factor in atom.factors())
        for inner in factors[1:]:
            if inner.terms:
                inner.freeze(INTERLEAVED)
        if factors and factors[0].terms:
            for term in factors[0].terms:
                parts.extend(expand(((*((term,) if term.size > 1 else ()), *factors[1:]),)))
        else:
            parts.append(factors)
    return tuple(parts)


def agree(a: Axis, b: Axis) -> None:
    """Unite what two axes of one size align; where that cannot be expressed, freeze both."""
    left, right = list(expand(a)), list(expand(b))
    while left and right:
        left, right = list(expand(tuple(left))), list(expand(tuple(right)))
        p, q = left[0], right[0]
        if part_size(p) == part_size(q):
            done = _agree_products(p, q)
            del left[0], right[0]
        else:
            longer = left if part_size(p) > part_size(q) else right
            pieces = cut_part(longer[0], min(part_size(p), part_size(q)))
            done = pieces is not None
            longer[:1] = pieces or ()
        if not done:
            freeze((a, b), MISALIGNED)
            return


def _agree_products(p: Part, q: Part) -> bool:
    """Unite two products of one size from the outermost factor on, and return whether that was possible."""
    left, right = list(p), list(q)
    while left and right:
        left, right = [f for atom in left for f in atom.factors()], [f for atom in right for f in atom.factors()]
        a, b = left[0], right[0]
        if a is b or (a.size == b.size and not (a.terms or b.terms)):
            a.unite(b)
            del left[0], right[0]
            continue
        small, large = (a, b) if a.size < b.size else (b, a)
        if a.terms or b.terms or large.size % small.size:
            return False
        large.split_product(small.size)
    return True


def cut_part(part: Part, entries: int) -> tuple[Part, Part] | None:
    """Split a part after its first ``entries`` entries; None where that would break a unit of an inner factor."""
    if not part:
        return None
    outer, *inner = part
    if entries % prod(atom.size for atom in inner) or outer.terms:
        return None
    head, tail = outer.split_sum(entries // prod(atom.size for atom in inner))
    return _without_ones((*head, *inner)), _without_ones((*tail, *inner))


def _without_ones(part: Part) -> Part:
    return tuple(atom for atom in part if atom.size > 1)


def split_part(part: Part, inner: int) -> tuple[Part, Part] | None:
    """Write a part as a product of two parts, the second with ``inner`` entries; None where that is impossible."""
    outer_factors, inner_factors = [factor for atom in part for factor in atom.factors()], []
    while inner > 1:
        atom = outer_factors.pop()
        if inner % atom.size == 0:
            inner //= atom.size
            inner_factors.insert(0, atom)
        elif atom.size % inner == 0 and not atom.terms:
            first, second = atom.split_product(atom.size // inner)
            outer_factors.append(first)
            inner_factors.insert(0, second)
            inner = 1
        else:
            return None
    return tuple(outer_factors), tuple(inner_factors)


def single_part(axis: Axis) -> Part:
    """Return the axis as one product: equal parts become copies of one, others are frozen."""
    first, *others = parts = expand(axis)
    if not others:
        return first
    if len({part_size(part) for part in parts}) == 1:
        for other in others:
            agree((first,), (other,))
        if len(inner := expand((first,))) == 1:
            return (Atom(len(parts), "copies of an axis, one after another"), *inner[0])
    freeze((axis,), INTERLEAVED)
    return (Atom(axis_size(axis), INTERLEAVED),)


def take(axis: Axis, start: int, length: int) -> Axis:
    """Return ``length`` entries from ``start`` on; where the borders break a unit, all is frozen."""
    taken: list[Part] = []
    rest = list(expand(axis))
    position = 0
    while rest and position < start + length:
        part = rest.pop(0)
        size = part_size(part)
        border = next((b for b in (start, start + length) if position < b < position + size), None)
        if border is not None:
            pieces = cut_part(part, border - position)
            if pieces is None:
                freeze((axis,), "a slice that breaks the axis")
                return axis_of(length, "a slice that breaks the axis")
            rest[:0] = [p for piece in pieces for p in expand((piece,))]
            continue
        if position >= start:
            taken.append(part)
        position += size
    return tuple(taken) or axis_of(0, EMPTY)


def regroup(axes: Sequence[Axis], sizes: Sequence[int]) -> list[Axis]:
    """Return the labels of a tensor with ``axes`` that is viewed with other ``sizes`` (in row-major order)."""
    result: list[Axis] = [((),)] * len(sizes)
    if 0 in sizes:
        freeze(axes, EMPTY)
        return [axis_of(size, EMPTY) for size in sizes]
    before = [(axis_size(axis), axis) for axis in axes if axis_size(axis) != 1]
    after = [(size, i) for i, size in enumerate(sizes) if size != 1]
    while before or after:
        block, places = [], []
        have, want = 1, 1
        while not block or have != want:
            if (have <= want or not after) and before:
                size, axis = before.pop(0)
                block.append(axis)
                have *= size
            elif after:
                size, i = after.pop(0)
                places.append((size, i))
                want *= size
            else:
                break
        if have != want:  # symbolic sizes that do not multiply out
            freeze(block, MISALIGNED)
            new = [axis_of(size, MISALIGNED) for size, _ in places]
        else:
            new = _divide(_merge(block), [size for size, _ in places])
        for (_, i), axis in zip(places, new, strict=True):
            result[i] = axis
    return result


def _merge(axes: Sequence[Axis]) -> Axis:
    outer, *others = axes
    inner = tuple(atom for axis in others for atom in single_part(axis))
    return tuple((*part, *inner) for part in expand(outer))


def _divide(axis: Axis, sizes: Sequence[int]) -> list[Axis]:
    if len(sizes) == 1:
        return [axis]
    pieces = [split_part(part, prod(sizes[1:])) for part in expand(axis)]
    if None in pieces:
        freeze((axis,), MISALIGNED)
        return [axis_of(size, MISALIGNED) for size in sizes]
    outer = [piece[0] for piece in pieces if piece is not None]
    first, *others = [piece[1] for piece in pieces if piece is not None]
    for other in others:
        agree((first,), (other,))
    return [tuple(outer), *_divide((first,), sizes[1:])]
