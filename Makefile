# `make` alone prints the targets.
RUN = python3 bootstrap.py
REPORT = notebooks/parameters/demo.yaml

help:             ## print the targets
	@sed -n 's/^\([a-z]*\): *## /  make \1\t/p; s/^\([a-z]*\):.*## /  make \1\t/p' Makefile | sort -u

report:           ## run the workbook on demo data and print the path of the page
	@$(RUN) smsroi run $(REPORT)

test:             ## run every test; tests that need missing programs or data are skipped and listed
	@PYTHONDONTWRITEBYTECODE= SMSROI_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) pytest -n logical --dist worksteal $(PYTEST)

lab:              ## open the notebooks in JupyterLab
	@$(RUN) jupyter lab notebooks

lint:             ## check style and types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

calibrate:        ## test published intervals against known truths, where code has changed; write docs/calibration.md (hours for all)
	@$(RUN) python -m benchmarks.calibrate

bench:            ## compare run times with what a user would run instead (half an hour, on an idle machine)
	@for part in load simulate cltv segmentation timing frequency ab_test; do $(RUN) python -m benchmarks.$$part || exit 1; done

scale:            ## time every notebook at three sizes: docs/scale.md (an hour, on an idle machine)
	@$(RUN) python -m benchmarks.scale --peers

lock:             ## update requirements.lock from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --extra examples --extra postgres --extra dev --generate-hashes --no-emit-index-url --no-header \
	  --quiet --upgrade pyproject.toml --output-file requirements.lock

.PHONY: help report test lab lint calibrate bench scale lock
.DEFAULT_GOAL := help
