# `make demo` and `make test` need Python 3.11 or newer, make and a package registry; nothing else.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	@mkdir -p demo
	$(BIN)/python -m vidstyle.media.synthetic demo/scene.mp4
	$(BIN)/vidstyle render -y demo/scene.mp4 demo/mosaic.mp4
	@echo "The scene is demo/scene.mp4, the same film in mosaic is demo/mosaic.mp4."

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf demo dist build .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; install one or say make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# The version is pinned, the build is not: pip takes the one, with CUDA or without, that the registry offers.
$(VENV)/.installed-dev: pyproject.toml tests/constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint tests/constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed
