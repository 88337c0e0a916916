# Vitrine: make run, make test. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
DATA ?= var
PORT ?= 8000
JOBS ?= 2
IMAGES ?=
CORPUS ?=
SCORES ?=
# The CPU wheels of torch are a tenth of the default ones: TORCH_INDEX=<PyTorch's CPU index> takes them.
TORCH_INDEX ?=
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
  $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)")
BIN := $(VENV)/bin
APP := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# Compiled modules are kept: without them each of the many processes of a run compiles its own.
unexport PYTHONDONTWRITEBYTECODE
# Scripts in bench/ print one JSON line per claim; these are not claims themselves.
BENCHES := $(filter-out bench/__init__.py bench/claims.py bench/table.py,$(wildcard bench/*.py))

.PHONY: help run test lint lint-docker bench clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo "  variables: IMAGES=folder  DATA=var  PORT=8000  PYTHON=python3  JOBS=2  TORCH_INDEX=address"

run: $(APP)  ## install, start everything, print one address (IMAGES=folder for your own pictures)
	@exec $(BIN)/vitrine run --data "$(DATA)" --port $(PORT) $(if $(IMAGES),--images "$(IMAGES)")

test: lint  ## every check and every test; what this machine cannot run is named at the end
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rs

lint: $(DEV)  ## style, types, import rules, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers $(JOBS)
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet

lint-docker:  ## the Dockerfile, with hadolint where it is installed
	hadolint docker/Dockerfile

bench: $(DEV)  ## every claim again, into docs/performance.md (IMAGES, CORPUS: folders, SCORES: a CSV; some claims need them)
	@rm -f $(VENV)/claims.jsonl
	@for script in $(BENCHES); do \
	  echo "$$script" >&2; \
	  IMAGES="$(IMAGES)" CORPUS="$(CORPUS)" SCORES="$(SCORES)" $(BIN)/python -m $$(echo "$${script%.py}" | tr / .) \
	    | tee -a $(VENV)/claims.jsonl || exit 1; \
	done
	$(BIN)/python -m bench.table $(VENV)/claims.jsonl docs/performance.md

clean:  ## remove what tools leave behind; never the data folder
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Vitrine needs Python 3.11 or newer; try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python has no venv module here; on Debian: apt install python3-venv" >&2; exit 1; }

$(APP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e .
	@touch $@

# --no-compile: a test run needs a part of all that is installed, and compiles it when it is used.
$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --no-compile -e '.[dev]'
	@touch $@ $(APP)
