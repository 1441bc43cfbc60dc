# `make` lists the targets. Everything is installed into $(VENV), nothing elsewhere.
#
# These may be given on the command line, for example `make test PYTHON=python3.13 VENV=.venv313`.
# They are not taken from the environment, where PORT and the like often mean something else.
PYTHON = python3
VENV = .venv
PORT = 8888
PYTEST_ARGS =
# Processes that run tests at the same time: more than a small machine has processors, since half of
# the time of many tests is spent waiting for servers and other processes.
WORKERS = 4
BACKENDS = pgbouncer

# What `make coverage` leaves out, besides slow tests: tracing makes tests twice as slow, and those of
# several processes at once, of every pair of backends, and of times and memory show no other lines.
UNMEASURED = tests/concurrency tests/deployment tests/effects tests/harness tests/processes \
	tests/http/test_http_budgets.py tests/http/test_http_query_costs.py
MEASURED = tests $(addprefix --ignore=,$(UNMEASURED))

# The load test: `make bench SERVER_URL=http://localhost:8888 USERS=50`. The environment gives these
# to `make bench -e` only, as the others: nobody puts load on a service by mistake.
SERVER_URL =
RESOURCE =
RECORD =
USERS =
SPAWN_RATE =
DURATION =
OUTPUT =

# Compiled modules are kept, whatever the caller says: without them, each process of the tests spends
# ten seconds on rewriting their assertions. `make clean` removes them.
export PYTHONDONTWRITEBYTECODE =

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# The module of the example service is found here, whatever the caller's PYTHONPATH.
EXAMPLE := PYTHONPATH=docs/example

# A stamp says what $(VENV) holds, so that a second run installs nothing; they vanish with it.
CREATED := $(VENV)/.stamp-created
SERVE := $(VENV)/.stamp-serve
TEST := $(VENV)/.stamp-test
DOCS := $(VENV)/.stamp-docs
LOADTEST := $(VENV)/.stamp-loadtest

.DEFAULT_GOAL := help
.PHONY: help serve test test-fast coverage http uncompiled majors lint format docs docs-links docs-page admin-page bench bench-compare clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

serve: $(SERVE) ## serve the example on http://localhost:8888/v1/ (PORT=...)
	exec env $(EXAMPLE) $(BIN)/cliquet start --ini config/example.ini --port $(PORT)

test: $(TEST) ## run the tests (PYTEST_ARGS=...)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# Three workers on two cores: some tests wait for the time that they are about, without any work. Each
# needs a gigabyte, since these runs keep what they have made (tests/support/garbage.py).
test-fast: $(TEST) ## run one case of each test that starts no server and is not slow (PYTEST_ARGS=...)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m 'not server and not slow' --most-cases 1 $(PYTEST_ARGS)

coverage: $(TEST) ## measure the branch coverage of the library, which fails below 98 %
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov -m 'not slow' $(MEASURED) $(PYTEST_ARGS)

http: $(TEST) ## run the HTTP tests on BACKENDS=sqlite, postgresql, pgbouncer or redis
	env CLIQUET_TEST_HTTP_BACKENDS=$(BACKENDS) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/http $(PYTEST_ARGS)

uncompiled: $(TEST) ## run the tests on the layers of Pyramid, without compiled endpoints (PYTEST_ARGS=...)
	env CLIQUET_COMPILED_ENDPOINTS=false $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

majors: $(TEST) ## run the tests of PostgreSQL on each major version that the machine has
	for bindir in $$($(BIN)/python -c "import sys; sys.path.insert(0, 'tests'); \
		from servers.postgresql_binaries import postgresql_bindirs; print(*postgresql_bindirs())"); do \
		"$$bindir/postgres" --version; \
		env CLIQUET_TEST_POSTGRESQL_BINDIR="$$bindir" $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -k postgresql \
			tests/connections tests/migrations tests/storage tests/permission tests/cache $(PYTEST_ARGS) || exit 1; \
	done

lint: $(TEST) ## check style, types and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict cliquet tests/typing docs/example docs/examples docs/tutorial/library
	$(BIN)/mypy --config-file tests/mypy.ini tests
	$(BIN)/codespell

# The page of /__docs__. Its scripts are not run here: they are unpacked, and nothing of them is changed
# but the lines that name files which are not brought in.
SWAGGER_UI := 5.35.0
ASSETS := cliquet/openapi/assets

docs-page: ## bring in the files of the page at /__docs__ from npm, in the version of the Makefile
	rm -rf build/swagger-ui && mkdir -p build/swagger-ui
	cd build/swagger-ui && npm pack --silent --ignore-scripts swagger-ui-dist@$(SWAGGER_UI) >/dev/null && tar xzf *.tgz
	cd build/swagger-ui/package && cp LICENSE NOTICE swagger-ui-bundle.js.LICENSE.txt $(CURDIR)/$(ASSETS)/
	@for file in swagger-ui-bundle.js swagger-ui.css; do \
		sed '/sourceMappingURL=/d' "build/swagger-ui/package/$$file" >"$(ASSETS)/$$file" || exit 1; \
	done

# What the page of /__admin__ is written with, as modules that a browser loads as they are.
PREACT := 11.2.0
HTM := 3.1.1
ADMIN := $(ASSETS)/admin

admin-page: ## bring in what the page at /__admin__ is written with, from npm
	rm -rf build/admin-page && mkdir -p build/admin-page
	cd build/admin-page && for name in preact@$(PREACT) htm@$(HTM); do \
		npm pack --silent --ignore-scripts "$$name" >/dev/null && mkdir "$${name%@*}" && \
		tar xzf "$${name%@*}"-*.tgz -C "$${name%@*}" --strip-components 1 || exit 1; \
	done
	cp build/admin-page/preact/LICENSE $(ADMIN)/LICENSE-preact.txt
	cp build/admin-page/htm/LICENSE $(ADMIN)/LICENSE-htm.txt
	sed '/sourceMappingURL=/d' build/admin-page/preact/dist/preact.mjs >$(ADMIN)/preact.js
	sed -e '/sourceMappingURL=/d' -e 's/from"preact"/from".\/preact.js"/' \
		build/admin-page/preact/hooks/dist/hooks.mjs >$(ADMIN)/hooks.js
	cp build/admin-page/htm/dist/htm.module.js $(ADMIN)/htm.js

format: $(TEST) ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DOCS) ## build the documentation into docs/_build/html, and run its examples
	$(EXAMPLE) $(BIN)/python -m sphinx -n -W --keep-going -q -b html docs docs/_build/html
	$(EXAMPLE) $(BIN)/python -m sphinx -n -W --keep-going -q -b doctest docs docs/_build/doctest
	@echo 'The documentation begins in $(CURDIR)/docs/_build/html/index.html'

# It asks the sites that the pages link to, and is no part of the checks: these need no network.
docs-links: $(DOCS) ## look whether the links of the documentation lead anywhere (needs the network)
	$(EXAMPLE) $(BIN)/python -m sphinx -n --keep-going -q -b linkcheck docs docs/_build/linkcheck

bench: $(if $(SERVER_URL),$(LOADTEST),$(TEST)) ## run the benchmarks, or load on a running service (SERVER_URL=...)
ifeq ($(SERVER_URL),)
	$(BIN)/python -m benchmarks.compare --peers cliquet,limit --rounds 5
	$(BIN)/python benchmarks/requests_on_memory.py
	$(BIN)/python benchmarks/curves.py
	$(BIN)/python benchmarks/shared_lists.py
	$(BIN)/python benchmarks/monitoring.py
	$(BIN)/python benchmarks/files_of_requests.py
	$(BIN)/python benchmarks/shape_of_package.py
else
	@$(BIN)/python -m loadtests --server-url '$(SERVER_URL)' \
		$(if $(RESOURCE),--resource '$(RESOURCE)') \
		$(if $(RECORD),--record "$$RECORD") \
		$(if $(USERS),--users '$(USERS)') \
		$(if $(SPAWN_RATE),--spawn-rate '$(SPAWN_RATE)') \
		$(if $(DURATION),--duration '$(DURATION)') \
		$(if $(OUTPUT),--output '$(OUTPUT)')
endif

bench-compare: $(LOADTEST) $(TEST) ## compare with kinto.core, Django REST framework and FastAPI (OUTPUT=...)
	$(BIN)/python -m benchmarks.compare --http $(if $(OUTPUT),--output '$(OUTPUT)')

clean: ## remove all that the other targets made
	rm -rf $(VENV) .venv-bench build dist docs/_build cliquet.egg-info htmlcov .coverage
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .tox
	find cliquet tests docs benchmarks loadtests -name __pycache__ -type d -exec rm -rf {} +

$(CREATED):
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: $(PYTHON) is not installed. Python 3.10 or newer is needed;" >&2; \
		echo "  another one can be named: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "error: $(PYTHON) is older than Python 3.10: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "  Another one can be named: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments." >&2; \
		echo "  On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The whole project is installed again when its metadata change: a dependency may be new.
$(SERVE): $(CREATED) pyproject.toml
	$(PIP) install --editable .
	@touch $@

$(TEST): $(CREATED) pyproject.toml
	$(PIP) install --editable '.[test]'
	@touch $@ $(SERVE)

$(DOCS): $(CREATED) pyproject.toml
	$(PIP) install --editable '.[docs]'
	@touch $@ $(SERVE)

$(LOADTEST): $(CREATED) pyproject.toml
	$(PIP) install --editable '.[loadtest]'
	@touch $@ $(SERVE)
