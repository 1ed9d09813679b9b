"""Operations that mix entries along some axes: those are frozen, the others stay. Normalisations, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atoms import axis_size, regroup
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Argument, Axes, Labelled, Operation


def _source(op: Operation) -> Argument:
    return op.tensors()[0]


@register_rule(
    "aten.sum", "aten.mean", "aten.amax", "aten.amin", "aten.max", "aten.min", "aten.var", "aten.std",
    "aten.prod", "aten.norm", "aten.linalg_vector_norm", "aten.logsumexp", "aten.argmax", "aten.argmin",
    "aten.any", "aten.all", "aten.median", "aten.nansum", "aten.nanmean", "aten.var_mean", "aten.std_mean",
    "aten.aminmax", "aten.count_nonzero",
)  # fmt: skip
def reduction(op: Operation) -> Labelled:
    """Freeze the axes that are reduced."""
    if len(op.tensors()) > 1:  # the larger of two tensors, entry by entry
        from .pointwise import pointwise

        return pointwise(op)
    axes = op.axes(_source(op))
    reduced = op.dims("dim", len(axes))
    op.freeze([axes[d] for d in reduced], "reduces it")
    kept = [((),) if d in reduced else axis for d, axis in enumerate(axes)]
    if not op["keepdim"]:
        kept = [axis for d, axis in enumerate(kept) if d not in reduced]
    labels: Axes = tuple(kept)
    return [labels] * len(op.sizes) if isinstance(op.node.meta.get("val"), list | tuple) else labels


@register_rule(
    "aten.softmax", "aten.log_softmax", "aten._softmax", "aten._log_softmax", "aten.cumsum", "aten.cumprod",
    "aten.flip", "aten.roll", "aten.sort", "aten.topk", "aten.logcumsumexp", "aten.cummax", "aten.cummin",
    "aten.renorm", "aten.argsort", "aten.unfold", "aten.rot90", "aten.diff", "aten.softmin",
)  # fmt: skip
def along(op: Operation) -> Labelled:
    """Freeze the axes that are mixed or permuted, and keep the others."""
    axes = list(op.axes(_source(op)))
    name = next(n for n in ("dim", "dims", "dimension") if n in op.arguments)
    mixed = op.dims(name, len(axes))
    op.freeze([axes[d] for d in mixed], "mixes it")
    results: list[Axes] = []
    for sizes in op.sizes:
        labels = [
            op.fresh(s, f"{op.where} mixes it") if d in mixed else axes[d] for d, s in enumerate(sizes[: len(axes)])
        ]
        labels += [op.fresh(s, f"{op.where} makes it of neighbours") for s in sizes[len(axes) :]]
        results.append(tuple(labels))
    return results if isinstance(op.node.meta.get("val"), list | tuple) else results[0]


@register_rule("aten.tril", "aten.triu", "aten.diag_embed")
def triangle(op: Operation) -> Labelled:
    """Freeze the two axes of a matrix whose entries are told apart by position."""
    axes = op.axes("self")
    op.freeze(axes[-2:], "tells its entries apart")
    return axes if len(axes) == len(op.sizes[0]) else op.freeze_all("tells its entries apart")


def _pools(spatial: int, op: Operation) -> Labelled:
    axes = op.axes(_source(op))
    op.freeze(axes[-spatial:], "mixes positions")
    results = [
        (*axes[:-spatial], *(op.fresh(s, f"{op.where} mixes positions") for s in sizes[-spatial:]))
        for sizes in op.sizes
    ]
    return results if isinstance(op.node.meta.get("val"), list | tuple) else results[0]


for _spatial in (1, 2, 3):
    _names = [
        f"aten.{kind}_pool{_spatial}d" for kind in ("max", "avg", "adaptive_avg", "adaptive_max", "lp", "_adaptive_avg")
    ]
    _names += [f"aten.max_pool{_spatial}d_with_indices", f"aten._adaptive_avg_pool{_spatial}d"]
    _names += [f"aten.upsample_nearest{_spatial}d", f"aten._upsample_nearest_exact{_spatial}d"]
    _names += [f"aten.{pad}_pad{_spatial}d" for pad in ("reflection", "replication")]
    _names += {
        1: ["aten.upsample_linear1d"],
        2: ["aten.upsample_bilinear2d", "aten.upsample_bicubic2d", "aten._upsample_bilinear2d_aa",
            "aten._upsample_bicubic2d_aa", "aten.grid_sampler", "aten.grid_sampler_2d"],
        3: ["aten.upsample_trilinear3d"],
    }[_spatial]  # fmt: skip

    def _pool(op: Operation, spatial: int = _spatial) -> Labelled:
        return _pools(spatial, op)

    register_rule(*_names)(_pool)


_BY_CHANNEL = ("weight", "bias", "running_mean", "running_var")


@register_rule("aten.batch_norm", "aten.instance_norm")
def batch_norm(op: Operation) -> Labelled:
    """Label a normalisation of every channel by itself."""
    axes = op.axes("input")
    op.freeze((*axes[:1], *axes[2:]), "normalises over it")
    for argument in _BY_CHANNEL:
        if op.is_tensor(argument):
            op.agree(op.axes(argument)[0], axes[1])
    return axes


@register_rule("aten.group_norm")
def group_norm(op: Operation) -> Labelled:
    """Label channels = (groups, channels of a group): whole groups may be units."""
    batch, channels, *space = axes = op.axes("input")
    groups = op.number("num_groups") or 1
    outer, inner = regroup([channels], [groups, axis_size(channels) // groups])
    op.freeze([batch, inner, *space], "normalises over it")
    op.resize("num_groups", [outer])
    for argument in ("weight", "bias"):
        if op.is_tensor(argument):
            op.agree(op.axes(argument)[0], channels)
    return axes


@register_rule("aten.layer_norm", "aten.rms_norm", "aten._fused_rms_norm", "aten.native_layer_norm")
def layer_norm(op: Operation) -> Labelled:
    """Label a normalisation over the last axes."""
    axes = op.axes("input")
    normalised = axes[len(axes) - len(op["normalized_shape"]) :]
    op.freeze(normalised, "normalises over it")
    for argument in ("weight", "bias"):
        if op.is_tensor(argument):
            for a, b in zip(op.axes(argument), normalised, strict=True):
                op.agree(a, b)
    if isinstance(op.node.meta.get("val"), list | tuple):
        rest = [op.fresh(s, "statistics of a normalisation") for s in op.sizes[1]]
        return [axes, *[tuple(rest)] * (len(op.sizes) - 1)]
    return axes


@register_rule("aten._weight_norm", "aten._weight_norm_interface")
def weight_norm(op: Operation) -> Labelled:
    """Label weights v / |v| times a length g for each entry along one axis."""
    v, g = op.axes("v"), op.axes("g")
    dimension = op["dim"] % len(v)
    op.freeze([axis for d, axis in enumerate(v) if d != dimension], "takes the norm over it")
    for a, b in zip(v, g, strict=False):
        op.agree(a, b)
    return [v, g] if isinstance(op.node.meta.get("val"), list | tuple) else v
