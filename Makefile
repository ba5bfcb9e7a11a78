# make run    sets everything up, then runs the main job on the embedded defaults: four pairs, two answers each, on the
#             paper's tests and on stress inputs
# make test   sets everything up, then checks style and types and runs the whole test suite
# make lint   style, types and layers only: needs no compiler, sandbox or browser, and installs nothing
# make docs   sets up what the documentation's site needs, and builds it in site/, strictly

.PHONY: run test lint docs setup-run setup-test setup-docs has-linters
PYTHON_BIN := .venv/bin

define LINT
$(PYTHON_BIN)/ruff check .
$(PYTHON_BIN)/ruff format --check .
$(PYTHON_BIN)/mypy
$(PYTHON_BIN)/lint-imports
endef

run: setup-run
	@$(PYTHON_BIN)/pie-bench models get smollm2 >/dev/null
	$(PYTHON_BIN)/python harness.py --task pie_retrieval_k2 --model smollm2 --dataset mini --limit 4 --samples 2 --tests both

test: setup-test
	$(LINT)
	$(PYTHON_BIN)/python -m pytest -q --cov --cov-fail-under=90

lint: has-linters
	$(LINT)

docs: setup-docs
	$(PYTHON_BIN)/mkdocs build --strict

setup-run:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test

setup-docs:
	@tools/setup.sh docs

has-linters:
	@for tool in ruff mypy lint-imports; do test -x $(PYTHON_BIN)/$$tool || \
		{ echo "lint: no $$tool in $(PYTHON_BIN); set up with: tools/setup.sh lint" >&2; exit 2; }; done
