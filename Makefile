# Two commands do all set-up: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The network's extra, so that its tests run too; `make test TORCH=` does without.
TORCH ?= torch==2.13.0
# What fills the machine, or measures it, runs after the others and by itself.
WORKERS ?= $(shell nproc)
DEBIAN := prometheus:prometheus chromium:chromium postgresql:/usr/lib/postgresql

.PHONY: run test check warm docs debian vllm vllm-if-possible clean

run: $(VENV)/.installed ## Install, then run everything on this machine.
	$(BIN)/leadtime up

test: $(VENV)/.installed-dev debian vllm-if-possible ## Install for development, check and test.
	@$(MAKE) --no-print-directory -j2 check warm
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not alone and not vllm"
	$(BIN)/pytest -m "alone or vllm" $$(grep -rlE 'mark\.(alone|vllm)' tests --include='test_*.py')

check: $(VENV)/.installed-dev ## Style, types and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# What would else be compiled by whichever test comes first; beside the checks, since it takes one core for a minute.
warm: $(VENV)/.installed-dev
	@$(BIN)/python -m runtime.simulated.warm

docs: $(VENV)/.installed-dev ## The documentation as a site, into build/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11; give another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Compiling the simulator's kernel takes half a minute once; done here, every start is quick.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m runtime.simulated.warm
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' $(TORCH)
	touch $@

# Real parts that some tests run against; where they cannot be installed, those tests are skipped by name.
debian:
	@missing=$$(for part in $(DEBIAN); do \
		name=$${part%%:*}; where=$${part#*:}; \
		command -v $$where >/dev/null 2>&1 || [ -d $$where ] || echo $$name; done); \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; \
	elif [ -n "$$missing" ]; then echo "not installed, its tests will be skipped: $$missing"; fi

vllm: $(VENV)/bin/python ## Real engines for this machine (GPU or CPU build), in an environment of their own.
	$(BIN)/python -m runtime.local.install .venv-vllm

vllm-if-possible: $(VENV)/bin/python
	@test -n "$$LEADTIME_VLLM_PYTHON" || $(BIN)/python -m runtime.local.install .venv-vllm \
		|| echo "without vLLM, its tests will be skipped"

clean: ## Remove the virtual environment and caches.
	rm -rf $(VENV) .venv-vllm .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
