# Two commands do everything on a fresh machine: `make demo` and `make test`.
# PYTHON chooses the Python that the virtual environment is made with; ARGS goes to pytest, the demo or the benchmark.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3 python,$(if $(shell command -v $(p)),$(p))))
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
SETUP := $(PYTHON) scripts/setup.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench lint format types docs pictures constraints clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## virtual environment, pinned packages, Qt's system libraries
	@$(SETUP)

demo: setup ## denoise the sample in a real napari window; results in demo-output/
	@$(BIN)/python -m napari_blind2grad.gui.demo --output demo-output $(ARGS)

test: setup ## every test, with real napari windows (on Linux under Xvfb), on two cores
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: ## measure ours and the peers on a few images (15 minutes); table in docs/results.md
	@$(SETUP) --no-window --extras all,test,dev,bench
	@$(BIN)/python benchmarks/run.py --suite quick $(ARGS)
	@$(BIN)/python benchmarks/report.py

lint: ## check style and formatting
	@$(SETUP) --no-window
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: ## reformat, and mend what can be mended by itself
	@$(SETUP) --no-window
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: ## check types
	@$(SETUP) --no-window
	$(BIN)/mypy

docs: ## build the documentation into site/
	@$(SETUP) --no-window --extras all,test,dev,docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: setup ## photograph the real window for the documentation
	@$(BIN)/python -m napari_blind2grad.gui.demo --output build/pictures --exit
	cp build/pictures/screenshot.png docs/images/window.png
	@$(BIN)/python scripts/pictures.py

constraints: ## resolve all packages anew and pin them in constraints.txt
	@PYTHON=$(PYTHON) scripts/pin.sh

clean: ## remove all that make made
	rm -rf .venv build dist site demo-output .hypothesis .mypy_cache .pytest_cache .ruff_cache
