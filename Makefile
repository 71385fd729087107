# The names in this file are relied on from outside: see docs/development.md.
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := foundation certs directory mailserver dmp_bridge portal vaguemestre

.PHONY: demo run test check bench format clean

$(VENV)/installed: pyproject.toml scripts/venv
	sh scripts/venv $(VENV) .
	touch $@

$(VENV)/installed-test: pyproject.toml scripts/venv
	sh scripts/venv $(VENV) '.[test]'
	touch $(VENV)/installed $@

demo: $(VENV)/installed
	$(BIN)/vaguemestre demo

run: $(VENV)/installed
	$(BIN)/vaguemestre sandbox --home sandbox

test: $(VENV)/installed-test
	sh scripts/system-programs
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist worksteal  # the programs that tests start find it compiled

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed-test
	sh scripts/system-programs
	$(BIN)/python -m benchmarks

format: $(VENV)/installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
