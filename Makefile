# Needs Python 3.11 or newer with venv, make and a network. Everything else comes from the package registries.
# `make demo ARGS="--speed max"`, `make test ARGS="tests/schemas -k decode"` and so on pass options through.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Belongs to this place: a checkout that was moved gets a new .venv, since scripts in it name the old place.
STAMP := $(VENV)/.installed-$(shell pwd | cksum | cut -d ' ' -f 1)
UV = $(shell command -v uv || echo $(BIN)/uv) pip install --python $(BIN)/python
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The lock is complete: --no-deps spares the resolver (and pip's trips over hashes of extras).
LOCKED = --no-deps --require-hashes -r requirements.lock
# Half of all there is to compile, and hardly anybody imports it: what is imported of it is compiled then.
RARE := /(numpy|pandas|pyarrow|scipy|sklearn|statsmodels|nltk)/(.*/)?tests/|/plotly/(graph_objs|validators)/
PYTHONS := 3.11 3.12 3.13 3.14
# One thread a process: BLAS' own threads take each other's time.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup env docs demo test test-fast test-pythons test-docker chaos lint format stack-up stack-status stack-down doctor dashboards backup restore bench bench-setup lock clean distclean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do \
		printf '  %-14s %s\n' "$$target" "$$text"; done

setup: $(STAMP) ## make .venv from requirements.lock; nothing to do when nothing changed

env: ## write .env for docker compose, with new passwords
	@$(or $(PYTHON),python3) -m cli.env

demo: setup ## replay a month through Kafka, windows and drift detection, live in this terminal
	@$(BIN)/driftline demo $(ARGS)

test: setup ## all tests; they start and stop their own Kafka and Postgres
	@$(ONE_THREAD) $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

test-fast: setup ## the tests that need no services
	@$(ONE_THREAD) $(BIN)/python -m pytest -m "not integration and not faults and not real and not docker" $(ARGS)

test-pythons: ## test-fast under every Python that is claimed and found, each in a .venv of its own
	@tried= failed= absent=; for version in $(PYTHONS); do \
		found=$$(for python in python$$version "$$HOME"/.pyenv/versions/$$version.*/bin/python3 \
			"$$(uv python find $$version 2>/dev/null)"; do \
			"$$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null \
			&& { echo "$$python"; break; }; done); \
		if [ -z "$$found" ]; then absent="$$absent $$version"; continue; fi; \
		echo "--- Python $$version: $$found"; tried="$$tried $$version"; \
		$(MAKE) --no-print-directory test-fast VENV=.venv/pythons/$$version PYTHON="$$found" \
			|| failed="$$failed $$version"; \
	done; echo "tried:$${tried:- none}; failed:$${failed:- none}; not found:$${absent:- none}"; \
	[ -n "$$tried" ] && [ -z "$$failed" ]

test-docker: setup ## bring the compose files up for real and break things; says so where no Docker engine answers
	@$(ONE_THREAD) $(BIN)/python -m pytest -m docker -n 2 --dist loadfile tests/docker $(ARGS)

chaos: setup ## kill, freeze and cut off real processes at random and compare the rows: make chaos ARGS="--seeds 1..20"
	@$(ONE_THREAD) $(BIN)/python -m tests.chaos $(ARGS)

docs: setup ## write docs/variables.md anew from the options of the commands
	@$(BIN)/python -m cli.variables

lint: setup ## format, lint, types and import rules: report only
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## rewrite the code as `lint` wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

stack-up: setup ## start Kafka and Postgres and keep them
	@$(BIN)/driftline stack up $(ARGS)

stack-status: setup ## say where they are
	@$(BIN)/driftline stack status $(ARGS)

stack-down: setup ## stop them; data stay
	@$(BIN)/driftline stack down $(ARGS)

doctor: setup ## what is wrong here and what to do
	@$(BIN)/driftline doctor $(ARGS)

dashboards: setup ## write Grafana's dashboards anew from grafana/
	@$(BIN)/python -m grafana.generate

backup: setup ## save the database in a file: make backup [FILE=path]
	@$(BIN)/driftline backup $(if $(FILE),--out "$(FILE)") $(ARGS)

restore: setup ## put a backup in its place: make restore FILE=path [ARGS=--yes]
	@test -n "$(FILE)" || { echo "Which backup? make restore FILE=path (make backup writes one)" >&2; exit 2; }
	@$(BIN)/driftline restore "$(FILE)" $(ARGS)

bench-setup: setup ## the peers' own .venv, for `bench`
	@[ -x benchmarks/.venv/bin/python ] || $(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install --quiet --no-deps --require-hashes -r benchmarks/requirements.lock

bench: bench-setup ## measure ours, the peers' and the floors, side by side
	@$(ONE_THREAD) $(BIN)/python -m benchmarks $(ARGS)

lock: COMPILE = $(BIN)/uv pip compile --quiet pyproject.toml --universal --generate-hashes --no-annotate --no-header
lock: setup ## resolve dependencies and Kafka's jars anew, and write them down with their hashes
	@$(COMPILE) --group dev --group embedded --output-file requirements.lock $(ARGS)
	@$(COMPILE) --constraints requirements.lock --output-file requirements-image.lock
	@$(BIN)/python -m local.stack.jars > $(VENV)/jars.txt && mv $(VENV)/jars.txt local/stack/jars.txt

clean: ## stop the stack and remove its data, caches and build leftovers
	@if [ -e $(STAMP) ]; then $(BIN)/python -c \
		'from local import stack; from runtime.connections import STATE; stack.down(); stack.down(STATE / "tests")'; fi
	@rm -rf .driftline .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	@rm -rf .venv

$(STAMP): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, found: $$( { $(or $(PYTHON),python3) --version; } 2>/dev/null || echo none)." \
		"Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@for old in $(VENV)/.installed-*; do if [ -e "$$old" ] && [ "$$old" != "$@" ]; then rm -rf $(VENV); fi; done
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing." \
		"Install it (Debian, Ubuntu: apt install python3-venv), or name another Python:" \
		"make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "installing what requirements.lock lists into $(VENV): 311 MB to fetch where nothing is cached"
	@sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^ /p;}' requirements.lock > $(VENV)/uv.txt
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || $(PIP) --require-hashes -r $(VENV)/uv.txt || true
	@# uv brings its own certificates; behind a proxy only the system's will do; where uv fails altogether, pip.
	@uv=$$(command -v uv || echo $(BIN)/uv); { [ -x "$$uv" ] && { $(UV) $(LOCKED) || { \
		echo "once more, with this system's certificates" >&2; \
		UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 $(UV) $(LOCKED); }; }; } || { echo "with pip, which takes longer" >&2; \
		$(PIP) --no-compile $(LOCKED); } || { echo "The packages could not be fetched (above: why)." \
		"Is there a network? Behind a proxy set HTTPS_PROXY, with a mirror UV_DEFAULT_INDEX and PIP_INDEX_URL;" \
		"then \`make setup\` again: what has been fetched is kept." >&2; exit 1; }
	@$(BIN)/python -W ignore -m compileall -qq -j 0 -x '$(RARE)' $(VENV)/lib || true
	@$(PIP) --no-deps --no-build-isolation --editable .
	@# A relative path: in the C locale Python before 3.13 cannot read that of a checkout below a folder called ü.
	@$(BIN)/python -c 'import os, sysconfig; place = os.path.realpath(sysconfig.get_path("purelib")); \
		open(place + "/_driftline_app.pth", "w").write(os.path.relpath(os.getcwd(), place))'
	@touch $@
	@echo "installed; make help lists what there is"
