# litecast. `make` lists what can be made; everything happens inside .venv, which the first call creates.
STUDY ?= default
DATA  ?=
JOBS  ?=
EXECUTOR ?=
SPOKEN :=
ifeq ($(origin LANG),command line)# every shell has a LANG: the report's is only what is given to make
SPOKEN := $(value LANG)
unexport LANG
endif
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.installed
quoted = '$(subst ','\'',$(1))'# a word as it is: neither make nor the shell expands what it holds

# Python 3.11 with venv; PYTHON=python3.12 chooses another. A pyenv shim may exist without its Python: each is tried.
SUPPORTED := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))
PYTHON ?= $(shell for p in python3.11 /usr/bin/python3.11 python3 python; do \
            if $$p -c "$(SUPPORTED)" >/dev/null 2>&1; then echo $$p; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help report quick choose data test test-notebooks lab audit serve page bench device lock lint clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

report: $(READY) ## run a study and report on it: reports/<study>/report.html and report.pdf [STUDY=default DATA=my.csv LANG=ko JOBS=2 EXECUTOR=slurm]
	@$(BIN)/python -m litecast.running.make params/$(STUDY).yaml $(if $(value DATA),--data $(call quoted,$(value DATA))) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(value SPOKEN),--lang $(call quoted,$(value SPOKEN))) $(if $(value EXECUTOR),--executor $(call quoted,$(value EXECUTOR)))

quick: ## the quick study: synthetic data, a few minutes
	@$(MAKE) --no-print-directory report STUDY=quick

choose: $(READY) ## the one file to deploy for your series, within budgets, copied beside the CSV [DATA=my.csv KB=8 MS=0.1 LOSS=2% OUT= JOBS=2]
	@$(BIN)/python -m litecast.choose $(if $(value DATA),$(call quoted,$(value DATA))) $(if $(KB),--kb $(call quoted,$(value KB))) \
	  $(if $(MS),--ms $(call quoted,$(value MS))) $(if $(LOSS),--loss $(call quoted,$(value LOSS))) \
	  $(if $(value OUT),--out $(call quoted,$(value OUT))) $(if $(JOBS),--jobs $(JOBS))

data: $(READY) ## only the data of a study: collected, checked, one page per dataset [STUDY=default]
	@$(BIN)/python -m litecast.running.make params/$(STUDY).yaml --stage 1 $(if $(JOBS),--jobs $(JOBS))

test: $(READY) ## all tests, on all cores
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lab: $(READY) ## the notebooks in JupyterLab
	@$(BIN)/python -m ipykernel install --sys-prefix --name litecast --display-name litecast
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m jupyter lab notebooks

test-notebooks: $(READY) ## every notebook by itself in an ordinary kernel, after a quick study: a quarter of an hour
	@$(BIN)/python -m pytest -m notebooks -n0 --durations=0 tests/test_notebooks.py

audit: $(READY) ## load every file of a study again, compare bytes and errors with its rows [STUDY=default]
	@$(BIN)/python -m litecast.audit $(STUDY)

serve: $(READY) ## bundle the recommended files of a study and serve them on http://127.0.0.1:8000 [STUDY=default PORT=8000]
	@$(BIN)/python -c 'import fastapi, uvicorn' 2>/dev/null || $(BIN)/python -m pip \
	  install --quiet --disable-pip-version-check --no-build-isolation -c requirements.lock -e '.[service]'
	@$(BIN)/python -m litecast.service.choose $(STUDY)
	@$(BIN)/python -m litecast.service $${LITECAST_REPORTS:-reports}/$(STUDY)/served $(if $(PORT),--port $(PORT))

page: $(READY) ## the recommended files of a study as one web page that opens by a double click: reports/<study>/served/index.html [STUDY=default]
	@$(BIN)/python -m litecast.service.choose $(STUDY)
	@$(BIN)/python -m litecast.service.onepage $${LITECAST_REPORTS:-reports}/$(STUDY)/served

bench: $(READY) ## pace of families, codecs, int8, codebooks, sparse products, collecting and many series, and what orchestration costs [STUDY=quick, which must have been made]
	@$(BIN)/python bench/families.py
	@$(BIN)/python bench/codecs.py
	@$(BIN)/python bench/int8.py
	@$(BIN)/python bench/quantisers.py
	@$(BIN)/python bench/sparse.py
	@$(BIN)/python bench/collecting.py
	@$(BIN)/python bench/collecting_od.py
	@$(BIN)/python bench/scale.py
	@$(BIN)/python bench/orchestration.py $(if $(filter command% environment%,$(origin STUDY)),$(STUDY),quick)

device: $(READY) ## the C of a study's files of 4 kB on emulated microcontrollers: flash, RAM, instructions [STUDY=default, or FILE=a model file]
	@$(BIN)/python bench/device.py $(call quoted,$(or $(value FILE),$(STUDY)))

lock: ## resolve pyproject.toml afresh into requirements.lock, in a throw-away environment
	@$(need-python)
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && $(PYTHON) -m venv "$$tmp" && "$$tmp/bin/python" bench/lock.py

lint: $(READY) ## ruff
	@$(BIN)/ruff check .

clean: ## remove what was built: studies and caches (not .venv, not data/)
	@find reports -mindepth 1 -maxdepth 1 ! -name templates -exec rm -rf {} +
	@rm -rf .pytest_cache .ruff_cache .hypothesis build
	@find src tests bench -name __pycache__ -prune -exec rm -rf {} +

define need-python
test -n "$(PYTHON)" || { echo "litecast needs Python 3.11 with venv and found none. Install it (Debian: python3.11-venv;" \
  "or pyenv, conda), or name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
endef

$(READY): requirements.lock pyproject.toml
	@$(need-python)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
