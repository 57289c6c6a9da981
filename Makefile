# make run | report | test | test-fast | test-browser | test-slurm | test-chaos | lint | clean.
# Each sets up $(VENV) first, where it is missing or out of step.
#   VENV=path    use (or make) that environment instead of .venv
#   PYTHON=...   the Python (3.11 or newer) to make it with
#   CORES=n      cores for `make run` and `make report`, all by default
#   ARGS=...     further arguments for snakemake (make run, make report) or pytest (make test...)

VENV ?= .venv
PYTHON ?= python3
CORES ?= all
ARGS ?=

BIN := $(VENV)/bin
# The stamp carries a checksum of what is to be installed, so a changed lock installs again.
WANTED := $(shell cat requirements.lock pyproject.toml | cksum | cut -d ' ' -f 1)
STAMP := $(VENV)/.biorobust-$(WANTED)
# Files in the order that tests/conftest.py gives them, the longest first.
IN_PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
export PYTHONPATH := $(CURDIR)/workflow_src$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: run report test test-fast test-browser test-slurm test-chaos lint lint-types lint-rest clean setup

run: setup
	$(BIN)/snakemake --cores $(CORES) $(ARGS)

# The page, and whatever of it is missing or stale.
report: setup
	$(BIN)/snakemake report --cores $(CORES) $(ARGS)

test: lint
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

# Without what starts snakemake or trains: under a minute, for while one works.
test-fast: setup
	$(BIN)/python -m pytest $(IN_PARALLEL) -m "not slow" $(ARGS)

# A real SLURM on this machine, as root: apt-get install munge slurmctld slurmd
test-slurm: setup
	$(BIN)/python -m pytest --verbose -rs tests/slurm $(ARGS)

# The page in a real browser: apt-get install chromium
test-browser: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint requirements.lock --editable '.[browser]'
	$(BIN)/python -m pytest --verbose -rs tests/browser $(ARGS)

# A whole experiment in a storm of kills, kills one by one, disks that are full or read-only: minutes.
test-chaos: setup
	$(BIN)/python -m pytest tests/chaos $(ARGS)

# Types take longest, so the rest is looked at meanwhile.
lint: setup
	@$(MAKE) --no-print-directory --jobs 2 lint-types lint-rest

lint-types:
	$(BIN)/mypy --num-workers 2

lint-rest:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint

setup: $(STAMP)

# No file's time counts, only the checksum: a fresh clone would always look newer.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "biorobust needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint requirements.lock --editable '.[test]'
	@rm -f $(VENV)/.biorobust-*
	@touch $@

# Results are never touched.
clean:
	rm -rf .venv .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	rm -rf workflow_src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
