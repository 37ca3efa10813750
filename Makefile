# Everything starts from a bare `python3`: each target first makes `.venv` and installs the project into it.
PYTHON ?= python3
SEED ?= 1
SEEDS ?= 2000
SECONDS_EACH ?= 5

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
SCRATCH := .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist bench/results

.PHONY: help setup demo demo-official docs test check bench sim sim-long oracle crash clean

help:
	@echo "make demo      an order workflow that survives kill -9 of its program and of its server"
	@echo "make demo-official   the same with the official SDK as the worker"
	@echo "make docs      the API reference, into build/reference"
	@echo "make test      every test: unit, engine, simulation, oracle, crash"
	@echo "make check     ruff, mypy, house rules"
	@echo "make sim       one simulated cluster, and one storm of the framework in it, from one seed (SEED=$(SEED)); sim-long: SEEDS=$(SEEDS) seeds"
	@echo "make oracle    compare with the real server, scenario by scenario"
	@echo "make crash     kill -9 the server thirty times under load"
	@echo "make bench     Tenuto beside the real server, DBOS, Restate and the official SDK (SECONDS_EACH=$(SECONDS_EACH))"
	@echo "make clean     remove caches and results; 'make clean-all' removes $(VENV) as well"

setup: $(STAMP)

$(STAMP): pyproject.toml
	@echo "==> creating $(VENV) with $(PYTHON)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Tenuto needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "==> installing Tenuto and its development tools (once; about a minute)"
	@$(PY) -m pip install --disable-pip-version-check --quiet --progress-bar off -e '.[dev]'
	@touch $@
	@echo "==> ready"

demo: $(STAMP)
	@$(PY) -m demo

demo-official: $(STAMP)
	@$(PY) -m demo.official

docs: $(STAMP)
	@$(PY) -m docs.reference build/reference
	@echo "==> build/reference/index.html"

test: $(STAMP)
	@echo "==> tests"
	@$(PY) -m pytest

check: $(STAMP)
	@echo "==> ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy" && $(BIN)/mypy
	@echo "==> house rules" && $(PY) -m pytest tests/tidy

bench: $(STAMP)
	@$(PY) -m bench --seconds $(SECONDS_EACH)

sim: $(STAMP)
	@echo "==> the service" && $(PY) -m tenuto.sim --seed $(SEED)
	@echo "==> the framework" && $(PY) -m tenuto.sim --framework --seed $(SEED)

sim-long: $(STAMP)
	@echo "==> the service" && $(PY) -m tenuto.sim --seed $(SEED) --seeds $(SEEDS)
	@echo "==> the framework" && $(PY) -m tenuto.sim --framework --seed $(SEED) --seeds $(SEEDS)

oracle: $(STAMP)
	@$(PY) -m pytest tests/oracle -m oracle

crash: $(STAMP)
	@$(PY) -m pytest tests/crash -m crash

clean:
	@rm -rf $(SCRATCH)
	@find src tests bench demo -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-all
clean-all: clean
	@rm -rf $(VENV)
