# Every target makes the environment .venv first, if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: quickstart test test-simulators check

quickstart: $(VENV)/ready
	$(BIN)/rlvla run quickstart

test: $(VENV)/ready .venv-gymnasium/ready .venv-metaworld/ready
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	rm -f .coverage.*  # half written by workers that a test killed
	$(BIN)/coverage report

# Simulators with environments of their own are tested in those that are there:
# `make .venv-libero/ready` makes one, or RLVLA_LIBERO names one.
test-simulators: $(VENV)/ready
	$(BIN)/python -m pytest -rs tests/plugins/simulators

check: $(VENV)/ready-to-check
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# torch comes first and alone, so that a CPU-only build is taken where an index offers one.
$(VENV)/ready: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) setuptools torch==2.13.0
	$(PIP) --editable '.[test]'
	touch $@

# A simulator's own pins exclude rlvla's.
.venv-%/ready: plugins/simulators/%/requirements.txt
	test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip --disable-pip-version-check install --requirement $< pytest==9.2.0
	touch $@

$(VENV)/ready-to-check: $(VENV)/ready
	$(PIP) --editable '.[dev]'
	touch $@
