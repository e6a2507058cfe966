# Both commands make a virtual environment first, if there is none or pyproject.toml has changed since.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: train test soak bench lint

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	$(BIN)/python -m hrin_plugin
	touch $@

train: $(VENV)/installed ## train HRIN-cr on the miniature set, or on DATA=/path/to/OpenBMAT
	$(BIN)/python recipes/OpenBMAT/train.py hparams/hrin_cr.yaml $(if $(DATA),--data_folder=$(DATA))

test: $(VENV)/installed ## all tests and the examples of the documentation
	$(BIN)/python -m pytest -n auto

soak: $(VENV)/installed ## kills, damages and odd files by the thousand: hours; quick with SCALE=0.01
	$(BIN)/python benchmarks/soak.py $(if $(SCALE),--scale $(SCALE)) $(if $(PARTS),--parts $(PARTS))

bench: $(VENV)/installed ## speed and memory of detection; growth up to 24 hours and 10,000 files with PLOT=docs/detection.svg
	$(BIN)/python benchmarks/detection.py $(if $(PLOT),--plot $(PLOT)) $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
