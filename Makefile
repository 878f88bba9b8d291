# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Each target but help and clean first sets up what it needs, in a cache outside the repository (tests/tools/setup.py).

SETUP := @python3 tests/tools/setup.py
TESTS := @python3 tests/tools/run_tests.py
PYTEST_ARGUMENTS ?=
FILE ?=
TARGET ?= test
UNTIL ?=
MINUTES ?= 5
FRESH ?=

.PHONY: help test test-all unit lint docs demo fresh fuzz benchmark clean

help:
	@echo 'make demo       a real VirtualBox host and two real guests that share a store'
	@echo 'make test       what a change must pass: units, gates, sharing with guests, modes, host modules, stores, imports'
	@echo 'make test-all   all tests: also systemd, QEMU, containers, Vagrant, Guest Additions, each Python and Ansible;'
	@echo '                UNTIL=50: what is only in test-all begins within 50 minutes or is left out, and named'
	@echo 'make unit       the unit tests in the Python at hand; FILE=tests/unit/... for one file'
	@echo 'make lint       the gates that only read the sources'
	@echo 'make docs       the documentation site, with the guides and the reference'
	@echo 'make fresh      TARGET=test (or another of these) in a clone of the last commit, on a fresh Debian (root);'
	@echo '                FRESH="--suite trixie" and other options: python3 tests/tools/fresh.py --help'
	@echo 'make fuzz       the tests that generate examples, with new random ones; the last goes on for MINUTES=5'
	@echo 'make benchmark  VBoxManage calls for 50 machines; verifying beside 0store audit; boots of guests; imports; settings; fleets; reports'
	@echo 'make clean      remove what these targets have made: ~/.cache/zeroinstall.virtualbox'
	@echo 'All but unit, lint and docs need root on Debian 12 or later.'
	@echo 'PYTEST_ARGUMENTS are options for pytest, as in: make test PYTEST_ARGUMENTS="-k shares -x"'

test:
	$(TESTS) $(PYTEST_ARGUMENTS)

test-all:
	$(TESTS) --all $(if $(UNTIL),--until $(UNTIL)) $(PYTEST_ARGUMENTS)

unit:
	@python3 tests/tools/unit.py $(FILE) $(PYTEST_ARGUMENTS)

lint:
	$(SETUP) --needs gates pytest tests/quality -m lint $(PYTEST_ARGUMENTS)

docs:
	$(SETUP) --needs docs python tests/tools/docs_site.py

demo:
	$(SETUP) --needs guests python tests/demo.py

fresh:
	@python3 tests/tools/fresh.py $(FRESH) make $(TARGET)

fuzz: export HYPOTHESIS_PROFILE := explore
fuzz:
	@python3 tests/tools/unit.py tests/unit -m hypothesis $(PYTEST_ARGUMENTS)
	$(SETUP) --needs zero-install pytest tests/store/test_digests.py -m hypothesis $(PYTEST_ARGUMENTS)
	$(SETUP) python tests/fuzz/fuzz_manifest.py --minutes $(MINUTES)

benchmark:
	$(SETUP) --needs host python tests/benchmarks/benchmark.py
	$(SETUP) --needs zero-install python tests/benchmarks/verify.py
	$(SETUP) --needs qemu python tests/benchmarks/boots.py
	$(SETUP) --needs zero-install python tests/benchmarks/imports.py
	$(SETUP) --needs ssh python tests/benchmarks/controller.py
	$(SETUP) --needs fleet python tests/benchmarks/fleet.py
	$(SETUP) --needs browser python tests/benchmarks/report.py

clean:
	$(SETUP) --clean
