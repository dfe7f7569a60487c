# Plain python3 (3.11 or later) and make are all that these need; everything else goes into .venv, from pins.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest  # what it compiles is kept, whatever the user likes
READY := $(VENV)/.ready

.PHONY: compare compare-full test setup lint clean lock readme

compare: setup
	$(BIN)/serverlab compare

compare-full: setup  # some twenty minutes, which it says beforehand
	$(BIN)/serverlab compare --full

test: setup
	$(PYTEST) -q -m alone  # first, because it compiles all tests, which the processes of the next would do each for itself
	$(PYTEST) -n 6 --dist worksteal -q -m "not alone"  # most of them wait, for a server or for a time to pass

setup: $(READY)

$(READY): requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "serverlab needs Python 3.11 or later; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "this python3 lacks venv: install your system's python3-venv package" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q servers clients tools  # compiled anew at each start, a server would be larger to fork
	@touch $(READY)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Write the README's table of models anew, from the registry.
readme: setup
	$(BIN)/python -m tools.readme

# Refresh the pins (needs pip-tools): names, versions and hashes, no addresses.
lock:
	pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras \
	  --allow-unsafe --no-header --output-file requirements/lock.txt requirements/lock.in

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
