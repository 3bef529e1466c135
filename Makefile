# make demo       the quickstart: four pieces of music and a page that shows them
# make test       what must pass before a change lands
# make test-all   the long checks too, and which lines no test reaches
# make coverage   that alone; measuring makes tests a third slower
# make docs       the documentation as a site that opens from the disk, in site/
# make check      form, types, import contracts and the quick tests
# make clean      removes what building and testing left; keeps .venv and runs

.PHONY: demo test test-all coverage check docs clean venv
.DEFAULT_GOAL := test

RUN := .venv/bin/python -m
PYTEST := $(RUN) pytest --quiet --numprocesses=2 --dist=worksteal
COVERED := --cov --cov-report=term

# Of this content, in this place, the environment is complete: no network. The
# settings of tools, below what is installed, change nothing.
CONTENT := $(shell (pwd; sed '/^\[tool.ruff/,$$d' pyproject.toml; \
  cat setup.py constraints.txt) | cksum | tr ' ' '-')
STAMP := .venv/complete-$(CONTENT)
SITE_STAMP := .venv/site-$(CONTENT)
ifneq ($(shell .venv/bin/python -c 'print(1)' 2>/dev/null),1)
.PHONY: $(STAMP) $(SITE_STAMP)
endif

$(STAMP):
	@echo 'Making .venv (once, a few minutes)'
	@tools/env/make_venv
	@rm -f .venv/complete-*
	@touch $@

$(SITE_STAMP): $(STAMP)
	@tools/env/make_venv docs
	@rm -f .venv/site-*
	@touch $@

venv: $(STAMP)

demo: $(STAMP)
	$(RUN) aurl_jax.main --config=configs/quickstart.py --workdir=runs/quickstart

test: $(STAMP)
	$(PYTEST)

test-all: $(STAMP)
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m '' $(COVERED)

coverage: $(STAMP)
	$(PYTEST) $(COVERED)

check: $(STAMP)
	tools/check

docs: $(SITE_STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet
	.venv/bin/python tools/site/outside.py site
	@echo 'site/index.html opens from the disk'

clean:
	rm -rf .cache build site dist *.egg-info .coverage* .hypothesis .ruff_cache \
	  .import_linter_cache .pytest_cache .mypy_cache
	find aurl_jax configs tests tools -name __pycache__ -type d -prune \
	  -exec rm -rf {} +
