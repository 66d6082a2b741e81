# Everything that is done with Syncline on one machine. `make` alone explains the targets.
.DEFAULT_GOAL := help
.PHONY: help setup run smoke due workspace rekey audit test fuzz faults check fix bench lock package clean

PY := .venv/bin/python
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--no-emit-index-url --no-header

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv with every pinned package; does nothing when it is there (PYTHON= chooses one)
	@PYTHON="$(PYTHON)" sh infra/local/setup.sh

run: setup ## Start Syncline with demo data on this machine; Ctrl-C ends it (SYNCLINE_PORT_BASE=)
	@$(PY) -m infra.local.run

smoke: setup ## Sync real rows through the whole stack on throw-away data and compare them
	@$(PY) -m infra.local.smoke

due: setup ## Print which connectors are due, now or AT=2026-12-01T02:00Z (WORKSPACE=slug for one)
	@$(PY) -m infra.operate.due $(if $(AT),--at '$(AT)') $(if $(WORKSPACE),--workspace '$(WORKSPACE)')

workspace: setup ## Make, disable, enable or delete a workspace: make workspace DO=disable SLUG=acme
	@$(PY) -m infra.operate.workspace '$(DO)' '$(SLUG)' $(if $(TITLE),--name "$$TITLE") $(if $(ZONE),--timezone '$(ZONE)')

rekey: setup ## Seal all secrets with the newest key, so that an older one can be taken away
	@$(PY) -m infra.operate.rekey

audit: setup ## Verify audit logs: make audit WORKSPACE=acme, or FILE=export.jsonl (CONTAINS=NUMBER:HASH)
	@$(PY) -m infra.operate.audit $(if $(WORKSPACE),--workspace '$(WORKSPACE)') $(if $(FILE),--file '$(FILE)') $(if $(CONTAINS),--contains '$(CONTAINS)')

test: setup ## Run the tests on a throw-away PostgreSQL (T= passes arguments: make test T="-k cron")
	@$(PY) -m pytest -n auto $(T)

fuzz: setup ## The long form of what is sent to the API by its own document
	@SYNCLINE_FUZZ=long $(PY) -m pytest tests/web/test_schemathesis.py --timeout 3600 $(T)

faults: setup ## The long form of the fault suite; writes the table of docs/reliability.md
	@rm -f build/faults.jsonl
	@SYNCLINE_FAULTS=long SYNCLINE_FAULTS_RESULTS=build/faults.jsonl \
		$(PY) -m pytest tests/faults --timeout 3600 $(T)
	@$(PY) -m tests.faults.report build/faults.jsonl docs/reliability.md

check: setup ## Lint, formatting, types and import layers
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/basedpyright
	@.venv/bin/lint-imports

fix: setup ## Repair what lint and formatting can repair by themselves
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

bench: setup ## Measure the figures of the design (B= names one: make bench B=cloud_tasks)
	@$(PY) -m tests.benchmarks $(B)

lock: setup ## Resolve requirements*.in into the pinned requirements*.txt
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -c requirements.txt -o requirements-dev.txt

package: setup ## Build the zip of each function under build/
	@$(PY) -m infra.local.package

clean: ## Remove what the tools and the build left; .venv and the data under .local stay
	@rm -rf build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
