# make demo   edit a photograph and drawn portraits, say where the pictures are
# make test   everything that must pass
# make venv   only install
# make clean  remove the installation and the demo's pictures

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq  # errors only
DEMO := out/demo
# Processes that the tests are spread over, each with its share of the cores.
WORKERS ?= 2

.PHONY: demo test venv clean

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	@$(BIN)/pixelsmile edit docs/astronaut.jpg -e sad,surprised,angry -s 0,0.5,1,1.5 --grid --gif -o $(DEMO)/photograph --force
	@$(BIN)/pixelsmile portrait --seed 7 --domain human -o $(DEMO)/human.png --force
	@$(BIN)/pixelsmile portrait --seed 7 --domain anime -o $(DEMO)/anime.png --force
	@$(BIN)/pixelsmile edit $(DEMO)/human.png -e happy,surprised,sad -s 0,0.5,1,1.5 --grid -o $(DEMO)/human --force
	@$(BIN)/pixelsmile edit $(DEMO)/anime.png -e happy -s 0,0.5,1,1.5 --grid -o $(DEMO)/anime --force
	@echo "Look at grid.png in $(DEMO)/photograph, $(DEMO)/human and $(DEMO)/anime"
	@echo "The program is $(BIN)/pixelsmile; to type pixelsmile in this shell: source $(BIN)/activate"

test: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile

venv: $(VENV)/.installed

clean:
	rm -rf $(VENV) $(DEMO)

# Stamps: an installation is repeated only when what it depends on has changed.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing pixelsmile into $(VENV) (once; this takes a few minutes)"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need"
	@$(PIP) install -c constraints.txt -e ".[test]"
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "pixelsmile needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1)." \
	       "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
