"""The sliced engine held to the masked one, in float64: every result and every gradient, for random masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx

from ..core import checks
from ..core.randomness import Purpose, blocks_for, random_words, uniforms
from .entries import take
from .errors import VerificationError
from .fidelity import counts, difference_from_own, difference_of, gradient_of
from .graph import as_it_was
from .operation import module_of
from .running import Run, in_double
from .structure import input_leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import BoolArray
    from .cutting import Cut

TOLERANCE = 1e-8  # relative; rounding of float64 stays below 1e-10 in networks of hundreds of layers


class _Trial:
    """One comparison: a state of random numbers near the network's own, inputs near the example, masks."""

    def __init__(self, cut: Cut, masks: Mapping[str, BoolArray], generator: torch.Generator, noise: float) -> None:
        self.cut, self.masks, self.noise = cut, masks, noise
        state = {**cut.graph.tensors, **cut.state()}
        parameters = dict(cut.model.named_parameters())
        self.state = {
            name: _near(in_double(value.detach()), generator, noise if name in parameters else 0.0)
            for name, value in state.items()
        }
        example = input_leaves((cut.graph.inputs.args, cut.graph.inputs.kwargs))
        near = [_near(in_double(v.detach()), generator, noise) if isinstance(v, Tensor) else v for v in example]
        self.inputs = cut.graph.inputs.one_row_more(near)
        self.seed = int(torch.randint(2**31, (), generator=generator))
        self.drawn: dict[str, Tensor] = {}

    def run(self, *, whole: bool, keep: bool = False) -> tuple[list[Any], dict[str, Tensor], Run]:
        """Return one engine's results and, for what it stores, gradients or (for buffers) values afterwards."""
        network = self.cut.masked(self.masks) if whole else self.cut.subnetwork(self.masks)
        network._apply(in_double)
        network.fill(self.state)
        for parameter in network.parameters():
            parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
        run = Run(network, self.cut, self.masks, self.drawn, whole)
        run.values = {} if keep else None
        torch.manual_seed(self.seed)
        engine = "network itself" if whole else "sliced engine"
        try:
            results = list(run.run(*[v.clone() if isinstance(v, Tensor) else v for v in self.inputs]))
        except Exception as error:
            raise VerificationError(
                f"verify: the {engine} fails at {_place(run.current)}: {type(error).__name__}: {error}"
            ) from error
        outputs = [r for r in results if isinstance(r, Tensor) and r.requires_grad]
        if outputs and not keep:
            generator = torch.Generator().manual_seed(self.seed)
            weights = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(o.device) for o in outputs]
            try:
                torch.autograd.backward([(o * w).sum().real for o, w in zip(outputs, weights, strict=True)])
            except RuntimeError as error:
                raise VerificationError(f"verify: the gradients of the {engine} fail: {error}") from error
        stored = {name: gradient_of(p.detach(), p.grad) for name, p in network.named_parameters()}
        stored |= {name: b for name, b in network.named_buffers() if b.is_floating_point()}
        return [r.detach() for r in results if isinstance(r, Tensor)], stored, run

    def compare(self) -> dict[str, float] | None:
        """Return the largest differences, raise with the name of what differs; None if noise makes no numbers."""
        answers, wanted, _ = self.run(whole=True)
        if self.noise and not all(map(_is_finite, answers)):
            return None
        _check_comparable(answers, wanted)
        results, found, _ = self.run(whole=False)
        difference = max((difference_of(a, b) for a, b in zip(answers, results, strict=True)), default=0.0)
        if difference > TOLERANCE:
            raise VerificationError(
                f"verify: sliced differs from masked by {difference:.1e} {self._first_difference()}"
            )
        held = self.cut.stored.held(self.masks)
        top = max((float(w.abs().max()) for w in wanted.values() if w.numel() and not counts(w)), default=0.0)
        gradient = 0.0
        parameters = dict(self.cut.model.named_parameters())
        for name, want in wanted.items():
            kept = take(want, held[name])
            off = difference_of(kept, found[name], floor=1e-3 * top)
            rest = 0.0 if counts(want) or name not in parameters else float(want.abs().sum() - kept.abs().sum())
            if off > TOLERANCE or rest > TOLERANCE * max(top, 1e-300) * want.numel():
                raise VerificationError(f"verify: the gradients of {name} differ by {max(off, rest):.1e}")
            gradient = max(gradient, off)
        return {"outputs": difference, "gradients": gradient}

    def _first_difference(self) -> str:
        with torch.no_grad():
            whole, small = (self.run(whole=whole, keep=True)[2].values or {} for whole in (True, False))
        for node, _ in self.cut.labels.tensor_nodes():
            if node.name in whole and node.name in small and node.op == "call_function":
                kept = self.cut.kept(whole[node.name], node, self.masks)
                if kept.shape != small[node.name].shape or difference_of(kept, small[node.name]) > TOLERANCE:
                    return f"from {_place(node)} on"
        return "in the output"


class _IncomparableError(VerificationError):
    """There is nothing to compare, whatever is cut."""


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _check_comparable(answers: list[Tensor], gradients: Mapping[str, Tensor]) -> None:
    """Refuse what would be equal to anything: results or gradients without a single number."""
    named = [("the network's results", answer) for answer in answers]
    for name, tensor in [*named, *((f"the gradients of {n}", g) for n, g in gradients.items())]:
        if tensor.numel() and not torch.isfinite(tensor).any():
            raise _IncomparableError(
                f"verify: {name} must be finite for the example, got {float(tensor.flatten()[0])} everywhere: cut the "
                "network with another example_input"
            )


def _place(node: fx.Node | None) -> str:
    return f"{node.name} ({module_of(node) or 'the network'})" if node is not None else "its inputs"


def _near(value: Tensor, generator: torch.Generator, noise: float) -> Tensor:
    """Return numbers near the given ones: an initial weight of zero would hide what depends on it."""
    if not (value.is_floating_point() or value.is_complex()) or noise == 0:
        return value.clone()
    random = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.device)
    return value * (1 + noise * random) + noise * random.roll(1)


def random_masks(cut: Cut, seed: int, repeat: int) -> dict[str, BoolArray]:
    """Return a mask of every group: about half of the units, at least one, not all."""
    masks = {}
    for lane, (name, size) in enumerate(cut.units.groups.items()):
        u = uniforms(random_words(seed, Purpose.VERIFICATION, repeat, 0, blocks_for(size + 2), lane=lane))
        mask = u[:size] < 0.6
        mask[int(u[size] * size)] = True
        mask[(np.flatnonzero(mask)[0] + 1 + int(u[size + 1] * (size - 1))) % size] = False
        masks[name] = mask if mask.any() else np.arange(size) == 0
    return masks


def verify(cut: Cut, *, seed: int = 0, repeats: int = 2) -> dict[str, float]:
    """Compare the engines for several random masks of all groups; where they differ, find the group.

    Raises
    ------
    VerificationError
    """
    seed, repeats = checks.seed_number("verify", seed), checks.whole_number("verify", "repeats", repeats, least=1)
    if wrong := [name for name, tensor in cut.model.named_parameters() if not _is_finite(tensor)]:
        raise VerificationError(f"verify: parameters must be finite, got other numbers in {wrong[0]}")
    generator = torch.Generator().manual_seed(seed)
    worst = {"outputs": 0.0, "gradients": 0.0}
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), as_it_was(cut.model):
        network = difference_from_own(cut, seed)
        for repeat in range(repeats if cut.units.groups else 1):
            masks = random_masks(cut, seed, repeat)
            try:
                found = (
                    _Trial(cut, masks, generator, 0.05).compare() or _Trial(cut, masks, generator, 0.0).compare() or {}
                )
            except _IncomparableError:
                raise
            except VerificationError as error:
                raise VerificationError(f"{error}; {_guilty(cut, masks, generator)}") from error
            worst = {key: max(value, found.get(key, 0.0)) for key, value in worst.items()}
    return {**worst, "network": network}


def _guilty(cut: Cut, masks: Mapping[str, BoolArray], generator: torch.Generator) -> str:
    """Return which groups differ when they are cut alone."""
    wrong = []
    for name in cut.units.groups:
        alone = {g: mask if g == name else np.ones_like(mask) for g, mask in masks.items()}
        try:
            _Trial(cut, alone, generator, 0.05).compare()
        except VerificationError:
            wrong.append(name)
    return f"group {', '.join(map(repr, wrong))}" if wrong else "only where groups are cut together"
