# Everything a newcomer types. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up test test-fast test-deep bench check format lock clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## set up .venv from the pinned, hashed requirements

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: install ## a simulated fortnight of five clinics, from save to ledger, on engines of its own
	$(BIN)/payments demo

up: install ## the whole stack in the foreground (Ctrl-C stops it)
	$(BIN)/payments up

test: install ## every test, the whole stack included
	$(BIN)/pytest

test-fast: install ## every test but those that start the whole stack
	$(BIN)/pytest -m "not acceptance"

test-deep: install ## the state machine of closed months, 2,000 histories long (about 5 minutes)
	PAYMENTS_DEEP_EXAMPLES=2000 $(BIN)/pytest tests/journeys/test_any_order.py

bench: install ## the table of measurements (some minutes)
	$(BIN)/python -m bench

check: install ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: install ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --group dev --output-file requirements.lock pyproject.toml

clean: ## remove the virtual environment and the embedded data of this checkout
	rm -rf $(VENV) .payments
