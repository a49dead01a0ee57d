# Everything a person types. `make up` and `make test` set up what they need.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help up down status test lint setup test-vm bench-up bench-failover faults clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

up: $(VENV)/.deploy ## rehearse the cluster of servers.yml on this machine
	@$(BIN)/swarmer up $(ARGS)

down: $(VENV)/.deploy ## remove every rehearsal of this checkout
	@$(BIN)/swarmer down

status: $(VENV)/.deploy ## show the nodes of the rehearsal
	@$(BIN)/swarmer status

test: $(VENV)/.test lint ## everything that proves correctness
	@$(BIN)/pytest $(ARGS)

test-vm: $(VENV)/.test ## a node on a real kernel: a virtual machine, emulated, which takes its minutes
	@$(BIN)/pytest -s -m vm tests/vm/test_vm.py $(ARGS)

lint: $(VENV)/.test ## ruff, mypy, import-linter
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy && $(BIN)/lint-imports > /dev/null

setup: $(VENV)/.deploy ## only the virtualenv

bench-up: $(VENV)/.deploy ## measure: from one file to a running cluster
	@$(BIN)/python -m tests.bench_up $(ARGS)

bench-failover: $(VENV)/.test ## measure: how long the registry is away when its holder dies
	@$(BIN)/python -m tests.bench_failover $(ARGS)

faults: $(VENV)/.test ## each fault on a running rehearsal, watched from outside
	@$(BIN)/python -m tests.faults $(ARGS)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $$($(PYTHON) --version) is what PYTHON=$(PYTHON) gives" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-venv >/dev/null; \
	  else echo "python3-venv is missing: sudo apt-get install python3-venv" >&2; exit 2; fi; }
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.deploy: $(VENV)/.python requirements.txt constraints.txt pyproject.toml
	@echo "setting up $(VENV) …"
	@$(PIP) install -r requirements.txt -c constraints.txt && $(PIP) install --no-deps -e . && touch $@

$(VENV)/.test: $(VENV)/.deploy requirements-dev.txt
	@$(PIP) install -r requirements-dev.txt -c constraints.txt && touch $@

clean: down ## also the virtualenv, caches and the CDK's command line
	@rm -rf $(VENV) node_modules .swarmer cdk.out
