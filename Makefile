# Each target does its own set-up. `make demo` and `make test` need Python >= 3.11, git and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := .ci/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint bench load matrix precision recall recall-live services constraints picture report clean

help: ## what can be run here
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# One stamp a dependency group: a second run compares two time stamps and installs nothing.
$(VENV)/.stamp-%: pyproject.toml $(CONSTRAINTS) .ci/setup
	@VENV=$(VENV) PYTHON=$(PYTHON) CONSTRAINTS=$(CONSTRAINTS) sh .ci/setup $*
	@touch $@

demo: $(VENV)/.stamp-demo ## the gate stops a broken agent backend and passes a sound one
	@$(BIN)/python examples/demo.py

test: $(VENV)/.stamp-test ## all tests, documentation examples and import floors (some nine minutes on two cores)
	@$(BIN)/python -m pytest -n auto --junitxml=build/junit.xml

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

load: $(VENV)/.stamp-dev ## the sample backend while its memory is slow and while its model cuts answers, with guards and without
	@$(BIN)/python -m loadtests.load

matrix: $(VENV)/.stamp-dev ## twelve faults of a stream under the official clients, two peers and ours; installs the peers
	@$(BIN)/python -m loadtests.matrix --fail --write docs/stream-faults.md

services: ## install the servers that some tests need: Redis, NATS, PostgreSQL, promtool (apt, as root or with sudo)
	@sh .ci/services

precision: $(VENV)/.stamp-dev ## false alarms on released packages; downloads some 70 of them
	@$(BIN)/python -m loadtests.precision --write docs/precision.md

recall: $(VENV)/.stamp-dev ## defects of released packages that the gate finds, and that are gone at their fix; downloads both
	@$(BIN)/python -m loadtests.recall --write docs/recall.md

recall-live: $(VENV)/.stamp-dev ## the same for defects that only an installed release shows; installs each one, needs uv
	@$(BIN)/python -m loadtests.recall --live --write docs/recall-live.md

constraints: $(VENV)/.stamp-dev ## renew the pinned versions
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || true
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --group demo --no-header --no-annotate --no-emit-index-url pyproject.toml -o $(CONSTRAINTS)

report: $(VENV)/.stamp-dev ## what changed here, what is proven of it, what is not: build/status.md and build/status.html
	@mkdir -p build
	@$(BIN)/python -m guardrails preflight --static | tail -n 1
	@$(BIN)/python -m guardrails report status $(addprefix --junit ,$(wildcard build/junit.xml)) \
		--output markdown=build/status.md --output html=build/status.html

picture: $(VENV)/.stamp-dev ## docs/demo.svg, drawn from what `make demo` prints
	@$(BIN)/python docs/picture.py

clean: ## forget the environment and everything built
	rm -rf $(VENV) build dist
