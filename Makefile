# Commands for operators and developers. `make up` and `make test` set up everything that they need.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
PYTHON ?= python3
# Installs the programs that the target needs on this machine; otherwise one line names the missing ones.
PREREQUISITES = $(BIN)/python -m tests.prerequisites $@

.DEFAULT_GOAL := help
.PHONY: help up down status test fuzz lint prose setup setup-dev docs site recording dns-proxy audit-deps \
  test-units test-cluster test-losses test-templates test-recovery test-vm test-docs test-examples test-vagrant test-changes test-fresh test-smoke smoke-aws \
  bench-up bench-status bench-failover bench-rest bench-registrator bench-healing faults clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

up: $(VENV)/.deploy ## rehearse the cluster of servers.yml on this machine
	@$(BIN)/swarmer up $(ARGS)

down: $(VENV)/.deploy ## remove every rehearsal of this checkout
	@$(BIN)/swarmer down

status: $(VENV)/.deploy ## show the nodes of the rehearsal
	@$(BIN)/swarmer status

test: $(VENV)/.test ## every test that proves correctness
	@$(PREREQUISITES)
	@$(BIN)/python -m tests.side_by_side lint='$(MAKE) -s lint' units='$(MAKE) -s test-units'
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m tests.side_by_side cluster='$(MAKE) -s test-cluster' losses='$(MAKE) -s test-losses && $(MAKE) -s test-smoke ARGS='
	@$(BIN)/pytest -q -m alone tests/rehearsal/test_down.py $(ARGS) || [ $$? = 5 ]  # this test removes every rehearsal

test-units: $(VENV)/.test $(VENV)/.site $(VENV)/.audit ## part of make test: what needs no cluster
	@$(PREREQUISITES)
	@$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not cluster" $(ARGS) || [ $$? = 5 ]

test-cluster: $(VENV)/.test ## part of make test: a working cluster, a cluster of six nodes, and failed starts
	@$(PREREQUISITES)
	@$(BIN)/pytest -v -m "cluster and not alone" --no-header \
	  tests/rehearsal/test_cluster.py tests/rehearsal/test_run_command.py tests/rehearsal/test_security_groups.py tests/rehearsal/test_mtu.py \
	  tests/rehearsal/test_faults_of_commands.py tests/rehearsal/test_as_viewer.py \
	  tests/rehearsal/test_teardown.py tests/rehearsal/test_roles_apart.py $(ARGS) || [ $$? = 5 ]

test-losses: $(VENV)/.test ## part of make test: losses and recoveries, a cluster of one node, Vagrant's machines, functions
	@$(PREREQUISITES)
	@SWARMER_SERVERS=$(CURDIR)/tests/rehearsal/twin.yml SWARMER_AWS_PORT=4586 $(BIN)/pytest -v -m cluster --no-header \
	  tests/rehearsal/test_as_operator.py tests/rehearsal/test_resilience.py tests/rehearsal/test_one_node.py tests/rehearsal/test_deploy.py tests/vagrant/test_vagrant.py tests/fakeaws/test_runtime.py $(ARGS) || [ $$? = 5 ]

test-templates: $(VENV)/.test $(VENV)/.checkov ## check templates of six descriptions for six regions, by cfn-lint and checkov
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/templates $(ARGS)

test-recovery: $(VENV)/.test ## test swarmer recover, killed at each of its steps and typed again
	@$(PREREQUISITES)
	@$(BIN)/pytest -v -m cluster --no-header tests/rehearsal/test_recovery.py $(ARGS) || [ $$? = 5 ]

fuzz: $(VENV)/.test ## the tests with random input, with more input, and other input in each run
	@$(BIN)/pytest -q --hypothesis-profile=fuzz -m hypothesis tests/core $(ARGS)

test-vm: $(VENV)/.test ## test a node on a real kernel, in an emulated virtual machine (takes minutes)
	@$(PREREQUISITES)
	@$(BIN)/pytest -s -m vm tests/vm/test_vm.py $(ARGS)

test-examples: $(VENV)/.test ## test every command of the pages in examples/, on one cluster
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/examples $(ARGS)

test-docs: $(VENV)/.test ## test the commands of README and docs, and ./setup.sh, with a running cluster
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/daily/test_*.py $(ARGS) || [ $$? = 5 ]
	@$(BIN)/pytest tests/tutorial $(ARGS) || [ $$? = 5 ]  # its cluster has the same name

docs: $(VENV)/.deploy ## write the generated parts of the documentation
	@$(BIN)/swarmer reference -w && $(BIN)/swarmer facts -w && $(BIN)/swarmer diagram -o docs/cluster.svg > /dev/null

site: $(VENV)/.site ## the documentation as a site, in .swarmer/site: a broken link, a broken anchor or a page in no navigation fails it
	@NO_MKDOCS_2_WARNING=1 $(VENV)/site/bin/mkdocs build $(ARGS) && echo "the site is in .swarmer/site: open .swarmer/site/index.html"

recording: $(VENV)/.test ## docs/up.svg: the screens of `make up` on this machine; it removes the rehearsals of this checkout
	@$(BIN)/python -m tests.recording $(ARGS)

audit-deps: $(VENV)/.test $(VENV)/.audit ## known vulnerabilities of every pinned package, from the database OSV
	@$(BIN)/python -m tests.audit $(ARGS)

dns-proxy: $(VENV)/.deploy ## the image of dns-proxy-compose.yml: names of the cluster on this machine, by a container
	@$(BIN)/swarmer dns-proxy

test-vagrant: $(VENV)/.test ## test Vagrant's machines, as containers
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/vagrant $(ARGS)

test-changes: $(VENV)/.test ## test changes of servers.yml: deploy again, destroy, create again, two clusters, nodes minutes apart
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/changes $(ARGS)

test-fresh: $(VENV)/.test $(VENV)/.checkov $(VENV)/.site $(VENV)/.audit ## test the installations of every target, on a fresh Debian in a folder (takes minutes, and root)
	@$(PREREQUISITES)
	@$(BIN)/pytest tests/setup/test_fresh_machine.py $(ARGS)

test-smoke: $(VENV)/.test ## run the smoke test of an AWS account against the AWS of this machine
	@$(PREREQUISITES)
	@$(BIN)/python -m tests.smoke --rehearse $(ARGS)

smoke-aws: $(VENV)/.deploy ## run the smoke test in your AWS account: it shows its costs, asks once, and cleans up
	@$(BIN)/python -m tests.smoke $(ARGS)

lint: $(VENV)/.test ## run ruff, mypy, import-linter, and the rules for sentences
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report" >&2; exit 1; }
	@$(BIN)/python -m tests.prose --check

prose: $(VENV)/.test ## figures of each page: words, relative clauses and negations per sentence
	@$(BIN)/python -m tests.prose

setup: $(VENV)/.deploy ## make only the virtualenv

setup-dev: $(VENV)/.test ## make the virtualenv with the test tools

bench-up: $(VENV)/.test ## measure the time from one file to a running cluster
	@$(BIN)/python -m benchmarks.up $(ARGS)

bench-status: $(VENV)/.test ## measure the duration of `swarmer status`, and its calls of AWS
	@$(BIN)/python -m benchmarks.status $(ARGS)

bench-healing: $(VENV)/.test ## measure the time until lost nodes are replaced
	@$(BIN)/python -m benchmarks.healing $(ARGS)

bench-rest: $(VENV)/.test ## measure the cost of the node software at rest
	@$(BIN)/python -m benchmarks.rest $(ARGS)

bench-failover: $(VENV)/.test ## measure the outage of the registry after the loss of its holder
	@$(BIN)/python -m benchmarks.failover $(ARGS)

bench-registrator: $(VENV)/.test ## measure the delay until a container's name is in Consul
	@$(BIN)/python -m benchmarks.registrator $(ARGS)

faults: $(VENV)/.test ## test each fault on a running rehearsal, observed from outside
	@$(BIN)/python -m chaos $(ARGS)

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

$(VENV)/.test: $(VENV)/.deploy requirements-dev.txt lambdas/requirements.txt node/requirements.txt
	@$(PIP) install -r requirements-dev.txt -c constraints.txt && touch $@

# Virtualenvs of their own: these tools pin other versions than the project.
$(VENV)/.checkov: tests/templates/requirements.txt
$(VENV)/.site: docs/site/requirements.txt
$(VENV)/.audit: tests/audit/requirements.txt
$(VENV)/.checkov $(VENV)/.site $(VENV)/.audit: $(VENV)/.%: $(VENV)/.python
	@echo "setting up $(VENV)/$* …"
	@$(PYTHON) -m venv $(VENV)/$*
	@$(VENV)/$*/bin/pip --disable-pip-version-check -q install --no-deps -r $(filter %requirements.txt,$^) && touch $@

clean: down ## remove rehearsals, the virtualenv, caches and the CDK's command line
	@rm -rf $(VENV) node_modules .swarmer cdk.out
