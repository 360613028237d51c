# Everything a clone needs: plain Python 3.11 or newer, git and make. Each target builds what it stands on.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

# The tool that writes the requirement files; needed by `make lock` alone.
UV_VERSION := 0.13.9
UV ?= $(shell command -v uv || echo $(VENV)/lock/bin/uv)

.DEFAULT_GOAL := help
.PHONY: help run stack test test-postgres test-cassandra check fmt docs bench browser faults lock build clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.ready ## start a server on http://localhost:8080, with its data in ./data
	@exec $(BIN)/secureconnect serve --data-dir data $(ARGS)

stack: $(VENV)/.ready-dev ## run all roles on real stores behind nginx, until Ctrl-C (ARGS=--help tells more)
	@exec $(BIN)/python -m stack $(ARGS)

test: $(VENV)/.ready-dev ## run all tests (ARGS="tests/unit -k name" runs some)
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

test-postgres: $(VENV)/.ready-dev ## the scenarios on five roles behind nginx, on PostgreSQL, Valkey and S3
	@PROFILE=postgres $(BIN)/python -m pytest -n auto --dist loadgroup $(or $(ARGS),tests/scenarios tests/faults/test_roles.py tests/faults/test_random.py tests/faults/test_crash_calls.py)

# What the timeline decides; ARGS=tests/scenarios runs all.
CASSANDRA := tests/scenarios/test_06_members.py tests/scenarios/test_07_messages.py tests/scenarios/test_07_changes.py \
	tests/scenarios/test_08_sockets.py tests/scenarios/test_13_polls.py tests/scenarios/test_apply_equals_refetch.py

test-cassandra: $(VENV)/.ready-dev ## what a timeline in Cassandra (Java 17) decides: suite of the port, crashes, scenarios
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m cassandra
	@PROFILE=cassandra $(BIN)/python -m pytest -n 1 $(or $(ARGS),$(CASSANDRA))

check: $(VENV)/.ready-dev ## lint, format, types, import contracts, generated documents
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m docs.generate --check

fmt: $(VENV)/.ready-dev ## format the code and mend what the linter can
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

docs: $(VENV)/.ready ## write the generated documents
	@$(BIN)/python -m docs.generate

bench: $(VENV)/.ready-dev ## measure this machine; prints ratios to bare limits of the same run
	@$(BIN)/python -m bench $(ARGS)

browser: $(VENV)/.ready-dev ## try what needs a real browser, in Chromium (CHROMIUM=path names it)
	@$(BIN)/python -m pytest -m browser $(ARGS)

faults: $(VENV)/.ready-dev ## the long crash tests: kill -9, full disk
	@FAULTS=long $(BIN)/python -m pytest -m faults $(ARGS)

build: $(VENV)/.ready ## build the wheel into dist/
	@$(BIN)/python -m hatchling build --target wheel

lock: $(UV) ## pin and hash the dependencies that pyproject.toml names
	@set -e; for set in run dev build; do \
		case $$set in \
			run) from="pyproject.toml" ;; \
			dev) from="pyproject.toml --group dev --constraints requirements/run.txt" ;; \
			build) from="requirements/build.in --constraints requirements/dev.txt" ;; \
		esac; \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make lock" --output-file requirements/$$set.txt $$from $(ARGS); \
	done

clean: ## remove everything that was built, the environment included; ./data stays
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/lock/bin/uv:
	@python3 -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)

# `make run` needs little; the tools of development come on top of it.
$(VENV)/.ready: pyproject.toml requirements/run.txt requirements/build.txt
	@python3 -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, python3 is " + sys.version.split()[0])'
	@test -x $(BIN)/python -a -x $(BIN)/pip || python3 -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.txt
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
