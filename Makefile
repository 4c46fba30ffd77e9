# Each target does all its set-up: a virtual environment in .venv, the pinned versions, then the work.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test quick docs lint clean

# Train LIF and SiLIF on spoken digits in the same budget; a table, a plot, and three words recognised.
demo: $(VENV)/.installed-train
	$(BIN)/silif compare --neurons LIF,SiLIF --out runs/demo --no-json
	$(BIN)/python examples/recognise.py runs/demo/SiLIF-seed0

# Everything: style, types, all tests.
test: lint
	$(BIN)/python -m pytest -q -n 2

# The tests that take a few seconds at most.
quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

# The documentation, in site/: tutorials are executed, links and spelling checked, nothing is fetched.
docs: $(VENV)/.installed-docs
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs silif_plugins examples tests
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed-%: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) runs build dist site
