# The two commands of the README are `make reproduce` and `make test`. Python 3.11 to 3.13: make PYTHON=python3.13
# `make test` installs every extra that the tests use; without torch, a large download: make test EXTRAS=test,docs,report,cluster
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
ARGS ?=
EXTRAS ?= test,docs,report,torch,cluster

.PHONY: reproduce test lint flaky stress bench docs clean
.DELETE_ON_ERROR:

reproduce: $(VENV)/installed
	$(BIN)/subnetlab reproduce --out reproduction $(ARGS)

test: $(VENV)/installed-test
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m compileall -q src  # or, where Python may not write bytecode, each of some hundred processes does it
	$(BIN)/python -m pytest -n auto $(ARGS)

# the tests again and again, each time under another condition: make flaky ARGS="--runs 50 -n 0 tests/launch"
flaky: $(VENV)/installed-test
	$(BIN)/python stress/flaky.py $(ARGS)

stress: $(VENV)/installed-test
	$(BIN)/python stress/studies.py $(ARGS)
	$(BIN)/python stress/distributed.py
	$(BIN)/python stress/ray_train.py  # where Ray is installed
	$(BIN)/python stress/wheel.py
	$(BIN)/python stress/modules.py
	$(BIN)/python stress/architectures.py  # those of the model libraries that are installed

bench: $(VENV)/installed-test
	for benchmark in benchmarks/primal.py benchmarks/engines.py benchmarks/kernels.py benchmarks/modules.py; do \
	    echo "== $$benchmark" && $(BIN)/python $$benchmark || exit 1; done

docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx -E -a -W --keep-going --quiet docs build/site
	@echo "open build/site/index.html"

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(findstring torch,$(EXTRAS)),$(BIN)/basedpyright --pythonpath $(BIN)/python,@echo "types are not checked without torch")

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "subnetlab needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
