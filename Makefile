SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What installs, locks and runs other tools.
UV := 0.13.9
STAMP := $(VENV)/.synced
STACK := $(BIN)/python -m include.local_stack

# Seconds of live minutes after which `make demo` sums up and stops; endless when empty.
DURATION ?=
# A Parquet or CSV file of recorded bars to replay instead of the generated market.
REPLAY ?=

export PYTHONPATH := $(CURDIR)
# Without bytecode every process of Airflow takes seconds longer to start.
unexport PYTHONDONTWRITEBYTECODE
OPTIONS = $(if $(REPLAY),--replay $(REPLAY))

# How long `make soak` watches the running platform.
HOURS ?= 1

# What the commands of surveillance work on; ARGS is passed on as it is.
BARS ?=
OUT ?= out
LABELS ?=
BUDGET ?= 0.5
PARAMS_A ?= include/surveillance/parameters.yaml
PARAMS_B ?=
ID ?=
ARGS ?=
SURVEILLANCE = $(BIN)/python -m include.surveillance

.PHONY: help setup lock demo up stop clean status doctor test warehouse-contract servers check lint types contracts fernet env rotate sbom licences audit audit-verify
.PHONY: replay calibrate whatif backtest evaluate explain baselines capacity bench bench-against bench-engine bench-files bench-desk tour recall scorecard backlog faults watch-rehearsal rehearse soak fuzz docs vendor desk-trials
.PHONY: scenarios alerts chart export dbt-ci dbt-trials snowflake-check backup restore restore-rehearsal evidence-trial coverage-trial growth features feature-trials

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: $(STAMP) ## make .venv and install the pinned packages

$(STAMP): tests/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11: install a newer one, or name it: make PYTHON=python3.12 ..."; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) 2>/dev/null || $(MAKE) --no-print-directory venv-module
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet uv==$(UV)
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python tests/requirements.lock
	@touch $@

.PHONY: venv-module
venv-module: # Debian ships Python without it
	@rm -rf $(VENV)
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		|| { echo "$(PYTHON) lacks the module venv: sudo apt-get install python3-venv"; exit 1; }
	@echo "installing Debian packages: python3-venv"
	@apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q install -y python3-venv >/dev/null
	$(PYTHON) -m venv $(VENV)

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11

lock: ## pin everything below requirements.txt again, with hashes: what runs, and what tests need beside it
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) --constraint requirements.lock requirements.txt tests/requirements.txt -o tests/requirements.lock
	$(LOCK) include/feature_store/requirements.txt -o include/feature_store/requirements.lock

sbom: setup ## what the image is made of, as CycloneDX: writes sbom.cdx.json
	@$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock \
		--mc-type application --output-reproducible --of JSON -o sbom.cdx.json

licences: setup ## the licence of every package, none of which forbids what we do with it
	@$(BIN)/python -m tests.licences

audit: setup ## known vulnerabilities of what runs; asks the network
	$(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --require-hashes --disable-pip -r requirements.lock
	$(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --require-hashes --disable-pip -r include/feature_store/requirements.lock

audit-verify: setup ## whether each row of the audit log is as it was written; names the first that is not
	@eval "$$($(STACK) env)" && $(BIN)/python -m include.orchestration.verify_audit

demo: setup ## the whole platform, live: make demo [DURATION=300] [REPLAY=bars.parquet]
	@$(STACK) demo $(OPTIONS) $(if $(DURATION),--duration $(DURATION))

up: setup ## start everything and leave the DAGs as they are: make up [REPLAY=bars.parquet]
	@$(STACK) up $(OPTIONS)

stop: setup ## stop what another shell has started
	@$(STACK) stop

status: setup ## each component's state
	@$(STACK) status

backup: setup ## a copy of all data: make backup [TO=folder] [SECRETS=file]
	@$(STACK) backup $(if $(TO),--to '$(TO)') $(if $(SECRETS),--secrets '$(SECRETS)')

restore: setup ## a copy into an empty state folder: make restore FROM=folder SECRETS=file [TOLD_UNTIL=2026-03-09T14:05Z]
	@$(STACK) restore '$(FROM)' $(if $(SECRETS),--secrets '$(SECRETS)') $(if $(TOLD_UNTIL),--told-until '$(TOLD_UNTIL)')

doctor: setup ## what this machine lacks
	@$(STACK) doctor

clean: setup ## remove all data, logs and secrets of the local stack
	@$(STACK) clean

# Minutes on two cores; each of their parts has tests of its own.
DESK_TRIALS := $(addprefix tests/orchestration/page/,test_fuzz.py test_killed.py test_tour.py)

desk-trials: setup ## Schemathesis, a kill amid 200 acts and the tour, on the API server of the tests
	$(BIN)/python -m pytest -c tests/pytest.ini $(DESK_TRIALS)

# The warehouse is built five times; what a change does to it is for who changes it.
DBT_TRIALS := tests/dbt_ci/test_dbt_ci.py

dbt-trials: setup ## make dbt-ci on a changed model and on broken ones
	$(BIN)/python -m pytest -c tests/pytest.ini $(DBT_TRIALS)

# Thirty sessions are landed and built; of as many symbols as the market has that takes long.
GROWTH := tests/dbt_project/test_growth.py

growth: setup ## what a build reads after one and after thirty sessions; writes docs/measured/growth: make growth [GROWTH_SYMBOLS=2000]
	GROWTH_SYMBOLS=$(or $(GROWTH_SYMBOLS),11000) $(BIN)/python -m pytest -c tests/pytest.ini $(GROWTH)

# They make a virtualenv of 0.6 GB; what dbt has to do with it is tested with the marts.
FEATURE_TRIALS := tests/feature_store/test_store.py

features: setup ## what a stack with FEATURES=1 serves, and was known of labelled alerts: make features [ARGS="--symbol KO"]
	@$(STACK) features $(ARGS)

feature-trials: setup ## the feature store on made rows: nothing is seen before it was known, online equals offline
	$(BIN)/python -m pytest -c tests/pytest.ini $(FEATURE_TRIALS)

# Tests that start nothing. They begin beside the demo's, which mostly waits, and give way to all others.
PURE := $(addprefix tests/,properties project dags benchmarks $(addprefix surveillance/,detection files alerts desk))

servers: setup # what the tests start
	@$(STACK) install

test: setup ## every test, on real services
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target check servers
	@failed=0; said=$$(mktemp); \
	nice -n 19 $(BIN)/python -m pytest -c tests/pytest.ini $(PURE) > $$said 2>&1 & pure=$$!; \
	trap 'kill $$pure; exit 130' INT; \
	$(BIN)/python -m pytest -c tests/pytest.ini tests/e2e || failed=1; \
	$(BIN)/python -m pytest -c tests/pytest.ini -n 3 --dist loadfile --no-loadscope-reorder tests \
		$(addprefix --ignore ,tests/e2e $(PURE) $(DESK_TRIALS) $(DBT_TRIALS) $(FEATURE_TRIALS) $(GROWTH)) || failed=1; \
	wait $$pure || failed=1; cat $$said; rm $$said; \
	exit $$failed

replay: setup ## the rules over recorded bars: make replay BARS=bars.parquet [OUT=out] [ARGS="--rules robust"]
	@$(SURVEILLANCE) replay --bars '$(BARS)' --out $(OUT) $(ARGS)

alerts: setup ## what a replay raised, the highest scores first: make alerts [OUT=out] [ARGS="--top 20 --symbol KO"]
	@$(SURVEILLANCE) alerts --alerts $(OUT) $(ARGS)

chart: setup ## the bars around an alert of a replay as a picture: make chart ID='...' [OUT=out]
	@$(SURVEILLANCE) chart $(if $(ID),'$(ID)') $(if $(BARS),--bars '$(BARS)') --alerts $(OUT) --out $(OUT)/chart.png $(ARGS)

calibrate: setup ## thresholds for a budget of alerts: make calibrate BARS=bars.parquet [BUDGET=0.5] [OUT=out]
	@$(SURVEILLANCE) calibrate --bars '$(BARS)' --budget $(BUDGET) --out $(OUT) $(ARGS)

whatif: setup ## two sets of parameters on the same bars: make whatif BARS=bars.parquet PARAMS_B=mine.yaml [OUT=out]
	@$(SURVEILLANCE) whatif --bars '$(BARS)' --params $(PARAMS_A) --params $(PARAMS_B) --out $(OUT) $(ARGS)

backtest: setup ## what came after each alert, against calm bars: make backtest BARS=bars.parquet [PARAMS_B=mine.yaml] [OUT=out]
	@$(SURVEILLANCE) backtest --bars '$(BARS)' --out $(OUT) --params $(PARAMS_A) $(if $(PARAMS_B),--params $(PARAMS_B)) $(ARGS)

evaluate: setup ## alerts against labels: make evaluate LABELS=labels.csv [OUT=out] [BARS=bars.parquet]
	@$(SURVEILLANCE) evaluate --alerts $(OUT)/alerts.parquet --labels $(LABELS) $(if $(BARS),--bars '$(BARS)') $(ARGS)

explain: setup ## one alert from its inputs again: make explain ID='...' [OUT=out] | ARGS="--kafka host:port" | ARGS=--warehouse
	@$(SURVEILLANCE) explain '$(ID)' $(if $(findstring --kafka,$(ARGS))$(findstring --warehouse,$(ARGS)),,--alerts $(OUT)) $(if $(BARS),--bars '$(BARS)') $(ARGS)

baselines: setup ## profiles of the symbols in a file: make baselines BARS=bars.parquet OUT=profiles.jsonl
	@$(SURVEILLANCE) baselines --bars '$(BARS)' --out $(OUT) $(ARGS)

export: setup ## the log's bars, news, alerts and metrics as files: make export OUT=yesterday [ARGS="--since 2026-01-30"]
	@$(SURVEILLANCE) export --out $(OUT) $(ARGS)

capacity: setup ## what a watchlist takes, once, ten and a hundred times: make capacity [SYMBOLS=500] [ARGS="--cores 8"]
	@$(SURVEILLANCE) capacity --symbols $(or $(SYMBOLS),500) $(ARGS)

bench: setup ## the whole platform under load, 45 minutes; writes docs/measured/benchmarks: make bench [ARGS="--only market-11000 --desks 5"]
	$(BIN)/python -m tests.benchmarks.platform $(ARGS)

bench-against: setup ## the platform of another commit and this one in turns; exit 1 when a figure is worse by a tenth: make bench-against BASE=v1 [ARGS="--pairs 3"]
	$(BIN)/python -m tests.benchmarks.platform.against --base $(BASE) $(ARGS)

bench-engine: setup ## speed of detection, with a pandas baseline in the same run; writes docs/measured/benchmarks
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-files: setup ## how long a month of flat files takes to read; writes docs/measured/benchmarks
	$(BIN)/python -m tests.benchmarks.files

bench-desk: setup ## the desk in a browser with 100,000 alerts; writes docs/measured/benchmarks
	$(BIN)/python -m tests.benchmarks.desk $(ARGS)

tour: setup ## the running local stack's desk, walked through in a browser by people of each role; writes docs/how/desk
	@eval "$$($(STACK) env)" && $(BIN)/python -m tests.tour $(ARGS)

recall: setup ## bursts found at an equal budget, literal against robust; writes docs/measured/recall
	$(BIN)/python -m tests.benchmarks.recall $(ARGS)

scorecard: setup ## the product against plain rules on every labelled set; writes docs/measured/scorecard: make scorecard [ARGS="--seeds 3"]
	$(BIN)/python -m tests.benchmarks.scorecard $(ARGS)

scenarios: setup ## what a rule that follows a scenario finds, raises and misses on real bars; writes docs/measured/scenarios: make scenarios [ARGS="--hosts 500"]
	$(BIN)/python -m tests.scenarios $(ARGS)

backlog: setup ## two million bars worked off in bounded memory; writes docs/measured/benchmarks: make backlog [ARGS="--bars 200000"]
	$(BIN)/python -m tests.benchmarks.backlog $(ARGS)

soak: setup ## what the running platform takes, for hours; nothing may grow; writes docs/measured/soak: make soak [HOURS=12] [ARGS="--marts"]
	$(BIN)/python -m tests.soak --hours $(HOURS) $(ARGS)

rehearse: setup ## the Docker way on a real engine of its own, as root on Debian; writes docs/measured/rehearsal: make rehearse [ARGS="--store containerd"]
	$(BIN)/python -m tests.rehearsal $(ARGS)

faults: setup ## the platform under faults, compared with the truth after each; writes docs/measured/faults: make faults [ARGS="--only kafka"]
	$(BIN)/python -m tests.faults $(ARGS)

watch-rehearsal: setup ## what the watchdog tells of six faults and of calm; writes docs/measured/watchdog: make watch-rehearsal [ARGS="--calm 60"]
	$(BIN)/python -m tests.faults.watch $(ARGS)

coverage-trial: setup ## what is said of an hour without feeds; writes docs/measured/coverage: make coverage-trial [ARGS="--seed 8"]
	$(BIN)/python -m tests.watched $(ARGS)

evidence-trial: setup ## a thousand alerts reproduced from the warehouse alone; writes docs/measured/evidence: make evidence-trial [ARGS="--seed 8"]
	$(BIN)/python -m tests.evidence $(ARGS)

restore-rehearsal: setup ## an older copy restored on the whole platform, nothing missing or told twice; writes docs/measured/restoring
	$(BIN)/python -m tests.restoring $(ARGS)

fuzz: setup ## broken answers and messages, many more than make test sends: make fuzz [PAYLOADS=200000] [SEED=4]
	FUZZ_PAYLOADS=$(or $(PAYLOADS),200000) FUZZ_SEED=$(or $(SEED),4) \
		$(BIN)/python -m pytest -c tests/pytest.ini -o timeout=3600 tests/fuzz

dbt-ci: setup ## what a change of dbt_project does to the tables of a commit: make dbt-ci [BASE=main]
	@$(BIN)/python -m tests.dbt_ci --base '$(or $(BASE),main)' $(ARGS)

warehouse-contract: setup ## the embedded warehouse keeps its promises
	$(BIN)/python -m pytest -c tests/pytest.ini tests/embedded_warehouse

snowflake-check: setup ## landing, dbt and the contract on the account of SNOWFLAKE_TEST_*, or which of these is missing
	@$(BIN)/python -m tests.account
	@$(STACK) install
	$(BIN)/python -m pytest -c tests/pytest.ini -m "not embedded" \
		tests/embedded_warehouse tests/integration/test_land.py tests/dbt_project/test_build.py

vendor: ## the browser's libraries from npm again, as pinned; writes tests/vendor.lock
	@$(BIN)/python -m tests.vendor

docs: setup ## the generated pages of docs/ anew, after a change of rules, DAGs, settings, topics or records
	@$(BIN)/python -m docs.generate

check: lint types contracts ## lint, types and import contracts; make test begins with it

lint: setup # style of Python and SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project
	$(BIN)/sqlfluff lint --disable-progress-bar --templater placeholder include

types: setup
	$(BIN)/mypy --config-file .mypy.ini

contracts: setup # which package may import which
	$(BIN)/lint-imports

fernet: ## a new Fernet key
	@$(PYTHON) -c 'from include.local_stack.credentials import GENERATORS; print(GENERATORS["FERNET_KEY"]())'

rotate: ## new passwords and keys, of the stopped local stack or, with Docker, of its env file: make rotate [FILE=.env]
	@$(if $(FILE),$(PYTHON) -m include.local_stack.rotation $(FILE),$(STACK) rotate)

env: ## .env, airflow.env, channels.env and watchdog.env from their examples, secrets generated
	@$(PYTHON) -m include.local_stack.env_files
