# make run    sets everything up, then runs the main job on the embedded defaults: four pairs, two answers each
# make test   sets everything up, then checks style and types and runs the whole test suite
# make lint   style, types and layers only: needs no compiler, sandbox or browser

.PHONY: run test lint setup-run setup-test setup-lint
PYTHON_BIN := .venv/bin

define LINT
$(PYTHON_BIN)/ruff check .
$(PYTHON_BIN)/ruff format --check .
$(PYTHON_BIN)/mypy
$(PYTHON_BIN)/lint-imports
endef

run: setup-run
	@$(PYTHON_BIN)/pie-bench models get smollm2 >/dev/null
	$(PYTHON_BIN)/python harness.py --task pie_retrieval_k2 --model smollm2 --dataset mini --limit 4 --samples 2

test: setup-test
	$(LINT)
	$(PYTHON_BIN)/python -m pytest -x -q --cov --cov-fail-under=90

lint: setup-lint
	$(LINT)

setup-run:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test

setup-lint:
	@tools/setup.sh lint
