# make lab: JupyterLab on the first lesson.  make test: what CI checks, but for make mutate.  Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup lab test mutate course assignments bench models format store

help:
	@echo "make setup    make the virtual environment in $(VENV), every package at its pinned version"
	@echo "make lab      open JupyterLab on the first lesson"
	@echo "make test     lint, types, import contracts, unit tests, every notebook, browser tests"
	@echo "make mutate   break each lesson's core functions and see that its notebook fails"
	@echo "make course   run every notebook; readable pages and the leaderboard under build/"
	@echo "make assignments  the lessons as nbgrader's source notebooks under build/"
	@echo "make bench    speed against peers, and the leaderboard in benchmarks/leaderboard.json"
	@echo "make models   train the stored models of the lessons, under models/ (half an hour on 2 CPU cores)"
	@echo "make format   format and fix the code"
	@echo "make store    run every notebook and store its outputs"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt tools/setup_env.py
	@echo "== setup: virtual environment in $(VENV)"
	@$(PYTHON) tools/setup_env.py $(VENV)
	@touch $@

# LAB_ARGS="--no-browser --port 8899" is handed on to JupyterLab.
lab: setup
	@echo "== lab: JupyterLab on notebooks/00_start_here.ipynb (stop it with Ctrl-C)"
	@$(BIN)/jupyter lab $(LAB_ARGS) notebooks/00_start_here.ipynb

test: setup
	@echo "== test: format and lint"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/codespell
	@echo "== test: types"
	@$(BIN)/mypy
	@echo "== test: import contracts"
	@$(BIN)/lint-imports
	@echo "== test: units and doctests"
	@$(PYTEST) -q -n 2 --dist loadfile -m "not browser" --doctest-modules
	@echo "== test: candidates and features of lesson 05, once"
	@$(BIN)/medloc features brain_lesions
	@echo "== test: data of the case studies, where they can be had"
	@$(BIN)/medloc data fetch bccd || true
	@$(BIN)/medloc data fetch usgra_seg || true
	@$(BIN)/medloc data fetch msd_hippocampus || true
	@echo "== test: every notebook, stored outputs compared"
	@OMP_NUM_THREADS=1 $(PYTEST) -q -n 2 --dist loadfile --nbval-lax notebooks --nbval-sanitize-with tests/nbval_sanitize.cfg
	@echo "== test: in the browser"
	@$(PYTEST) -q -m browser tests

mutate: setup
	@echo "== mutate: each lesson's core functions broken; its notebook must fail"
	@OMP_NUM_THREADS=1 $(BIN)/python tools/mutate.py

course: setup
	@echo "== course: every notebook from top to bottom, pages under build/course"
	@$(BIN)/python tools/course.py

assignments: setup
	@echo "== assignments: the lessons as nbgrader's source notebooks, under build/assignments"
	@$(BIN)/python tools/assignments.py

bench: setup
	@echo "== bench: speed against peers, then the leaderboard"
	@for script in metrics dicom simulator start widgets enhancement registration fusion cooccurrence segmentation \
			features training classifiers detector generalization evidence reports gpu; do \
		$(BIN)/python benchmarks/$$script.py || exit 1; done
	@$(BIN)/medloc bench --dataset brain_lesions --localizer start --json benchmarks/leaderboard.json
	@$(BIN)/medloc features brain_lesions
	@$(BIN)/python benchmarks/semisupervised.py
	@for lesson in enhancement fusion segmentation supervised unsupervised semisupervised cnn detector generalization evidence reports; do \
		$(BIN)/medloc bench --dataset brain_lesions --localizer threshold --localizer $$lesson \
			--json benchmarks/leaderboard.json || exit 1; done
	@$(BIN)/python benchmarks/sequences.py
	@$(BIN)/medloc bench --dataset brain_lesions:dims=3 --localizer sequences --json benchmarks/leaderboard.json
	@! $(BIN)/medloc data fetch bccd || $(BIN)/python benchmarks/blood_cells.py
	@! $(BIN)/medloc data fetch usgra_seg || $(BIN)/python benchmarks/ultrasound.py
	@! $(BIN)/medloc data fetch msd_hippocampus || { $(BIN)/python benchmarks/hippocampus.py && \
		$(BIN)/medloc bench --dataset msd_hippocampus --localizer hippocampus_mean_box \
			--localizer hippocampus_heatmap --json benchmarks/leaderboard.json; }

# A model is a row of the leaderboard's method, trained once with seed 0; its folder's MODEL.md says how good it is.
TRAIN := $(BIN)/medloc train --dataset brain_lesions
models: setup
	@echo "== models: the stored models of lessons 08, 09 and 12, and of the case studies where their data can be had"
	@$(TRAIN) --localizer pooled_cam --out models/brain_lesions_pooled
	@$(TRAIN) --localizer one_box --out models/brain_lesions_one_box
	@$(TRAIN) --localizer heatmap --out models/brain_lesions_heatmap
	@$(TRAIN) --localizer heatmap_pasted --out models/brain_lesions_pasted
	@$(TRAIN) --localizer unet --out models/brain_lesions_unet
	@$(BIN)/python benchmarks/reports.py models
	@! $(BIN)/medloc data fetch bccd || $(BIN)/medloc train --dataset bccd --with-validation \
		--localizer blood_cells_heatmap --out models/bccd_heatmap
	@! $(BIN)/medloc data fetch usgra_seg || $(BIN)/medloc train --dataset usgra_seg --with-validation \
		--localizer ultrasound_unet --out models/usgra_unet
	@! $(BIN)/medloc data fetch msd_hippocampus || $(BIN)/medloc train --dataset msd_hippocampus \
		--localizer hippocampus_unet --out models/hippocampus_unet

format: setup
	@echo "== format"
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

store: setup
	@echo "== store: run every notebook and store its outputs in place"
	@$(BIN)/python tools/course.py --store
