# make setup   .venv with the command `soap`, and the head model built once
# make avatar  setup, then the sample portrait into papermill_runs/astronaut
# make test    setup, then all tests
# make lint    style and format
# make clean   remove what the above have made, but for the runs

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.soap-ready
# A Python that mediapipe 0.10.21 and anny both know, 3.11 before the others; PYTHON=... overrides.
PYTHON := $(shell for python in python3.11 python3.12 python3.10 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& { echo $$python; break; }; done)

.PHONY: setup avatar test lint clean
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "soaplib needs Python 3.10, 3.11 or 3.12 (mediapipe 0.10.21 is made for no later one);" \
		"found: $$(python3 --version 2>&1). Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; } >&2
	@# Debian's Python has no ensurepip without python3-venv: then its own pip fills the environment.
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	@echo "Setting up $(VENV) with $$($(BIN)/python --version); the first time this takes some minutes."
	$(BIN)/python -m pip install --quiet --upgrade "pip>=23.1"
	@# torch first and alone, so that nothing else has a say in which build of it comes.
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	@# OpenCV's wheel wants two libraries of the system, which bare containers lack.
	@$(BIN)/python -c "import cv2" 2>/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1 \
			&& apt-get update -qq && apt-get install -qq -y --no-install-recommends libgl1 libglib2.0-0 >/dev/null; } \
		|| echo "OpenCV does not load; on Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0"
	$(BIN)/soap doctor --build
	@touch $@

avatar: setup
	$(BIN)/soap run astronaut

test: setup
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory node_modules/.soap-ready; \
	else echo "no npm here: the Khronos glTF validator is left out"; fi
	$(BIN)/python -m pytest

node_modules/.soap-ready: package.json
	npm install --no-audit --no-fund --no-package-lock --loglevel=error
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) node_modules *.egg-info build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
