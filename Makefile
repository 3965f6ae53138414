# Two commands matter: `make demo` and `make test`. Each prepares .venv by itself.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# By its exact version, before what needs it: a range would pull the newest build with gigabytes of
# CUDA.
TORCH = $$(grep '^torch==' constraints.txt)
# Tests run side by side, file by file, since a file shares its engine.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores : 4)))

.PHONY: help setup fetched demo test lint format types unit vscode vscode-unit vscode-e2e docs bench wheels clean
.DEFAULT_GOAL := help

help:  ## show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/.dev .venv/.node .venv/.llama-index .venv/.editors .venv/.arm  ## prepare .venv with everything for development

demo: .venv/.engine  ## complete code in sample files, as an editor would
	@$(BIN)/midfill demo

test: fetched lint types unit vscode  ## everything that CI checks

# What comes over the network, side by side: pip, npm and apt mostly wait.
fetched:
	@$(MAKE) --no-print-directory -j4 setup .make/vscode-npm .make/editors/vscode/.ready

lint: .venv/.dev  ## ruff and the layer rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: .venv/.dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/.dev  ## mypy and pyright, both strict
	@echo "== mypy and pyright, side by side"
	@$(BIN)/pyright & pyright=$$!; $(BIN)/mypy; mypy=$$?; wait $$pyright && exit $$mypy

unit: .venv/.dev .venv/.node .venv/.llama-index .venv/.editors .venv/.arm  ## all tests
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile

vscode: vscode-unit vscode-e2e  ## the VS Code extension: lint, types, tests, package, a real VS Code

vscode-unit: .make/vscode-npm
	@cd clients/vscode && npm run --silent lint && npm run --silent types && npm test --silent
	@cd clients/vscode && npm run --silent package

vscode-e2e: vscode-unit .make/editors/vscode/.ready .venv/.dev
	@echo "== the extension in $$(cat .make/editors/vscode/.ready)"
	@cd clients/vscode && npm run --silent e2e

docs: .venv/.dev  ## make what docs/ and package.json have of the sources anew
	$(BIN)/python -m midfill_lsp.settings.page docs/configuration.md
	$(BIN)/python -m midfill_lsp.reasons docs/protocol.md
	$(BIN)/python -m midfill_lsp.settings.vscode clients/vscode/package.json

bench: .venv/.dev  ## engine timings beside transformers (last line JSON)
	$(BIN)/python bench/engine.py

# Zig's compiler makes the kernels of every platform on this one.
wheels: .venv/.python  ## wheels for Linux, macOS and Windows, kernels included, into dist/
	@$(PIP) --quiet hatchling ziglang
	@for platform in $$($(BIN)/python -c 'import hatch_build; print(*hatch_build.PLATFORMS)'); do \
	  echo "== $$platform"; \
	  MIDFILL_WHEEL_PLATFORM=$$platform $(BIN)/python -m pip wheel --quiet --no-deps \
	    --no-build-isolation --wheel-dir dist . || exit 1; \
	done

clean:  ## remove .venv, fetched editors and caches
	rm -rf .venv .make clients/vscode/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/.python:
	@test -n "$(PYTHON)" || { echo "no python3 found: install Python 3.11 or later"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is too old: run make PYTHON=/path/to/python3.11-or-later"; exit 1; }
	@echo "== preparing .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv || { \
	  echo "python cannot make environments: on Debian, apt install python3-venv"; exit 1; }
	@$(PIP) --quiet 'pip>=25.1'
	@touch $@

.venv/.engine: .venv/.python pyproject.toml constraints.txt
	@echo "== installing midfill with its engine (the first time takes a minute)"
	@$(PIP) --quiet --progress-bar on -e '.[engine]'
	@echo "== compiling the engine's kernels"
	@$(BIN)/python -m midfill_engine.kernels.build || { \
	  echo "== installing torch in their place"; $(PIP) --progress-bar on $(TORCH); }
	@touch $@

.venv/.dev: .venv/.engine
	@echo "== installing what development needs (the first time takes some minutes)"
	@$(PIP) --progress-bar on $(TORCH)
	@$(PIP) --quiet --progress-bar on --no-compile -e '.[torch]' --group dev
	@touch $@

# Client libraries that tests drive; without npm the test that needs them says what is missing.
.venv/.node: .venv/.python tests/node/package.json tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "== installing client libraries for Node"; \
	  npm ci --silent --ignore-scripts --no-audit --no-fund --prefix tests/node && touch $@; \
	else echo "== npm was not found: tests/engine/serve/test_node_clients.py tells what to do"; fi

# llama-index needs an older openai than the tests drive otherwise, so it has a folder of its own.
.venv/.llama-index: .venv/.python tests/llamaindex/requirements.txt
	@echo "== installing llama-index apart"
	@rm -rf .venv/llama-index
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-compile \
	  --require-hashes --only-binary=:all: --platform any --target .venv/llama-index \
	  -r tests/llamaindex/requirements.txt && touch $@

.make/vscode-npm: clients/vscode/package.json clients/vscode/package-lock.json
	@command -v npm >/dev/null || { \
	  echo "npm was not found: the VS Code extension needs Node 20 or later (Debian: apt install npm)"; \
	  exit 1; }
	@echo "== installing what the VS Code extension is built with"
	@npm ci --silent --ignore-scripts --no-audit --no-fund --prefix clients/vscode
	@mkdir -p .make && touch $@

# Editors that tests drive; where they cannot be fetched, tests/editors tells what to do.
.venv/.editors: .venv/.python tests/editors/get.py
	@echo "== fetching editors from Debian's packages"
	@$(BIN)/python tests/editors/get.py .venv/editors && touch $@ || true

# A compiler for ARM and its emulator; where they cannot be fetched, tests/engine/arm tells what to do.
.venv/.arm: .venv/.python tests/engine/arm/get.py tests/editors/get.py
	@echo "== fetching a compiler for ARM and its emulator from Debian's packages"
	@$(BIN)/python -m tests.engine.arm.get .venv/arm && touch $@ || true

# VS Code as code-server, and Chromium to show it: see the script.
.make/editors/vscode/.ready: clients/vscode/e2e/get-editor.sh
	@clients/vscode/e2e/get-editor.sh $(@D)
