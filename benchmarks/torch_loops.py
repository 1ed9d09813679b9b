"""Algorithm 1 in PyTorch as a careful user writes it: explicit gradients, in place, no autograd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np


class TorchLoop:
    """One round at a time; ``gathered`` copies the selected neurons, otherwise masks are dense factors."""

    def __init__(self, X, y, weights, signs, selection_prob, *, gathered: bool, dtype: torch.dtype) -> None:
        self.X, self.y, self.a = (torch.tensor(v, dtype=dtype) for v in (X, y, signs))
        self.W = torch.tensor(weights, dtype=dtype)
        self.xi, self.gathered = selection_prob, gathered
        self.root_m = math.sqrt(len(self.a))

    @torch.inference_mode()
    def round(self, masks: np.ndarray, step_size: float, local_steps: int) -> float:
        masks = torch.from_numpy(masks)
        total = torch.zeros_like(self.W)
        for mask in masks:
            if self.gathered:
                chosen = mask.nonzero()[:, 0]
                W, a = self.W[chosen], self.a[chosen]
            else:
                W, a = self.W.clone(), self.a * mask
            self.errors = [self.local_step(W, a, step_size) for _ in range(local_steps)]
            self.errors.append(self.residual(W @ self.X.T, a).square().sum())
            if self.gathered:
                total.index_add_(0, chosen, W - self.W[chosen])
            else:
                total += W - self.W
        self.W += total / masks.sum(0).clamp(min=1)[:, None]
        u = self.xi / self.root_m * (self.a @ torch.relu(self.W @ self.X.T))
        return float((self.y - u).square().sum())

    def residual(self, Z: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        return a @ torch.relu(Z) / self.root_m - self.y

    def local_step(self, W: torch.Tensor, a: torch.Tensor, step_size: float) -> torch.Tensor:
        Z = W @ self.X.T
        residual = self.residual(Z, a)
        slopes = (Z >= 0) * residual
        slopes *= a[:, None]
        W.addmm_(slopes, self.X, alpha=-step_size / self.root_m)
        return residual.square().sum()


def torch_loops(X, y, weights, signs, selection_prob) -> dict[str, TorchLoop]:
    return {
        f"torch {'gathered' if gathered else 'dense'} {name}": TorchLoop(
            X, y, weights, signs, selection_prob, gathered=gathered, dtype=getattr(torch, name)
        )
        for gathered in (False, True)
        for name in ("float32", "float64")
    }
