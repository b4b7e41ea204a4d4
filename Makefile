# Every target sets up .venv by itself, from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
DEMO ?= demo-run
export OMP_NUM_THREADS ?= 2

.PHONY: demo test check check-long lint bench weights docs-images clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt torch==2.13.0
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/spinecast run followup-xray --preset demo --source simulated:demo --seed 1 --out $(DEMO)

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not long and not gpu" tests

check: test

check-long: lint
	$(BIN)/python -m pytest -m "long" tests

bench: $(VENV)/.installed-test
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script; done

weights: $(VENV)/.installed
	$(BIN)/spinecast run followup-xray --preset weights --source simulated:training --seed 2026 --train --out build/weights-run
	$(BIN)/spinecast export build/weights-run --out src/spinecast/weights/followup-xray
	$(BIN)/spinecast run counterfactual-dxa --preset weights --source simulated:dxa-training --seed 2026 --train --out build/dxa-weights-run
	$(BIN)/spinecast export build/dxa-weights-run --out src/spinecast/weights/counterfactual-dxa

docs-images: $(VENV)/.installed
	$(BIN)/python docs/make_images.py

clean:
	rm -rf $(VENV) $(DEMO) build dist src/*.egg-info
