"""What a folder holds: a run, a study, or a reproduction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from ..input_file import FileContentError, check_input, read_input_text
from ..reproduction.settings import ReproductionSettings
from ..study.data import DatasetSpec
from ..study.store import DATABASE
from ..study.study import Study, open_study
from ..training import load_run
from ..training.reading import is_module_run, run_file
from ..training.run import RUN_FILE
from .launch_page import HISTORY, read_launch
from .library import check_torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..training import TrainingRun
    from ..training.module_reading import StoredModuleRun
    from .launch_page import Costs

_NUMBER = (int, float, type(None))  # None stands for what is not finite
_OF_A_VERDICT: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("figure", "claim", "measure", "protocol", "outcome"), (str,)),
    **dict.fromkeys(("agreement", "effect_mean", "effect_low", "effect_high"), _NUMBER),
    "seeds": (int,),
}


@dataclass(frozen=True)
class RunSource:
    """A run of `train` or `launch`, or one that was saved from Python.

    Parameters
    ----------
    run : TrainingRun or StoredModuleRun
        A run of a module is a `ModuleRun` if the module was given.
    data_name : str
        The dataset's, empty if nothing says it.
    provenance, summary : mapping
        What the folder notes of the data and of the outcome; empty for a run that was saved from Python.
    costs : mapping
        What each round of a launch cost; empty for other runs.
    """

    run: TrainingRun | StoredModuleRun
    data_name: str
    provenance: Mapping[str, Any]
    summary: Mapping[str, Any]
    costs: Costs = field(default_factory=dict)


@dataclass(frozen=True)
class LaunchSource:
    """A launch whose folder holds no run.

    Parameters
    ----------
    name : str
        Of the script, or of the folder.
    trainings : list of mapping
        What each round cost.
    versions : mapping
    """

    name: str
    trainings: list[Costs]
    versions: Mapping[str, Any]


@dataclass(frozen=True)
class StudySource:
    """A study, under the name of its plan, or that of its folder."""

    name: str
    study: Study


@dataclass(frozen=True)
class ReproductionSource:
    """A reproduction.

    Parameters
    ----------
    study : Study
        The runs with the reproduction's settings and no others.
    settings : ReproductionSettings
    verdicts : list of mapping
        As in verdicts.json.
    provenance : mapping
    """

    study: Study
    settings: ReproductionSettings
    verdicts: list[Mapping[str, Any]]
    provenance: Mapping[str, Any]


Source: TypeAlias = RunSource | LaunchSource | StudySource | ReproductionSource


def open_source(path: Path, model: Any = None) -> Source:
    """Return what is in a folder, or in the file of a run.

    Parameters
    ----------
    path : Path
    model : torch.nn.Module or Cut, optional
        The network, for the run of a module.

    Raises
    ------
    ValueError
        If it holds nothing of subnetlab's, or nothing to show.
    OSError, FileContentError
        If there is no such folder, or what it holds cannot be read.
    """
    if not path.is_dir():
        check_input(path, owner="report", argument="folder", wanted="a folder of results or the file of a run")
        return RunSource(_load(path, model), "", {}, {})
    if (path / DATABASE).exists():
        _refuse_model(path, model)
        return _open_cells(path)
    trainings = read_launch(path)
    if (file := run_file(path)).exists():
        settings = _read_json(path / "settings.json", {})
        name = _at(settings, "data", "name") or _at(settings, "provenance", "name") or ""
        provenance = _read_json(path / "provenance.json", {}) or _at(settings, "provenance") or {}
        run, summary = _load(file, model), _read_json(path / "summary.json", {})
        own = [costs for costs in trainings if len(costs["workers"]) == run.history.rounds]
        return RunSource(run, str(name), provenance, summary, own[-1] if own else {})
    if trainings:
        _refuse_model(path, model)
        script = str(_at(_read_json(path / "settings.json", {}), "script") or path.resolve().name)
        return LaunchSource(script, trainings, _at(_read_json(path / "provenance.json", {}), "versions") or {})
    if (path / HISTORY).is_file():
        raise ValueError(
            f"{path}: must hold {RUN_FILE}, got history.csv alone: launch writes no {RUN_FILE} of a network above 1 GiB"
        )
    modules = sorted(file.name for file in path.glob("*.safetensors"))
    raise ValueError(
        f"{path}: must be a folder that train, launch, study or reproduce made, got neither {RUN_FILE} nor {DATABASE}"
        + (f"; of its runs of modules name one: {', '.join(modules)}" if modules else "")
    )


def _load(file: Path, model: Any) -> TrainingRun | StoredModuleRun:
    if not is_module_run(file, owner="report", argument="folder"):
        _refuse_model(file, model)
        return load_run(file)
    check_torch("report")
    if model is not None:
        return load_run(file, model=model)
    from ..training.module_reading import read_module_run

    return read_module_run(file, owner="report", argument="folder")


def _refuse_model(path: Path, model: Any) -> None:
    if model is not None:
        raise ValueError(f"report: model must be given for the run of a module alone, got one with {path}")


def _open_cells(path: Path) -> StudySource | ReproductionSource:
    study = open_study(path)
    if not study.cells:
        raise ValueError(f"{path}: must hold cells, got a study without any")
    kept = _read_json(path / "settings.json", {})
    if not isinstance(_at(kept, "settings", "dynamics_seeds"), int):
        return StudySource(str(_read_json(path / "plan.json", {}).get("name") or path.resolve().name), study)
    own = _reproduced(path, study, kept)
    spec = DatasetSpec.from_settings(own.cells[0].settings)
    return ReproductionSource(
        own,
        _settings(path, kept, spec),
        _read_verdicts(path / "verdicts.json"),
        _read_json(path / "provenance.json", {}),
    )


def _reproduced(path: Path, study: Study, kept: Mapping[str, Any]) -> Study:
    """Return the cells with the reproduction's settings: after --force the folder holds others too."""
    fixed = {name: kept["settings"].get(name) for name in ("width", "rounds", "init_scale", "step_size", "dtype")}
    try:
        own = study.select(**fixed)
    except (TypeError, ValueError) as error:
        raise FileContentError(f"{path / 'settings.json'}: not the settings of these runs ({error})") from error
    specs = dict.fromkeys(DatasetSpec.from_settings(cell.settings) for cell in own.cells)
    if len(specs) > 1:
        specs = {spec: None for spec in specs if _digest(spec) == _at(kept, "data", "sha256")}
    if len(specs) != 1:
        raise ValueError(f"{path}: must hold the runs of one dataset that can be told from others, got {len(specs)}")
    (spec,) = specs
    return own.select(**{name: [value] for name, value in spec.settings().items()})


def _digest(spec: DatasetSpec) -> str:
    try:
        return spec.load().digest
    except (TypeError, ValueError, OSError, ImportError):
        return ""


def _settings(path: Path, kept: Mapping[str, Any], spec: DatasetSpec) -> ReproductionSettings:
    known = {f.name for f in fields(ReproductionSettings)} - {"dataset"}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in kept["settings"].items()
        if name in known
    }
    try:
        return ReproductionSettings(dataset=spec, **values)
    except (TypeError, ValueError) as error:
        raise FileContentError(f"{path / 'settings.json'}: not the settings of a reproduction ({error})") from error


def _read_json(path: Path, empty: Any) -> Any:
    """Return the content of a JSON file, ``empty`` if it is not there.

    Raises
    ------
    FileContentError
        If it is no JSON of the kind of ``empty``.
    """
    if not path.exists():
        return empty
    try:
        content = json.loads(read_input_text(path, owner="report", argument="folder"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileContentError(f"{path}: not readable ({error})") from error
    if not isinstance(content, type(empty)):
        raise FileContentError(f"{path}: must hold a JSON {type(empty).__name__}, got {type(content).__name__}")
    return content


def _read_verdicts(path: Path) -> list[Mapping[str, Any]]:
    """Return verdicts as `reproduction.claims.ClaimVerdict.as_row` wrote them.

    Raises
    ------
    FileContentError
        If one lacks what every verdict has, or has it of another kind.
    """
    verdicts = _read_json(path, [])
    for verdict in verdicts:
        for name, kinds in _OF_A_VERDICT.items():
            if not isinstance(verdict, dict) or name not in verdict or type(verdict[name]) not in kinds:
                raise FileContentError(f"{path}: must hold verdicts, got one without the right {name}")
    return verdicts


def _at(content: Any, *names: str) -> Any:
    """Return what stands under the names, one inside the other, or None."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content
