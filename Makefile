# `make` alone prints the targets.
RUN = python3 bootstrap.py
REPORT = notebooks/parameters/cdnow.yaml

help:             ## print the targets
	@sed -n 's/^\([a-z]*\): *## /  make \1\t/p; s/^\([a-z]*\):.*## /  make \1\t/p' Makefile | sort -u

report:           ## run the workbook on real example data and print where the page is
	@$(RUN) smsroi run $(REPORT)

test:             ## run every test
	@$(RUN) pytest -n auto

lab:              ## open the notebooks in JupyterLab
	@$(RUN) jupyter lab notebooks

lint:             ## style and types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

lock:             ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header \
	  --quiet --upgrade pyproject.toml --output-file requirements.lock

.PHONY: help report test lab lint lock
.DEFAULT_GOAL := help
