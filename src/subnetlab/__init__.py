"""subnetlab: train wide networks as many randomly masked subnetworks.

The public names, loaded when first used: importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .plotting import DRAWERS

__version__ = "0.1.0"

_PUBLIC = {
    "AllNeurons": ".core.masks",
    "Balanced": ".core.masks",
    "Bernoulli": ".core.masks",
    "Categorical": ".core.masks",
    "Cut": ".modules",
    "CutError": ".modules",
    "DivergenceError": ".training",
    "FixedMasks": ".core.masks",
    "History": ".history",
    "ModuleTraining": ".modules.training",
    "Ordered": ".core.masks",
    "OuterSGD": ".core.scheme",
    "Rolling": ".core.masks",
    "ShallowReLU": ".core.network",
    "SubnetClassifier": ".estimators",
    "SubnetRegressor": ".estimators",
    "TrainingInterrupted": ".training",
    "TrainingRun": ".training",
    "TrainingScheme": ".core.scheme",
    "TrainingSession": ".training",
    "average_lazy_model": ".theory.lazy",
    "certified_smallest_eigenvalue": ".kernels.certified",
    "certify": ".training",
    "check_mask_law": ".core.law_check",
    "cut": ".modules",
    "deep_infinite_ntk": ".kernels.deep",
    "diloco": ".core.presets",
    "dropout": ".core.presets",
    "fedrolex": ".core.presets",
    "finite_ntk": ".kernels.finite",
    "fjord": ".core.presets",
    "gradient_descent": ".core.presets",
    "heterofl": ".core.presets",
    "independent_subnets": ".core.presets",
    "infinite_ntk": ".kernels.infinite",
    "lazy_model": ".theory.lazy",
    "load_dataset": ".datasets",
    "load_run": ".training",
    "local_sgd": ".core.presets",
    "masked_ntk": ".kernels.masked",
    "module_ntk": ".modules.ntk",
    "multi_sample_dropout": ".core.presets",
    "open_study": ".study",
    "plan": ".theory.planner",
    "predict": ".theory.prediction",
    "register_rule": ".modules",
    "resist": ".core.presets",
    "resume": ".training",
    "smallest_eigenvalue": ".kernels.eigenvalues",
    "theory_setting": ".theory.setting",
    "train": ".training",
    "write_report": ".report",
}

__all__ = ["__version__", *_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


DRAWERS.update(
    {
        "cut": ("subnetlab.figures.network", "plot_cut"),
        "history": ("subnetlab.figures.results", "plot_history"),
        "prediction": ("subnetlab.figures.results", "plot_prediction"),
        "study": ("subnetlab.figures.results", "plot_study"),
    }
)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'subnetlab' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from .core.law_check import check_mask_law as check_mask_law
    from .core.masks import AllNeurons as AllNeurons
    from .core.masks import Balanced as Balanced
    from .core.masks import Bernoulli as Bernoulli
    from .core.masks import Categorical as Categorical
    from .core.masks import FixedMasks as FixedMasks
    from .core.masks import Ordered as Ordered
    from .core.masks import Rolling as Rolling
    from .core.network import ShallowReLU as ShallowReLU
    from .core.presets import diloco as diloco
    from .core.presets import dropout as dropout
    from .core.presets import fedrolex as fedrolex
    from .core.presets import fjord as fjord
    from .core.presets import gradient_descent as gradient_descent
    from .core.presets import heterofl as heterofl
    from .core.presets import independent_subnets as independent_subnets
    from .core.presets import local_sgd as local_sgd
    from .core.presets import multi_sample_dropout as multi_sample_dropout
    from .core.presets import resist as resist
    from .core.scheme import OuterSGD as OuterSGD
    from .core.scheme import TrainingScheme as TrainingScheme
    from .datasets import load_dataset as load_dataset
    from .estimators import SubnetClassifier as SubnetClassifier
    from .estimators import SubnetRegressor as SubnetRegressor
    from .history import History as History
    from .kernels.certified import certified_smallest_eigenvalue as certified_smallest_eigenvalue
    from .kernels.deep import deep_infinite_ntk as deep_infinite_ntk
    from .kernels.eigenvalues import smallest_eigenvalue as smallest_eigenvalue
    from .kernels.finite import finite_ntk as finite_ntk
    from .kernels.infinite import infinite_ntk as infinite_ntk
    from .kernels.masked import masked_ntk as masked_ntk
    from .modules import Cut as Cut
    from .modules import CutError as CutError
    from .modules import cut as cut
    from .modules import register_rule as register_rule
    from .modules.ntk import module_ntk as module_ntk
    from .modules.training import ModuleTraining as ModuleTraining
    from .report import write_report as write_report
    from .study import open_study as open_study
    from .theory.lazy import average_lazy_model as average_lazy_model
    from .theory.lazy import lazy_model as lazy_model
    from .theory.planner import plan as plan
    from .theory.prediction import predict as predict
    from .theory.setting import theory_setting as theory_setting
    from .training import DivergenceError as DivergenceError
    from .training import TrainingInterrupted as TrainingInterrupted
    from .training import TrainingRun as TrainingRun
    from .training import TrainingSession as TrainingSession
    from .training import certify as certify
    from .training import load_run as load_run
    from .training import resume as resume
    from .training import train as train
