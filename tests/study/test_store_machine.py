"""The store under any order of writes, kills, reopenings, damage and exports, against a dict."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import subnetlab as sl
from subnetlab.study import Cell, CellResult, DatasetSpec, Store
from subnetlab.study.result import encode
from subnetlab.study.store import DATABASE, Outcome

SETTINGS = [Cell(DatasetSpec("diabetes"), 5, 2, selection_prob=0.5, seed=i).settings() for i in range(8)]
KEYS = [f"{i:064x}" for i in range(8)]
NUMBERS = st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True)
STATUSES = st.sampled_from(["ok", "diverged", "failed"])


def outcomes(numbers, status, value):
    curve = np.full(600, value, dtype=np.float32)
    results = [
        (i, CellResult(status, finals={"final_full_error": value}, curves={"full_error": curve})) for i in numbers
    ]
    return [Outcome(KEYS[i], status, 0.1, encode(result)) for i, result in results]


class Stores(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.generation = 0
        self.store = Store(self.root / "0")
        self.model = {}  # key -> outcome, as acknowledged
        self.planned = set()

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.root)

    @rule(numbers=NUMBERS)
    def plan(self, numbers):
        self.store.set_plan((KEYS[i], SETTINGS[i]) for i in numbers)
        self.planned = {KEYS[i] for i in numbers}
        self.known = getattr(self, "known", set()) | self.planned

    @rule(numbers=NUMBERS, status=STATUSES, value=st.floats(0, 9))
    def write(self, numbers, status, value):
        batch = outcomes(numbers, status, value)
        self.store.write(batch)
        self.model |= {o.key: o for o in batch}

    @rule(numbers=NUMBERS, status=STATUSES, value=st.floats(0, 9), instructions=st.integers(1, 60))
    def killed_while_writing(self, numbers, status, value, instructions):
        """Go on with the files as they are after so many instructions of SQLite's machine, as after kill -9."""
        batch = outcomes(numbers, status, value)
        self.generation += 1
        after, ticks = self.root / str(self.generation), 0

        def kill():
            nonlocal ticks
            ticks += 1
            if ticks == instructions:
                shutil.copytree(self.store.folder, after)
            return 0

        self.store._connection.execute("PRAGMA cache_size = 1")  # pages reach the file before the commit
        self.store._connection.set_progress_handler(kill, 1)
        self.store.write(batch)
        self.store._connection.set_progress_handler(None, 0)
        killed = after.exists()
        if not killed:
            shutil.copytree(self.store.folder, after)
        self.store.close()
        self.store = Store(after)
        assert self.store.notices == []
        there = [self.stored(o.key) == o.payload for o in batch]
        if not killed:
            assert all(there)
        elif all(there):
            pass  # all or nothing
        else:
            assert all(self.stored(o.key) == getattr(self.model.get(o.key), "payload", None) for o in batch)
            return
        self.model |= {o.key: o for o in batch}

    @rule()
    def reopened(self):
        folder = self.store.folder
        self.store.close()
        self.store = Store(folder)
        assert self.store.notices == []

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def damaged(self, data):
        key = data.draw(st.sampled_from(sorted(self.model)))
        folder = self.store.folder
        self.store.close()
        connection = sqlite3.connect(folder / DATABASE)
        connection.execute("UPDATE results SET payload = x'00' || payload WHERE key = ?", (key,))
        connection.commit()
        connection.close()
        self.store = Store(folder)
        assert len(self.store.notices) == 1
        del self.model[key]

    @rule()
    def failures_forgotten(self):
        failed = {key for key, o in self.model.items() if o.status == "failed"}
        assert self.store.forget_failures() == len(failed)
        self.model = {key: o for key, o in self.model.items() if key not in failed}

    @rule()
    def exported(self):
        rows = {row["key"]: row for row in sl.open_study(self.store.folder).records()}
        known = getattr(self, "known", set())
        assert rows.keys() == self.planned | (self.model.keys() & known)
        for key, row in rows.items():
            assert row["status"] == (self.model[key].status if key in self.model else "pending")

    @invariant()
    def holds_what_was_acknowledged(self):
        assert self.store.finished() == {key: o.status for key, o in self.model.items()}

    def stored(self, key):
        row = self.store._connection.execute("SELECT payload FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=15, stateful_step_count=12, deadline=None, derandomize=True)
