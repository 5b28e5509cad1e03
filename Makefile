# Every target sets up .venv by itself when it is missing or when the pinned packages changed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check check-lerobot check-metaworld test-extras test-libero train bench results format lock

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready
CHECKED := src tools tests $(wildcard benchmarks examples)
INSTRUCTION ?= put the blue cup in the bowl
# Another number sets another table; how often the policy succeeds over many of them is in README.md.
SEED ?= 1

ifeq ($(shell uname -s),Linux)
export MUJOCO_GL ?= egl
endif

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
		while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

$(READY): requirements.lock pyproject.toml tools/bootstrap.py tools/check_gl.py
	@$(PYTHON) tools/bootstrap.py

demo: $(READY) ## carry out an instruction with both arms, in closed loop, from camera images
	@failed=0; for robot in panda so101; do \
		echo "premotor: $$robot: $(INSTRUCTION)"; \
		$(BIN)/premotor run "$(INSTRUCTION)" --robot $$robot --seed $(SEED) $(ARGS) || failed=$$?; \
	done; exit $$failed

test: $(READY) ## run the tests on two processes
	@echo "premotor: running the tests"
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: $(READY) ## format, lint, strict types, import contract: the same as CI
	@failed=(); \
	step() { echo "premotor: $$1"; shift; "$$@" || failed+=("$$1"); }; \
	step format $(BIN)/ruff format --check .; \
	step lint $(BIN)/ruff check .; \
	step types $(BIN)/mypy $(CHECKED); \
	step "import contract" $(BIN)/lint-imports; \
	if (( $${#failed[@]} )); then echo "premotor: failed: $${failed[*]##*/}"; exit 1; fi

# LeRobot wants another torch than ours, so it has an environment of its own; LEROBOT=<its python> takes one there is.
LEROBOT ?= .venv-lerobot/bin/python
.venv-lerobot/bin/python:
	@echo "premotor: installing LeRobot beside, in .venv-lerobot"
	@$(PYTHON) -m venv .venv-lerobot
	@.venv-lerobot/bin/pip install -q 'lerobot[metaworld]==0.6.1' $$(grep ^mujoco== requirements.lock)

check-lerobot: $(READY) $(LEROBOT) ## let LeRobot read our datasets and read LeRobot's here
	@$(BIN)/python tests/data/check_with_lerobot.py $(LEROBOT)

# peft, torchao and ray bring much, so they have an environment of their own, too.
EXTRAS := tests/models/test_adapter.py tests/models/test_quantised.py tests/training/test_tune.py tests/cli/test_fine_tuning.py \
	tests/evaluation/test_cluster.py tests/evaluation/test_metaworld.py tests/evaluation/test_recording.py
.venv-extras/.ready: requirements.lock pyproject.toml
	@echo "premotor: installing the extras beside, in .venv-extras"
	@$(PYTHON) -m venv .venv-extras
	@.venv-extras/bin/pip install -q -r requirements.lock
	@.venv-extras/bin/pip install -q -e '.[lora,quant,metaworld,ray]'
	@touch $@

test-extras: .venv-extras/.ready ## run the tests of what comes with extras, with their libraries
	@OMP_NUM_THREADS=1 .venv-extras/bin/python -m pytest -n 2 --dist worksteal $(EXTRAS) $(ARGS)

check-metaworld: .venv-extras/.ready $(LEROBOT) ## compare Meta-World here with LeRobot's; ARGS="--policy FOLDER" compares a policy, too
	@.venv-extras/bin/python tools/metaworld_lerobot.py --lerobot $(LEROBOT) $(ARGS)

# LIBERO brings robosuite and gigabytes of meshes, so it has an environment of its own.
LIBERO_TESTS := tests/sim/libero tests/evaluation/test_libero.py tests/training/test_libero.py tests/cli/test_verbs.py
.venv-libero/.ready: requirements.lock pyproject.toml
	@echo "premotor: installing the extra libero beside, in .venv-libero"
	@$(PYTHON) -m venv .venv-libero
	@.venv-libero/bin/pip install -q -r requirements.lock
	@.venv-libero/bin/pip install -q -e '.[libero]'
	@touch $@

test-libero: .venv-libero/.ready ## run the tests of LIBERO with its packages
	@OMP_NUM_THREADS=1 .venv-libero/bin/python -m pytest -n 2 --dist worksteal $(LIBERO_TESTS) $(ARGS)

format: $(READY) ## rewrite the code in the house format, with safe lint fixes
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

train: $(READY) ## re-make the bundled policy (hours on a CPU; ARGS=--dry-run shows the plan)
	@$(BIN)/premotor train $(ARGS)

bench: $(READY) ## measure speeds; each script in benchmarks/ writes a results/*.json
	@shopt -s nullglob; for script in benchmarks/*.py; do \
		echo "premotor: $$script"; \
		$(BIN)/python "$$script" $(ARGS); \
	done

results: $(READY) ## measure everything that the README quotes, then rewrite its table
	@$(MAKE) --no-print-directory bench
	@echo "premotor: evaluating every family, arm and split"
	@$(BIN)/premotor eval --protocol full --out results $(ARGS)
	@$(BIN)/python tools/readme_results.py

lock: $(READY) ## pin what .venv holds of the declared dependencies in requirements.lock
	@$(BIN)/python tools/lock.py
