# Everything Orris does from a fresh clone. `make help` lists the targets.
#
# Needs Python 3.11 or newer, a C++ compiler, make and perl; all else is installed into .venv with pip.
# Another Python: make PYTHON=python3.13 ...

PYTHON ?= python3
JOBS   ?= 2
# More arguments for pytest, for example: make test ARGS="tests/unit -k config"
ARGS   ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off

# A stamp says which extras are installed, and from which pyproject.toml: change it, and the next make installs.
KEY        := $(shell cksum < pyproject.toml | cut -d ' ' -f 1)
RUN_STAMP  := .venv/orris-run-$(KEY)
DEV_STAMP  := .venv/orris-dev-$(KEY)
FPGA_STAMP := .venv/orris-fpga-$(KEY)
FIRM_STAMP := .venv/orris-firmware-$(KEY)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-long bench bench-fpga lint fpga-tools bitstream flash firmware clean tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(RUN_STAMP) ## a photograph, then handwritten digits, through the whole accelerator in RTL simulation
	@$(BIN)/orris demo
	@echo "== handwritten digits: a network from an ONNX file"
	@$(BIN)/python examples/digits/classify.py

test: lint ## lint, then every test that takes seconds
	@echo "== tests"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

test-long: $(DEV_STAMP) ## the tests that take minutes: whole layers, synthesis
	@$(BIN)/python -m pytest -q -n $(JOBS) -m long $(ARGS)

bench: $(DEV_STAMP) ## measure speed and size, one at a time, and print the figures
	@$(BIN)/python -m pytest -q -s -m bench $(ARGS)

bench-fpga: $(DEV_STAMP) $(FPGA_STAMP) ## build the bitstreams and time the PE array: takes an hour or more
	@$(BIN)/python -m pytest -q -s -m bench_fpga $(ARGS)

lint: $(DEV_STAMP) ## style (ruff) and types (basedpyright)
	@echo "== lint"
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/basedpyright --level error

fpga-tools: $(FPGA_STAMP) ## install what builds and flashes bitstreams

bitstream: $(FPGA_STAMP) ## build a bitstream: make bitstream BOARD=ulx3s-25f
	@$(BIN)/orris fpga build $(or $(BOARD),$(error name a board: make bitstream BOARD=ulx3s-25f ('.venv/bin/orris fpga boards' lists them))) $(ARGS)

flash: $(FPGA_STAMP) ## write it to the board: make flash BOARD=ulx3s-25f
	@$(BIN)/orris fpga flash $(or $(BOARD),$(error name a board: make flash BOARD=ulx3s-25f ('.venv/bin/orris fpga boards' lists them))) $(ARGS)

firmware: $(FIRM_STAMP) ## compile the firmware of microcontrolled accelerators, after a change of it
	@$(BIN)/python -m orris_hw.microcontroller.compile

clean: ## remove the environment and everything built
	rm -rf .venv build dist .pytest_cache .ruff_cache
	find hw sw sim fpga tests -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment -------------------------------------------------------------------------

tools:
	@command -v $(firstword $(CXX)) >/dev/null || { \
	  echo "error: no C++ compiler ($(CXX)); install one (Debian: sudo apt-get install g++)" \
	       "or name yours: make CXX=clang++ ..." >&2; exit 1; }
	@command -v perl >/dev/null || { \
	  echo "error: no perl, which Verilator needs (Debian: sudo apt-get install perl)" >&2; exit 1; }

.venv/bin/python: | tools
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is not Python 3.11 or newer ($$($(PYTHON) --version 2>&1 | tail -n 1));" \
	       "name one that is: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "== creating .venv"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "error: $(PYTHON) cannot create environments (Debian: sudo apt-get install python3-venv)" >&2; exit 1; }

# $(call install,EXTRAS,STAMPS): install with EXTRAS and leave STAMPS, dropping those of other versions.
define install
	@echo "== installing orris$(1) into .venv (about half a minute; log in .venv/install.log)"
	@$(PIP) --editable '.$(1)' > .venv/install.log 2>&1 || { tail -n 20 .venv/install.log >&2; exit 1; }
	@find .venv -maxdepth 1 -name 'orris-*-*' ! -name 'orris-*-$(KEY)' -exec rm {} +
	@touch $(2)
endef

$(RUN_STAMP): | .venv/bin/python
	$(call install,[check],$(RUN_STAMP))

$(DEV_STAMP): | .venv/bin/python
	$(call install,[dev],$(RUN_STAMP) $(DEV_STAMP))

$(FPGA_STAMP): | .venv/bin/python
	$(call install,[fpga],$(RUN_STAMP) $(FPGA_STAMP))

$(FIRM_STAMP): | .venv/bin/python
	$(call install,[firmware],$(RUN_STAMP) $(FIRM_STAMP))
