# make demo   sets everything up and runs the main job
# make test   sets everything up and runs the checks that every change must pass
# make test-all: with the slow ones of tests/slow.txt, too
# make studies, make benchmarks: paper-scale studies and speed comparisons (minutes)
# make mutants: plants faults in what speaks of results and counts those that the tests notice (an hour)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all studies benchmarks mutants clean

demo: $(READY)
	$(BIN)/tacit run bertrand

test: SELECTED := -m "not slow"
test test-all: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(SELECTED)

studies: $(READY)
	$(BIN)/tacit study bertrand-collusion --preset paper
	$(BIN)/tacit study braess-exploration-fixed --preset paper
	$(BIN)/tacit study braess-exploration-decay --preset paper
	$(BIN)/tacit study braess-recommender --preset paper
	$(BIN)/tacit study execution-collusion --preset paper
	$(BIN)/tacit study execution-misspecified --preset paper
	$(BIN)/tacit study resource-cooperation --preset paper
	$(BIN)/tacit study token-volatility --preset paper
	$(BIN)/tacit study resource-network --preset paper
	$(BIN)/tacit study shock-recovery --preset paper
	$(BIN)/tacit study curve-tuning --preset paper
	$(BIN)/tacit study marl-paradigms --preset paper
	$(BIN)/tacit study insider-trading --preset paper
	$(BIN)/tacit study market-making --preset paper
	$(BIN)/tacit study auction-bidding --preset paper
	$(BIN)/tacit study order-flow --preset paper
	$(BIN)/tacit study bertrand-metagame --preset paper
	$(BIN)/tacit study braess-metagame --preset paper

benchmarks: $(READY)
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/tabular.py
	$(BIN)/python benchmarks/deep.py
	$(BIN)/python benchmarks/markets.py
	$(BIN)/python benchmarks/metagame.py
	$(BIN)/python benchmarks/sweep.py

mutants: $(READY)
	$(BIN)/pip install -q -c constraints.txt -e '.[mutants]'
	$(BIN)/python benchmarks/mutants.py

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tacit needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
