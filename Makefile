# Canopy: install, start, test. Everything happens inside .venv; nothing else on the machine changes.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The resolver is a tool of `make lock` alone, so it is no dependency of the project.
UV_VERSION := 0.13.8
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --quiet \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help install install-ml start test check soak matrix lint lock picture clean

help:
	@echo "make install     .venv with the locked dependencies (a second call is instant)"
	@echo "make start       install, then run the bot with the shipped bot.toml"
	@echo "make test        install, then the test suite (at most 10 minutes on 2 cores)"
	@echo "make check       install, then the longer tests (at most 20 minutes more)"
	@echo "make soak        install, then the tests that take hours; SEEDS=10000 simulates so many seeds"
	@echo "make matrix      install, then play the kill-point matrix and write its page in docs"
	@echo "make lint        install, then ruff, mypy and the import contracts"
	@echo "make install-ml  install, then torch for the models"
	@echo "make lock        resolve the pins of pyproject.toml into the lock files"
	@echo "make picture     make the picture in the README anew, from a running bot"
	@echo "make clean       remove .venv and caches"

install: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$( ($(PYTHON) --version || echo absent) 2>/dev/null ); \
		echo "Canopy needs Python 3.11 or newer, and '$(PYTHON)' is $$found:" \
			"install one, then run 'make install PYTHON=python3.11' with its name." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "Python could not make a virtual environment: install its venv package" \
			"(on Debian: apt-get install python3-venv), then run 'make install' again." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation -e .
	@echo "compiling the venue's kernels, once"
	@$(BIN)/python -m venue.warm_up
	@touch $(STAMP)

install-ml: install
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-ml.lock

start: install
	$(BIN)/bot start

test: install
	$(BIN)/python tests/run_slices.py test

check: install
	$(BIN)/python tests/run_slices.py check

# SEEDS=N simulates so many seeds instead, goes on where an earlier one stopped, and reports.
SEEDS ?=
soak: install
ifeq ($(SEEDS),)
	$(BIN)/python tests/run_slices.py soak
else
	@mkdir -p build
	$(BIN)/bot sim --seeds $(SEEDS) --hours 0.01 --resume build/soak.json \
		--report docs/simulation-report.md
endif

matrix: install
	$(BIN)/python -m tests.whole.matrix

lint: install
	$(BIN)/python tests/lint.py

lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(COMPILE) --generate-hashes -o requirements.lock
	$(COMPILE) --generate-hashes --group dev -o requirements-dev.lock
	$(COMPILE) --extra ml --no-annotate --no-header -o .requirements-ml.raw
	@{ echo "# Made by 'make lock'; installed by 'make install-ml' on top of requirements-dev.lock."; \
	echo "# Without hashes: torch 2.13.0 comes as several builds (CPU, CUDA) under one version, a"; \
	echo "# machine may offer its own, and pip demands hashes for all lines or for none."; \
	echo "# The CUDA build's own libraries are left out: torch pins them exactly, and the CPU build,"; \
	echo "# which is enough, has none."; \
	grep -vE '^(cuda-|nvidia-|triton)' .requirements-ml.raw; } > requirements-ml.lock
	@rm .requirements-ml.raw

picture: install
	docs/picture.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build \
		canopy_bot.egg-info
