# Needs Python 3.11 or newer with venv, make and a network. Everything else is downloaded from package registries.
# `make demo ARGS="--speed max"`, `make test ARGS="tests/schemas -k decode"` and so on pass options through.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Named after this folder: a checkout that was moved gets a new .venv, since scripts in it contain the old path.
STAMP := $(VENV)/.installed-$(shell pwd | cksum | cut -d ' ' -f 1)
UV = $(shell command -v uv || echo $(BIN)/uv) pip install --python $(BIN)/python
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The lock is complete, so --no-deps skips the resolver (and pip's trouble with hashes of extras).
LOCKED = --no-deps --require-hashes -r requirements.lock
# Half of all there is to compile, and rarely imported: it is compiled when it is imported.
RARE := /(numpy|pandas|pyarrow|scipy|sklearn|statsmodels|nltk)/(.*/)?tests/|/plotly/(graph_objs|validators)/
PYTHONS := 3.11 3.12 3.13 3.14
# One thread per process: BLAS' own threads compete with each other.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup env docs demo test test-fast test-pythons test-docker chaos tune lint format stack-up stack-status stack-down doctor dashboards backup restore verdicts verdicts-setup bench bench-setup lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do \
		printf '  %-14s %s\n' "$$target" "$$text"; done

setup: $(STAMP) ## create .venv from requirements.lock, unless it is up to date

env: ## write .env for docker compose, with new passwords
	@$(or $(PYTHON),python3) -m cli.env

demo: setup ## replay a month through Kafka, windows and drift detection, live in this terminal
	@$(BIN)/driftline demo $(ARGS)

test: setup ## run all tests, on an embedded Kafka and Postgres of their own
	@$(ONE_THREAD) $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

test-fast: setup ## run only the tests that need no services
	@$(ONE_THREAD) $(BIN)/python -m pytest -m "not integration and not faults and not real and not docker" $(ARGS)

test-pythons: ## run test-fast on every supported Python that is installed, each in its own .venv
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

test-docker: setup ## start the compose files and break things; skipped, with a message, without a Docker engine
	@$(ONE_THREAD) $(BIN)/python -m pytest -m docker -n 2 --dist loadfile tests/docker $(ARGS)

chaos: setup ## kill, freeze and disconnect real processes at random, compare the rows: make chaos ARGS="--seeds 1..20"
	@$(ONE_THREAD) $(BIN)/python -m tests.chaos $(ARGS)

tune: setup ## try window sizes on a synthetic quarter, with every scenario: .driftline/tuning/tuning.html
	@$(ONE_THREAD) $(BIN)/driftline tune --synthetic --holidays US-NY $(ARGS)

docs: setup ## generate docs/variables.md from the options of the commands
	@$(BIN)/python -m cli.variables

lint: setup ## check format, style, types and import rules; change nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## reformat the code, and fix what ruff can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

stack-up: setup ## start Kafka and Postgres, and leave them running
	@$(BIN)/driftline stack up $(ARGS)

stack-status: setup ## print their addresses
	@$(BIN)/driftline stack status $(ARGS)

stack-down: setup ## stop them; the data is kept
	@$(BIN)/driftline stack down $(ARGS)

doctor: setup ## check the installation, and say what to do
	@$(BIN)/driftline doctor $(ARGS)

dashboards: setup ## generate Grafana's dashboards from grafana/
	@$(BIN)/python -m grafana.generate

backup: setup ## back up the database to a file: make backup [FILE=path]
	@$(BIN)/driftline backup $(if $(FILE),--out "$(FILE)") $(ARGS)

restore: setup ## replace the database with a backup: make restore FILE=path [ARGS=--yes]
	@test -n "$(FILE)" || { echo "Which backup? make restore FILE=path (make backup writes one)" >&2; exit 2; }
	@$(BIN)/driftline restore "$(FILE)" $(ARGS)

bench-setup: setup ## create the .venv of the peers, for `bench`
	@[ -x benchmarks/.venv/bin/python ] || $(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install --quiet --no-deps --require-hashes -r benchmarks/requirements.lock

verdicts-setup: setup ## create the .venvs of other drift detectors, for `verdicts`
	@for peer in nannyml popmon driftdep river; do \
		there=benchmarks/verdicts/peers/.venv-$$peer; \
		[ -x $$there/bin/python ] || $(PYTHON) -m venv $$there; \
		$$there/bin/python -m pip install --quiet --no-deps -r benchmarks/verdicts/peers/$$peer.txt || exit 1; \
	done

verdicts: verdicts-setup ## measure on real and synthetic months whether the alarms can be trusted
	@$(ONE_THREAD) $(BIN)/python -m benchmarks.verdicts $(ARGS)

bench: bench-setup ## run all benchmarks, of Driftline, its peers and lower bounds
	@$(ONE_THREAD) $(BIN)/python -m benchmarks $(ARGS)

lock: COMPILE = $(BIN)/uv pip compile --quiet pyproject.toml --universal --generate-hashes --no-annotate --no-header
lock: setup ## resolve dependencies and Kafka's jars, and pin them with their hashes
	@$(COMPILE) --group dev --group embedded --output-file requirements.lock $(ARGS)
	@$(COMPILE) --constraints requirements.lock --output-file requirements-image.lock
	@$(BIN)/python -m local.stack.jars > $(VENV)/jars.txt && mv $(VENV)/jars.txt local/stack/jars.txt

clean: ## stop the stack and remove its data, caches and build leftovers
	@if [ -e $(STAMP) ]; then $(BIN)/python -c \
		'from local import stack; from runtime.connections import STATE; stack.down(); stack.down(STATE / "tests")'; fi
	@rm -rf .driftline .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and remove .venv
	@rm -rf .venv

$(STAMP): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, found: $$( { $(or $(PYTHON),python3) --version; } 2>/dev/null || echo none)." \
		"Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@for old in $(VENV)/.installed-*; do if [ -e "$$old" ] && [ "$$old" != "$@" ]; then rm -rf $(VENV); fi; done
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing." \
		"Install it (Debian, Ubuntu: apt install python3-venv), or name another Python:" \
		"make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "installing what requirements.lock lists into $(VENV): 311 MB to download if nothing is cached"
	@sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^ /p;}' requirements.lock > $(VENV)/uv.txt
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || $(PIP) --require-hashes -r $(VENV)/uv.txt || true
	@# uv has its own certificates, but some proxies need the system's. If uv fails altogether, use pip.
	@uv=$$(command -v uv || echo $(BIN)/uv); { [ -x "$$uv" ] && { $(UV) $(LOCKED) || { \
		echo "retrying with this system's certificates" >&2; \
		UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 $(UV) $(LOCKED); }; }; } || { echo "retrying with pip, which takes longer" >&2; \
		$(PIP) --no-compile $(LOCKED); } || { echo "The packages could not be downloaded (see above)." \
		"Is there a network? For a proxy set HTTPS_PROXY, for a mirror UV_DEFAULT_INDEX and PIP_INDEX_URL;" \
		"then run \`make setup\` again: what has been downloaded is kept." >&2; exit 1; }
	@echo "compiling about 9,000 modules, once"
	@$(BIN)/python -W ignore -u -m compileall -j 0 -x '$(RARE)' $(VENV)/lib 2>/dev/null | \
		awk '/^Compiling/ && ++n % 1500 == 0 { print n " modules compiled"; fflush() }'
	@$(PIP) --no-deps --no-build-isolation --editable .
	@# A relative path: in the C locale Python before 3.13 cannot read that of a checkout below a folder called ü.
	@$(BIN)/python -c 'import os, sysconfig; place = os.path.realpath(sysconfig.get_path("purelib")); \
		open(place + "/_driftline_app.pth", "w").write(os.path.relpath(os.getcwd(), place))'
	@touch $@
	@echo "installed; make help lists the targets"
