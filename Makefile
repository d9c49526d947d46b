# Every target makes .venv first, when there is none or when what it is made from has changed.

.DEFAULT_GOAL := help
# Where it is set, each process that is started compiles all of its modules anew: three seconds of CPU.
unexport PYTHONDONTWRITEBYTECODE
.NOTPARALLEL:

BIN := .venv/bin
READY := .venv/.ready

# Which Python .venv is made with; `make demo PYTHON=/path/to/python3.12` chooses.
PYTHON := python3.13 python3.12 python3.11 python3
# What is handed on: `make bench ARGS=--help`, `make test ARGS="-k ledger"`.
ARGS :=
# Tests run on this many processes: three for two cores, as a third of their time is waiting.
JOBS = $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n + n / 2)))

.PHONY: help demo up bench bench-check test fuzz soak outcomes static check format lock lock-runtime clean

help: ## Say what there is to make.
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 — /p' Makefile | while read -r name _ words; do printf '  make %-12s %s\n' "$$name" "$$words"; done

demo: $(READY) ## Start everything on this machine and watch messages travel.
	@$(BIN)/postroad demo $(ARGS)

up: $(READY) ## Start PostgreSQL, Valkey, the workers, the gateway and Flower; stop with Ctrl-C.
	@$(BIN)/postroad up $(ARGS)

bench: $(READY) ## Measure how many messages a second this machine carries.
	@$(BIN)/postroad bench $(ARGS)

bench-check: $(READY) ## Compare this tree's speed with that of the commit in tests/bench/BASE, by turns; half an hour.
	@$(BIN)/python -m workers.lab.bench.check $(ARGS)

test: $(READY) ## Run the tests, on real PostgreSQL and Valkey started for them.
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

# One test a subject, each marked `fuzz`; `make fuzz ROUNDS=1000 ARGS="-k broker"` chooses.
ROUNDS := 10000

fuzz: $(READY) ## Send 10,000 mutated messages at each listener; takes minutes.
	POSTROAD_FUZZ=$(ROUNDS) $(BIN)/python -m pytest -n 1 -m fuzz --timeout 3600 $(ARGS)

# Tests marked `soak`, at the sizes that the suite runs at a few percent.
soak: $(READY) ## Run the tests of campaigns, and of pages over six million messages, at full size; takes up to an hour.
	POSTROAD_SOAK=1 $(BIN)/python -m pytest -n 1 -m soak --timeout 7200 $(ARGS)

outcomes: $(READY) ## Write docs/outcomes.md anew from the tables of carriers' codes.
	@$(BIN)/python -m pipeline.carriers.outcome_tables > docs/outcomes.md

static: $(READY) ## Check style, types and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --strict schema pipeline workers tests
	$(BIN)/lint-imports --no-logo

check: static test ## Do both; what a change must pass.

format: $(READY) ## Lay the code out and mend what ruff can mend.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Both lock files are written by uv; that of the image at the versions of that for development.
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade --system-certs --generate-hashes \
  --no-emit-index-url --no-header --no-annotate --quiet
COMPILE_RUNTIME := $(COMPILE) --extra sentry --constraint requirements.lock --output-file requirements-runtime.lock

lock: $(READY) ## Write both lock files from setup.cfg, at the newest versions that fit.
	$(COMPILE) --extra embedded --extra sentry --extra dev --output-file requirements.lock
	$(COMPILE_RUNTIME)

lock-runtime: $(READY) ## Write requirements-runtime.lock, which the image installs, at the versions of requirements.lock.
	$(COMPILE_RUNTIME)

clean: ## Remove .venv and what tools left; never .postroad, which holds your messages.
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find schema pipeline workers tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock setup.cfg pyproject.toml
	@set -eu; \
	began=$$(date +%s); rm -f $@; \
	if $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "Bringing .venv in step with requirements.lock …"; \
	else \
	  python= bare=; \
	  for one in $(PYTHON); do \
	    "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    if "$$one" -c 'import ensurepip, venv' 2>/dev/null; then python=$$one; break; fi; \
	    bare=$$one; \
	  done; \
	  if [ -z "$$python" ] && [ -n "$$bare" ]; then \
	    echo "$$bare cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	  elif [ -z "$$python" ]; then \
	    echo "Postroad needs Python 3.11 or newer; there is none here as $(PYTHON). Say where: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making .venv with $$("$$python" --version): $$(grep -c '^[a-z0-9]' requirements.lock) packages," \
	    "550 MB, mostly under a minute …"; \
	  "$$python" -m venv --clear .venv; \
	fi; \
	pip="$(BIN)/python -m pip -qq --disable-pip-version-check --no-input"; \
	$$pip install --no-compile --require-hashes -r requirements.lock; \
	$$pip install --no-deps --no-build-isolation --no-index -e .; \
	touch $@; \
	echo "… done in $$(( $$(date +%s) - began )) s."
