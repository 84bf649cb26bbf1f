# Every target makes the environment .venv first, if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: quickstart test check

quickstart: $(VENV)/ready
	$(BIN)/rlvla run quickstart

test: $(VENV)/ready .venv-metaworld/ready
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	rm -f .coverage.*  # half written by workers that a test killed
	$(BIN)/coverage report

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

# The simulator's own pins exclude rlvla's.
.venv-metaworld/ready: plugins/simulators/metaworld/requirements.txt
	test -x .venv-metaworld/bin/python || $(PYTHON) -m venv .venv-metaworld
	.venv-metaworld/bin/python -m pip --disable-pip-version-check install --requirement $< pytest==9.2.0
	touch $@

$(VENV)/ready-to-check: $(VENV)/ready
	$(PIP) --editable '.[dev]'
	touch $@
