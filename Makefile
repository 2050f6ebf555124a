# One entrance to everything. `make help` lists the targets.
#
# VENV=/path reuses an environment that exists, as it is; without it, .venv is made on first use.

VENV ?= .venv
PYTHON := $(VENV)/bin/python
READY := $(if $(filter .venv,$(VENV)),.venv/.ready,reused-environment)
JOBS ?= 2
# Of `make bench`: all cores by default, and the CPU.
THREADS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')
DEVICE ?= cpu
SNAKEMAKE = $(PYTHON) -m snakemake --cores $(JOBS) --nolock --keep-going --rerun-incomplete
# A failing step prints its own error. Quiet, Snakemake is silent about an error in the plan
# itself (a missing file, a slip in the Snakefile), so after a failure the plan is made once more.
MAKE_TARGET = $(SNAKEMAKE) $(1) --quiet all || { \
  why=$$($(SNAKEMAKE) --dry-run $(1) 2>&1) || echo "$$why" >&2; exit 1; }
ARCHIVE = $(PYTHON) -m unlearning.companion.archive $(if $(filter 1,$(DIRTY)),--dirty)
PYTEST = $(PYTHON) -m pytest

# This checkout's library comes first, also in an environment that was made for another checkout.
export PYTHONPATH := $(CURDIR)/src
# One thread a notebook or test worker: two of them run at a time, and sums keep their order.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help venv book draft archive pdf references test test-library test-notebooks lint format \
        bench upgrade clean clean-venv reused-environment

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' \
	  | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'

venv: $(READY)  ## Make the virtual environment .venv (every target does it when needed)

.venv/.ready: pyproject.toml constraints.txt
	@bash .ci/make_venv .venv

reused-environment:
	@test -x $(PYTHON) || { echo "VENV=$(VENV): expected an environment with bin/python" >&2; exit 2; }

book: $(READY)  ## Execute the chapters that changed and build the book
	@$(call MAKE_TARGET,book)
	@echo "The book is at file://$(CURDIR)/_build/html/index.html"

draft: $(READY)  ## CHAPTER=03: execute (if changed) and render one chapter, fast
	@name=$$(cd notebooks && ls $(CHAPTER)_*.md 2>/dev/null | head -n 1); \
	if [ -z "$(CHAPTER)" ] || [ -z "$$name" ]; then \
	  echo "CHAPTER: expected a chapter's number, got '$(CHAPTER)'; known:" >&2; \
	  ls notebooks | sed -n 's/^\([0-9][0-9]\)_\(.*\)\.md$$/  \1  \2/p' >&2; exit 2; \
	fi; \
	$(call MAKE_TARGET,"_build/draft/$${name%.md}.done"); \
	echo "The chapter is at file://$(CURDIR)/_build/draft/_build/html/notebooks/$${name%.md}.html"

archive: $(READY)  ## Bundle sources, pages, records and checksums; DIRTY=1: with changes
	@$(ARCHIVE) --check-tree
	@$(call MAKE_TARGET,book)
	@$(ARCHIVE)

pdf: $(READY)  ## Print the book to one PDF (needs Chromium)
	@$(call MAKE_TARGET,book)
	@$(PYTHON) -m unlearning.companion.pdf

references: $(READY)  ## Refresh the executed references of nbval and show what changed
	@$(call MAKE_TARGET,executed)
	@$(PYTHON) tests/notebooks/refresh_references.py

test: test-library test-notebooks  ## Run all tests

test-library: book  ## Run the tests of the library, the command and the built book
	$(PYTEST) -n 2 --dist loadfile --junitxml=_build/tests-library.xml

test-notebooks: $(READY)  ## Repeat the chapters and compare with their references
	$(PYTEST) --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
	  -n 2 --dist loadscope --junitxml=_build/tests-notebooks.xml tests/reference

bench: $(READY)  ## Measure speed and memory; QUICK=1, THREADS=2, DEVICE=cuda, ONLY="cnn disk"
	@OMP_NUM_THREADS=$(THREADS) MKL_NUM_THREADS=$(THREADS) OPENBLAS_NUM_THREADS=$(THREADS) \
	  $(PYTHON) -m benchmarks $(ONLY) --device $(DEVICE) $(if $(filter 1,$(QUICK)),--quick)

lint: $(READY)  ## Check style, docstrings and the floors of the library
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(VENV)/bin/lint-imports

format: $(READY)  ## Mend style
	@$(PYTHON) -m ruff check --fix . ; $(PYTHON) -m ruff format .

upgrade:  ## For the maintainer: resolve all versions anew and write constraints.txt
	@bash .ci/upgrade

clean:  ## Remove everything generated but the environment
	rm -rf _build build dist book/notebooks .snakemake .pytest_cache .ruff_cache .import_linter_cache

clean-venv:  ## Remove .venv
	rm -rf .venv
