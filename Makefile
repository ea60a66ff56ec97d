# The verbs of the house. `make` alone says what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
ARGS ?=

.PHONY: help install demo test lint bench load worlds peers fuzz hostile rework lock clean

help: ## what can be done here
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(BIN)/.installed: requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python >= 3.11 is needed: apt-get install -y git make python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed, $(PYTHON) is older: make install PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "the venv module is needed: apt-get install -y python3-venv"; exit 1; }
	@started=$$(date +%s); \
	echo "installing into $(VENV) (locked, with hashes)"; \
	$(PYTHON) -m venv $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
	touch $@ && echo "installed in $$(( $$(date +%s) - started )) s"

install: $(BIN)/.installed ## everything that is needed, into .venv

demo: $(BIN)/.installed ## a small real company, its failures, and the answer beside the truth (ARGS=--large for a decided ratio)
	@$(BIN)/python -m demo $(ARGS)

test: $(BIN)/.installed ## the test suite
	@$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(BIN)/.installed ## style, types, and the rooms' contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(BIN)/.installed ## measure, side by side with a baseline (figures: tests/benchmarks/RESULTS.md)
	@$(BIN)/python -m pytest tests/benchmarks --benchmarks -s $(ARGS)

fuzz: $(BIN)/.installed ## random and damaged requests through both decoders (ARGS="--minutes 10")
	@PYTHONPATH=.:tests $(BIN)/python tests/soak/fuzz.py $(ARGS)

hostile: $(BIN)/.installed ## hostile senders at full size against a server process, five minutes
	@PYTHONPATH=.:tests $(BIN)/python tests/soak/hostile.py $(ARGS)

load: $(BIN)/.installed ## the server under load, from outside (ARGS: server, latency, soak, crash, replay, overload, exporters, peers)
	@PYTHONPATH=tests:. $(BIN)/python -m benchmarks.load $(ARGS)

worlds: $(BIN)/.installed ## generated companies with known truth, and how well failures are attributed (ARGS: --seeds 10 --ladder --cases FILE)
	@PYTHONPATH=tests:. $(BIN)/python -m worlds $(ARGS)

rework: $(BIN)/.installed ## line rework, AI-marked beside unknown, as docs/rework.md has it (REPOS="OWNER/NAME=PATH ...")
	@$(BIN)/aftermerge rework $(REPOS:%=--repo %) $(ARGS)

peers: $(PEERS)/.installed ## other receivers of OTLP, into .venv-peers, for make load ARGS=peers

$(PEERS)/.installed: requirements/peers.txt | $(BIN)/.installed
	@$(PYTHON) -m venv $(PEERS) && \
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --require-hashes -r requirements/peers.txt && touch $@

lock: $(BIN)/.installed ## rebuild requirements/*.txt from pyproject.toml
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header -c requirements/runtime.txt pyproject.toml --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --group build -o requirements/build.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header requirements/peers.in -o requirements/peers.txt

clean: ## remove what install and demo made
	rm -rf $(VENV) $(PEERS) .demo
