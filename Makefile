# Everything a newcomer types. `make` alone lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
# tests wait more than they work, so there is one more of them than a small machine has cores
JOBS ?= 3
BIN := .venv/bin

.PHONY: help setup demo test proofs check bench docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages (Debian, as root) and .venv
	@$(PYTHON) sandbox/setup.py

demo: setup ## the whole product on this machine, no account needed; ONCE=1 shows one round and ends
	$(BIN)/python -m sandbox.demo $(if $(ONCE),--once)

test: setup ## the tests, against real servers; ARGS='tests/unit -k policy' for some
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

proofs: setup ## the long tests: whatever takes part in a deployment killed at each of its moments
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m long $(ARGS)

check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## the measurements that the documents quote
	$(BIN)/python -m bench $(ARGS)

docs: setup ## the generated pages of docs/ anew from the code
	$(BIN)/python -m config.reference docs/settings.md
	$(BIN)/python -m bot.reference docs/operations.md
	$(BIN)/python -m config.role docs/vsphere-role.md

lock: ## requirements.lock anew from pyproject.toml
	@test -x .cache/uv/bin/uv || { $(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip install -q --disable-pip-version-check uv; }
	.cache/uv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group dev pyproject.toml -o requirements.lock

clean: ## remove .venv, caches and the sandbox's state
	rm -rf .venv .cache .sandbox .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
