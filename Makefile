# Each target does its own set-up. `make demo` and `make test` need Python >= 3.11, git and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := .ci/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint bench load precision recall services constraints picture clean

help: ## what can be run here
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# One stamp a dependency group: a second run compares two time stamps and installs nothing.
$(VENV)/.stamp-%: pyproject.toml $(CONSTRAINTS) .ci/setup
	@VENV=$(VENV) PYTHON=$(PYTHON) CONSTRAINTS=$(CONSTRAINTS) sh .ci/setup $*
	@touch $@

demo: $(VENV)/.stamp-demo ## the gate stops a broken agent backend and passes a sound one
	@$(BIN)/python examples/demo.py

test: $(VENV)/.stamp-test ## all tests, documentation examples and import floors (some three minutes on two cores)
	@$(BIN)/python -m pytest -n auto

test-long: $(VENV)/.stamp-test ## the long ones: soak, fuzz, thousands of cases
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n auto -m long

lint: $(VENV)/.stamp-dev ## ruff, mypy, pyright, ty
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python tests/typing/api.py
	@$(BIN)/ty check --python $(VENV) tests/typing/api.py

bench: $(VENV)/.stamp-dev ## every figure against its target; fails on a miss, writes docs/benchmarks.md and coverage.md
	@$(BIN)/python -m loadtests.coverage --fail --write docs/coverage.md
	@$(BIN)/python -m loadtests.bench --write docs/benchmarks.md

load: $(VENV)/.stamp-dev ## the sample backend while its memory is slow, with guards and without (some two and a half minutes)
	@$(BIN)/python -m loadtests.load

services: ## install the servers that some tests need: Redis, NATS, PostgreSQL, promtool (apt, as root or with sudo)
	@sh .ci/services

precision: $(VENV)/.stamp-dev ## false alarms on released packages; downloads some 70 of them
	@$(BIN)/python -m loadtests.precision --write docs/precision.md

recall: $(VENV)/.stamp-dev ## defects of released packages that the gate finds, and that are gone at their fix; downloads both
	@$(BIN)/python -m loadtests.recall --write docs/recall.md

constraints: $(VENV)/.stamp-dev ## renew the pinned versions
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || true
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --group demo --no-header --no-annotate --no-emit-index-url pyproject.toml -o $(CONSTRAINTS)

picture: $(VENV)/.stamp-dev ## docs/demo.svg, drawn from what `make demo` prints
	@$(BIN)/python docs/picture.py

clean: ## forget the environment and everything built
	rm -rf $(VENV) build dist
