# Everything a developer runs. All that is generated stands under build/.

PYTHON ?= python3
RUN := $(PYTHON) tools/run.py
HOSTS := $(PYTHON) tools/testhosts.py

# The stages of `make test`, in order.
STAGES := lint docs sanity unit programs integration molecule e2e lives cores

# make molecule SCENARIO=alternative, make unit ARGS='-k grants -x', make release VERSION=1.0.0
SCENARIO ?=
ARGS ?=
VERSION ?=
# How many processes run the unit tests: one, but for make check.
WORKERS ?=

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test test-all matrix check bench bench-access bench-kinds bench-audit bench-hosts bench-mounts bench-replicas between next $(STAGES) toolchain toolchain-mlflow toolchain-between toolchain-next toolchain-servers build hosts format release lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: toolchain-mlflow build ## Deploy two teams on throwaway hosts, to look at
	@$(RUN) python tools/demo.py $(ARGS)

test: toolchain-servers ## Run all of the checks below; the exit code is the verdict
	@$(RUN) python tools/check.py $(STAGES)

test-all: test matrix ## The above, each ansible-core that is supported, and the stories that run on request
	@$(MAKE) e2e ARGS="-m on_request"
	@$(MAKE) lives ARGS="-m on_request"
	@$(RUN) pytest tests/servers -m on_request

cores: toolchain-servers build ## The oldest and the newest ansible-core: the plugins' tests, and the demo over SSH
	@nice -n 10 $(RUN) python tools/matrix.py --ends
	@$(RUN) pytest tests/cores $(ARGS)

matrix: toolchain ## The plugins' tests and sanity with each ansible-core (ARGS="2.17 2.21" for some)
	@$(RUN) python tools/matrix.py $(ARGS)

check: toolchain ## Run linters and unit tests: nothing that boots
	@WORKERS="-n auto --dist worksteal" $(RUN) python tools/check.py lint unit

lint: build ## yamllint, ansible-lint, ruff, mypy, documentation, changelog, what Galaxy says
	@$(RUN) python tools/lint.py $(ARGS)

sanity: toolchain ## ansible-test sanity, without exceptions
	@$(RUN) python tools/sanity.py $(ARGS)

unit: toolchain ## Unit tests: what takes a moment and no program but Python
	@$(RUN) pytest tests/unit $(WORKERS) $(ARGS)

programs: toolchain-servers ## The same house with real programs: Ansible, pip, PostgreSQL, restic
	@$(RUN) pytest tests/programs $(ARGS)

integration: toolchain-servers build ## The modules and playbooks against real MLflow servers
	@$(RUN) python tools/integration.py $(ARGS)

between: toolchain-between build ## The modules against an MLflow between the older ones and the newest
	@MLOPS_MLFLOW_BETWEEN=yes $(RUN) pytest tests/servers -k mlflow-3.15.2 $(ARGS)

next: toolchain-next build ## The modules and the servers' program against the MLflow after the newest
	@MLOPS_MLFLOW_NEWEST=mlflow-3.18.0 $(RUN) pytest tests/servers -k "not mlflow-2 and not mlflow-3.12" $(ARGS)

molecule: build ## The roles on systemd hosts (SCENARIO=… for one)
	@$(RUN) python tools/scenarios.py $(SCENARIO)

e2e: toolchain-servers build ## Whole stories on systemd hosts
	@$(RUN) pytest tests/e2e $(ARGS)

lives: toolchain-servers build ## Upgrades, backups, moves and ends of teams, on a host of their own
	@$(RUN) pytest tests/lives $(ARGS)

docs: build ## The documentation as a site, in build/docs/html
	@$(RUN) python tools/website.py
	@$(RUN) pytest tests/site

bench: ## Measure everything, side by side with the ways it replaces
	@$(MAKE) bench-access bench-kinds bench-audit bench-hosts bench-mounts bench-replicas ARGS=

bench-access: toolchain-mlflow build ## Measure managing access (ARGS=users)
	@$(RUN) python bench/access.py $(ARGS)

bench-kinds: toolchain-mlflow build ## Measure managing every kind of thing (ARGS=users)
	@$(RUN) python bench/kinds.py $(ARGS)

bench-audit: toolchain-mlflow ## Measure what the audit lines cost a server
	@$(RUN) python bench/audit.py

bench-hosts: toolchain-mlflow build ## Measure a host with many teams (ARGS="server site onboard many wakes --keep")
	@$(RUN) python bench/hosts.py $(ARGS)

bench-mounts: toolchain-mlflow build ## Measure artifacts as files (ARGS="--mib 512 --runs 200 --users 10")
	@$(RUN) python bench/mounts.py $(ARGS)

bench-replicas: toolchain-mlflow build ## Measure a team on several hosts (ARGS="--share 4 --rounds 4")
	@$(RUN) python bench/replicas.py $(ARGS)

build: toolchain ## Build the collection and install it in build/collections
	@$(RUN) python tools/build.py

toolchain: ## Install system packages and build/venv
	@$(PYTHON) tools/toolchain.py

toolchain-mlflow:
	@$(PYTHON) tools/toolchain.py --mlflow

toolchain-between:
	@$(PYTHON) tools/toolchain.py --between

toolchain-next:
	@$(PYTHON) tools/toolchain.py --next

toolchain-servers:
	@$(PYTHON) tools/toolchain.py --servers

hosts: ## List the throwaway hosts that run
	@$(HOSTS) list

format: toolchain ## Format the Python code, and write the roles' READMEs
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) python tools/readmes.py

release: toolchain ## Make a release here, and say how to publish it (VERSION=1.0.0)
	@$(RUN) python tools/release.py --check "$(VERSION)"
	@$(MAKE) lint sanity unit programs
	@$(RUN) python tools/release.py "$(VERSION)"

lock: ## Pin what the requirements lead to
	@$(PYTHON) tools/toolchain.py --lock
	@$(RUN) python tools/constraints.py

clean: ## Remove everything: hosts, network, images, build/
	@code=0; if command -v podman >/dev/null; then $(HOSTS) purge || code=$$?; fi; \
		rm -rf build; exit $$code
