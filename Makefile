# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Each target but help and clean first sets up what it needs, in a cache outside the repository (tests/tools/setup.py).

SETUP := @python3 tests/tools/setup.py
PYTEST_ARGUMENTS ?=

.PHONY: help test test-fast lint demo benchmark clean

help:
	@echo 'make test       all tests: gates, units, real VirtualBox, integration (root, Debian)'
	@echo 'make test-fast  gates and units only: no pylint, the oldest ansible-core, the oldest and newest Python'
	@echo 'make lint       the gates that take seconds'
	@echo 'make demo       a real host and real guests that share a cache'
	@echo 'make benchmark  VBoxManage calls for 50 machines; verifying beside 0store audit; boots of guests; imports'
	@echo 'make clean      remove the cache'
	@echo 'PYTEST_ARGUMENTS are options for pytest, as in: make test PYTEST_ARGUMENTS="-k shares -x"'

test:
	$(SETUP) --all python tests/tools/run_tests.py $(PYTEST_ARGUMENTS)

test-fast:
	$(SETUP) python tests/tools/run_tests.py tests/quality -m 'not thorough' $(PYTEST_ARGUMENTS)

lint:
	$(SETUP) pytest tests/quality/test_gates.py -m lint $(PYTEST_ARGUMENTS)

demo:
	$(SETUP) python tests/demo.py

benchmark:
	$(SETUP) python tests/benchmarks/benchmark.py
	$(SETUP) python tests/benchmarks/verify.py
	$(SETUP) python tests/benchmarks/boots.py
	$(SETUP) python tests/benchmarks/imports.py

clean:
	$(SETUP) --clean
