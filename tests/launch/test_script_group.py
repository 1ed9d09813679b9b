"""What the group of a script notes of its exchanges; what a script sees of it is in `test_script`."""

from __future__ import annotations

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed.group import PeerLostError, among
from subnetlab.engines.distributed.worker import Exchange
from subnetlab.launch.parting import Place
from subnetlab.launch.script_group import ScriptGroup

torch = pytest.importorskip("torch", reason="needs torch: pip install 'subnetlab[torch]'")


def scripted(transport, tmp_path):
    return ScriptGroup(
        transport.process_group,
        transport.rank,
        transport.size,
        store=transport.store,
        folder=tmp_path,
        completed=lambda: None,
        watched=lambda works: None,
    )


def test_messages_of_something_else_do_not_take_the_place_of_others(group, tmp_path):
    """Gloo would end the process if they are of other lengths, and deliver them if they are not."""

    def work(transport):
        own = scripted(transport, tmp_path)
        own.tell_all(np.zeros(1))
        with own.waiting():
            first = own.place
        own.doing("a round" if own.rank else "the whole network")
        with own.waiting():
            second = own.place
        try:
            own.tell_all(np.zeros(2 + own.rank))
        except PeerLostError as error:
            lost = error
        try:
            own.exchange(Exchange([[], []], [[], []], np.dtype(np.float64)))  # nothing is exchanged any more
        except PeerLostError as error:
            return first, second.number, second.since, own.place, error is lost

    outcomes = group(2, work, timeout=2.0)
    assert outcomes == [(Place(2, 1, "the beginning of the script"), 2, 2, None, True)] * 2


def test_files_are_numbered_by_those_that_the_group_gives(group, tmp_path):
    """A training that was given a file of its own takes no number from the others, as in jobs of earlier versions."""

    def work(transport):
        own = scripted(transport, tmp_path)
        numbers = [own.begin_training(), own.begin_training()]  # the first has a file
        return numbers, own.checkpoint_file().name

    assert group(1, work) == [([1, 2], "training-1.safetensors")]


def test_a_training_that_names_no_device_takes_that_of_the_launch(group, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    scheme = sl.independent_subnets(2, rounds=1, local_steps=1, step_size=0.1)

    def work(transport):
        own = scripted(transport, tmp_path)
        own.device = "nowhere"
        with among(own):
            cut = sl.cut(model, torch.zeros(2, 3))
            named = sl.ModuleTraining(cut, scheme, device="cpu").device
            try:
                sl.ModuleTraining(cut, scheme)
            except ValueError as error:
                return named.type, str(error)

    ((named, refused),) = group(1, work)
    assert named == "cpu"
    assert refused.startswith(
        "ModuleTraining: device must be one that torch can use here, such as 'cpu', got 'nowhere'"
    )
