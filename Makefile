# Every target installs what it needs. Run `make` for the list.

# The first interpreter that works and is new enough; `make PYTHON=…` chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

# `make test-unit VENV=.venv-3.13 PYTHON=python3.13` runs the unit tests on another Python, in a second environment.
VENV ?= .venv
BIN := $(VENV)/bin
SAM := .venv-sam/bin/sam
BUILD := PYTHON=$(CURDIR)/.venv-sam/bin/python $(SAM) build

# Apart from .venv are those that pin a botocore of their own (the emulator, the SAM command line, checkov, aiobotocore)
# and the benchmark, which needs Lambda's version of Python.
DEV := $(VENV)/.installed
EMULATOR := .venv-emulator/.installed
SAM_CLI := .venv-sam/.installed
SCANNERS := .venv-scan/.installed
BENCH := .venv-bench/.installed .venv-bench-asyncio/.installed

SBOM := sbom.json

export SAM_CLI_TELEMETRY := 0
# Without bytecode every process would compile all that it imports, which takes longer than most of them run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup up down env demo test test-unit soak lint typecheck build validate sam-invoke sam-invoke-all sam-debug sam-api sam-lambda sam-env events
.PHONY: bench capacity openapi fuzz scan sbom audit-deps audit secrets requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create the three virtual environments, in parallel
	@$(MAKE) --silent --no-print-directory -j3 $(DEV) $(EMULATOR) $(SAM_CLI)

up: setup ## start the local stack and write .local/stack.json (ARGS="--docker --port 4566 …")
	@$(BIN)/python -m local up $(ARGS)

down: $(DEV) ## stop what `make up` started
	@$(BIN)/python -m local down

env: $(DEV) ## print what a program of yours needs to call the local stack: eval "$(make --silent env)"
	@$(BIN)/python -m local env

demo: setup ## archive tickets on the local stack and compare every byte; leaves nothing running
	@$(BIN)/python -m local demo $(ARGS)

# Four workers on two cores: the tests of the local stack mostly wait (tests/conftest.py says which run together).
test: setup $(SCANNERS) ## run every test (ARGS="-k words tests/unit …")
	$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-unit: $(DEV) $(SAM_CLI) ## run the unit tests (ARGS="-k words …")
	$(BIN)/pytest -n 2 --dist worksteal tests/unit $(ARGS)

soak: setup ## archive 10,000 tickets while vendor, AWS and workers fail; check that none is lost (ARGS="--tickets 500 …")
	PYTHONPATH=layers:functions:. $(BIN)/python -m tests.soak $(ARGS)

bench: setup $(BENCH) ## compare speed, CPU and memory with three baselines (ARGS="cold retrieval …")
	PYTHONPATH=layers:functions:. $(BIN)/python -W ignore -m bench $(ARGS)

capacity: $(DEV) ## calculate limits, an outage and costs at three scales (ARGS="--write", "--set VendorMaxConcurrency=40")
	@PYTHONPATH=layers:functions:. $(BIN)/python -W ignore -m bench.capacity $(ARGS)

lint: setup ## run ruff and cfn-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --extend-exclude '*.md' .
	$(BIN)/cfn-lint template.yaml examples/*/template.yaml

typecheck: $(DEV) ## run mypy, strict
	$(BIN)/mypy $(wildcard layers functions clients/python local ops tests bench tools examples/*/code)

fuzz: $(DEV) ## run a million fuzzed bodies per parser, 2,000 requests per route, 200 examples per property (ARGS="--count N --seed N")
	PYTHONPATH=layers:functions:. $(BIN)/python -W ignore -m tests.fuzz $(ARGS)
	FUZZ_REQUESTS=2000 $(BIN)/pytest tests/security/test_api_fuzz.py
	$(BIN)/pytest -n 2 --dist worksteal --hypothesis-profile=full tests/unit

scan: $(DEV) $(SCANNERS) ## scan the expanded template, the code, and the files for secrets
	@$(BIN)/python -m tools.scan

sbom: $(SCANNERS) ## write a CycloneDX bill of the layer's packages, with hashes (SBOM=sbom.json)
	@.venv-scan/bin/cyclonedx-py requirements layers/requirements.txt --short-PURLs --output-reproducible -o $(SBOM)

audit-deps: $(SCANNERS) ## look up known vulnerabilities of the layer's packages; fails without internet
	@.venv-scan/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r layers/requirements.txt

audit: $(DEV) ## run cdk-nag on the expanded template, from npm; docs/security.md explains the findings
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && cp tools/cdk_nag.mjs "$$folder" && \
	$(BIN)/python -W ignore -m tools.scan --expand > "$$folder/expanded.json" && cd "$$folder" && \
	npm install --silent --no-fund --no-audit cdk-nag@2 aws-cdk-lib@2 constructs@10 >/dev/null && \
	node cdk_nag.mjs expanded.json "$(CURDIR)/docs/security.md" 2>/dev/null

secrets: $(SCANNERS) ## accept what looks like a secret today; review the difference before you commit it
	@.venv-scan/bin/detect-secrets scan --no-verify --slim > .secrets.baseline \
	--exclude-files '^(tests|events|bench|examples|requirements)/|^.secrets|\.(txt|png|jpg|svg)$$'

build: $(SAM_CLI) ## build the application for AWS into .aws-sam
	$(BUILD)

validate: setup ## run `sam validate --lint`
	$(SAM) validate --lint

# What the targets below run is built for Lambda and not for the emulator, and again only when its sources are newer: to
# build takes the code away from containers that another shell has running. The stack and the container engine are
# checked before a build, which takes longer. EVENT is one of .local/events, or a file.
BUILT := .aws-sam/build/template.yaml
$(BUILT): template.yaml $(shell find functions layers -type f -not -path "*/__pycache__/*") | $(DEV) $(SAM_CLI)
	@$(BIN)/python -m local sam check
	$(BUILD)

sam-invoke: setup $(BUILT) ## pass an event to its function in a container (EVENT=webhook_completed_encrypted ARGS="…")
	@$(BIN)/python -m local sam invoke $(or $(EVENT),webhook_completed_encrypted) $(ARGS)

sam-invoke-all: setup $(BUILT) ## the same for every sample event, with its response checked (ARGS="…")
	@$(BIN)/python -m local sam invoke-all $(ARGS)

sam-debug: setup $(BUILT) ## pass an event to its function under debugpy, which waits for a debugger on 5678 (EVENT=… ARGS="…")
	@$(BIN)/python -m local sam debug $(or $(EVENT),queue_completed_encrypted) $(ARGS)

sam-api: setup $(BUILT) ## the API in containers, on 127.0.0.1:3000, for curl (ARGS="--port 3000 …")
	@$(BIN)/python -m local sam api $(ARGS)

sam-lambda: setup $(BUILT) ## the functions in containers, on 127.0.0.1:3001, for boto3 (ARGS="--port 3001 …")
	@$(BIN)/python -m local sam lambda $(ARGS)

sam-env: setup ## print what `sam local` needs in its environment: eval "$(make --silent sam-env)"
	@$(BIN)/python -m local sam env

openapi: $(DEV) ## generate the schemas of API, manifest and event in docs/ from the code
	$(BIN)/python -m local.openapi

events: $(DEV) ## generate events/*.json
	$(BIN)/python -m local.events

COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/pip-compile --quiet --upgrade --generate-hashes \
	--allow-unsafe --strip-extras --annotation-style=line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

requirements: $(DEV) ## pin the newest version of every requirement, with hashes
	$(COMPILE) requirements/pip.in -o requirements/pip.txt
	$(COMPILE) layers/requirements.in -o layers/requirements.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/emulator.in -o requirements/emulator.txt
	$(COMPILE) requirements/sam.in -o requirements/sam.txt
	$(COMPILE) requirements/bench.in -o requirements/bench.txt
	$(COMPILE) requirements/bench-asyncio.in -o requirements/bench-asyncio.txt
	$(COMPILE) requirements/scan.in -o requirements/scan.txt

clean: ## stop the local stack; delete builds and environments
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; fi
	rm -rf .venv .venv-emulator .venv-sam .venv-scan .venv-bench .venv-bench-asyncio .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis

# .installed is written last, so that an interrupted installation is repeated; an environment in use is never deleted.
# --no-compile: modules are compiled when first imported, and most never are.
$(DEV): requirements/dev.txt layers/requirements.txt requirements/pip.txt
	$(call environment,$(@D),$<,$(PYTHON))
$(EMULATOR): requirements/emulator.txt requirements/pip.txt
	$(call environment,$(@D),$<,$(PYTHON))
$(SAM_CLI): requirements/sam.txt requirements/pip.txt
	$(call environment,$(@D),$<,$(PYTHON))
$(SCANNERS): requirements/scan.txt requirements/pip.txt
	$(call environment,$(@D),$<,$(PYTHON))
# Figures are Lambda's only on Lambda's own version of Python.
LAMBDA_PYTHON = $(shell for p in python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python $(PYTHON); do \
	$$p -c '' >/dev/null 2>&1 && echo $$p && break; done)
.venv-bench/.installed: requirements/bench.txt requirements/pip.txt layers/requirements.txt
	$(call environment,$(@D),$<,$(LAMBDA_PYTHON))
.venv-bench-asyncio/.installed: requirements/bench-asyncio.txt requirements/pip.txt
	$(call environment,$(@D),$<,$(LAMBDA_PYTHON))

# One line for each package, because the largest take half a minute; it fails unless pip ends well.
install = $(1)/bin/python -m pip install --progress-bar off --disable-pip-version-check --no-compile --require-hashes -r $(2) | \
	awk '/^Collecting / {print "  $(1): " $$2; fflush()} /^Successfully installed|^Requirement already/ {ok = 1} END {exit !ok}'

define environment
@test -n "$(3)" || { echo "No Python 3.11 or newer was found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
@echo "$(1): installing $(2), once (about a minute for all of them)"
@$(3) -m venv $(1)
@$(call install,$(1),requirements/pip.txt)
@$(call install,$(1),$(2))
@touch $@
endef
