# Two commands make the course work on a machine with Python (3.11 to 3.13) and make: `make demo` and `make lab`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ASSIGNMENTS := $(notdir $(wildcard solutions/a*))

.DEFAULT_GOAL := help
.PHONY: help setup demo lab test test-training lint format fresh notebooks lectures assignments bench-grading bench-cases clean \
	bench-sampling bench-likelihoods bench-gan-modes site slides test-site live

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/.installed  ## Make .venv and install the course in it (uv where it is on the PATH, else venv and pip)

# The versions that the tests ran with are in constraints.txt; `make setup CONSTRAINTS=` takes the newest instead.
CONSTRAINTS ?= -c constraints.txt
$(VENV)/.installed: pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  test -x $(BIN)/python || uv venv --python $(PYTHON) $(VENV); \
	  uv pip install --python $(BIN)/python $(CONSTRAINTS) -e '.[dev]'; \
	else \
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --upgrade pip && \
	  $(BIN)/python -m pip install --progress-bar off $(CONSTRAINTS) -e '.[dev]'; \
	fi
	@touch $@

demo: setup  ## Grade an example class: release, ten submissions, feedback, grades, gradebook
	$(BIN)/course demo

lab: setup  ## Open JupyterLab on the course
	$(BIN)/jupyter lab

# Tests of the grader start processes of their own and time them: they have the machine to themselves.
test: setup  ## Run all tests but the training claims
	$(BIN)/python -m pytest -m "not training" --ignore tests/grading --ignore tests/site -n 2 --dist worksteal
	$(BIN)/python -m pytest tests/grading

SEEDS ?= 5
test-training: setup  ## Show what trained models promise, with SEEDS seeds each (5: twenty minutes)
	$(BIN)/python -m pytest -m training --seeds $(SEEDS) -n 2 --dist worksteal tests/models tests/evaluation

# Needs a browser: on Debian, apt-get install chromium.
test-site: setup  ## Look at the built site and slides in a real browser (make site slides first)
	$(BIN)/python -m pytest tests/site

lint: setup  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fresh: setup  ## Check that every notebook is what its source builds
	$(BIN)/course build --check

notebooks: setup  ## Build what is stale: lectures (executed) and solutions
	$(BIN)/course build

lectures: notebooks

assignments: notebooks  ## Make the students' versions from the solutions
	for name in $(ASSIGNMENTS); do $(BIN)/course release $$name || exit 1; done

site: setup  ## Build the course's site: build/site/index.html
	$(BIN)/python -m publish.site

slides: setup  ## Make one file of slides for each lecture: build/site/slides
	$(BIN)/python -m publish.slides

live: setup  ## Train and export again the models that run in the site's pages (ten minutes)
	$(BIN)/python -m publish.live

bench-grading: setup  ## Time this grader beside stock nbgrader: benchmarks/grading.md (an hour)
	$(BIN)/python -m benchmarks.grading

bench-cases: setup  ## Show hostile and broken submissions to both graders: benchmarks/cases.md (half an hour)
	$(BIN)/python -m benchmarks.cases

bench-sampling: setup  ## Time cached beside plain sampling of PixelCNNs: benchmarks/sampling.md (ten minutes)
	$(BIN)/python -m benchmarks.sampling --hidden-dim 64

bench-likelihoods: setup  ## Train each model ten minutes, set its likelihood beside published ones: benchmarks/published.md
	$(BIN)/python -m benchmarks.likelihoods --minutes 10 --models fvbn nade made pixelcnn gated_pixelcnn pixelcnn_pp \
	  pixel_rnn_row pixel_rnn_diagonal multiscale_pixel_rnn vae iwae

bench-gan-modes: setup  ## Count the modes that GANs find on a ring of Gaussians: benchmarks/gan_modes.md (ten minutes)
	$(BIN)/python -m benchmarks.gan_modes

clean:  ## Remove what demo, training and benchmarks made (not .venv)
	rm -rf build runs .pytest_cache .ruff_cache .hypothesis
