PYTHON := .venv/bin/python
# What launch/setup.sh leaves behind: packages for training from state, those for training from pixels, and those of the tests.
TRAIN_READY := .venv/.ready-train
PIXELS_READY := .venv/.ready-pixels
TEST_READY := .venv/.ready-test
# On a busy machine many small tests are slowed tens of times by threads that wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1

.PHONY: help train train-pixels test lint bench experiments clean
.NOTPARALLEL:

help:
	@echo "make train         learn to insert a peg: demonstrations, cloning, reinforcement learning, evaluation, film"
	@echo "make train-pixels  learn to lift a cube from two cameras, with a reward that is learned from pictures too"
	@echo "make test          everything that must hold: formatting, import rules, types, tests"
	@echo "make bench         how fast simulation, replay, recording and learner are here"
	@echo "make experiments   repeat the experiments of docs/experiments (hours; finished runs are not repeated)"
	@echo "make lint          the checks of make test without the tests"
	@echo "make clean         remove caches; runs and .venv stay"

train: $(TRAIN_READY)
	$(PYTHON) launch/train.py peg_insert

train-pixels: $(PIXELS_READY)
	$(PYTHON) launch/train.py pick_lift_pixels

test: lint
	$(ONE_THREAD) $(PYTHON) -m pytest -n 2 -m "not slow and not robot"

lint: $(TEST_READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	.venv/bin/lint-imports
	$(PYTHON) -m pyright

bench: $(PIXELS_READY)
	$(PYTHON) launch/benchmark.py sim
	$(PYTHON) launch/benchmark.py replay
	$(PYTHON) launch/benchmark.py recording
	$(PYTHON) launch/benchmark.py learner modem
	$(PYTHON) launch/benchmark.py learner encoder --pixels

experiments: $(TEST_READY)
	$(PYTHON) launch/experiments.py

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

$(TRAIN_READY): pyproject.toml constraints.txt launch/setup.sh
	launch/setup.sh train

$(PIXELS_READY): pyproject.toml constraints.txt launch/setup.sh
	launch/setup.sh pixels

$(TEST_READY): pyproject.toml constraints.txt launch/setup.sh
	launch/setup.sh test
