# Every command of this project. `make` alone lists them.
ARGS ?= --sandbox capabilities/*.yaml
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: help install run shipyard test conformance check format bench compatibility clean
help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

install: $(STAMP)  ## make .venv with the runtime and its tools, with the first Python >= 3.11 found

run: install  ## serve capabilities/*.yaml from the embedded sandbox (ARGS="..." for other arguments)
	exec $(VENV)/bin/naftiko-run $(ARGS)

shipyard: install  ## run the APIs that examples/shipyard calls, until interrupted
	exec $(VENV)/bin/python -m tests.upstreams

test: install  ## run the tests, two files at a time (ARGS="-k name" to choose)
	$(VENV)/bin/pytest -n 2 --dist loadfile $(if $(filter command\ line environment,$(origin ARGS)),$(ARGS))

conformance: install  ## run the MCP conformance suite and other people's clients, which npm downloads
	NAFTIKO_CONFORMANCE=required $(VENV)/bin/pytest tests/conformance tests/clients

check: install  ## format, lint and types, changing nothing
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: install  ## format and mend what can be mended mechanically
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

bench: install  ## measure throughput and latency (CELLS="mcp routes" to choose, QUICK=1 for a look)
	$(VENV)/bin/python bench/run.py $(CELLS)

compatibility: install  ## write docs/compatibility.md of the tests that prove it
	$(VENV)/bin/python -m tests.cases.compatibility

clean:  ## remove everything that was made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Usable means: starts at all, is new enough, and can make an environment with pip in it.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
$(STAMP): pyproject.toml constraints.txt
	@$(VENV)/bin/python -c 'import pip' 2>/dev/null || { \
	  for python in python3.13 python3.12 python3.11 python3; do \
	    if $$python -c '$(USABLE)' 2>/dev/null; then set -x; exec $$python -m venv --clear $(VENV); fi; \
	  done; echo 'No Python 3.11 or newer with venv was found: install python3 and python3-venv.' >&2; exit 1; }
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
