# Everything by name: `make` lists the targets. ARGS goes on to the command behind a target.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench docs constraints

ARGS ?=
RUN := .venv/bin

help: ## List the targets
	@echo "feiqian 飞钱. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'ARGS goes on to the command: make test ARGS="-k ledger". PYTHON=... chooses the interpreter.'

setup: ## Make .venv with everything, for work on the code
	@test ! -s .venv/.missing || rm -f .venv/.done-dev
	@tools/setup dev

demo: ## Start the town: a server with shops and people to try (ARGS="--exit --json" runs once and ends)
	@tools/setup core
	@$(RUN)/feiqian demo $(ARGS)

test: ## Run the tests (ARGS="-k ledger" runs some)
	@tools/setup dev
	@$(RUN)/python tools/test.py $(ARGS)

check: ## Check format, style and types
	@tools/setup dev
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy $(ARGS)

bench: ## Measure throughput and latency on this machine (ARGS=--json for machines)
	@tools/setup dev
	@$(RUN)/python -m bench $(ARGS)

docs: ## Write docs/reference anew from the code
	@tools/setup core
	@$(RUN)/python tools/reference.py $(ARGS)

constraints: ## Fit constraints.txt to pyproject.toml (needs uv; ARGS=--upgrade chooses newer versions)
	printf 'hatchling\neditables\n' | uv pip compile -q --universal --python-version 3.11 \
		--no-header --no-annotate --all-extras -o constraints.txt pyproject.toml - $(ARGS) >/dev/null
