# SPDX-License-Identifier: GPL-2.0
# Front door; the work is done by scripts/ and tests/run.

FLAVOURS ?= base debug
PREFIX ?= /usr/local
OUT := $(CURDIR)/build
JOBS ?= $(shell nproc)
export OUT JOBS DESTDIR PREFIX

# Of make fuzz and make storm
SECONDS ?= 600
ifndef SEED
SEED := $(shell od -An -N3 -tu4 /dev/urandom | tr -d ' ')
endif
# Of make power
STEPS ?= 120

# T, V and KEEP are ours: not for the kernel's Makefiles to misunderstand.
MAKEOVERRIDES :=
unexport T V KEEP FLAVOURS MISSING SEED SECONDS STEPS N A B

run_options = $(if $(filter 1,$(V)),--verbose) $(if $(filter 1,$(KEEP)),--keep) \
	$(if $(filter 1,$(MISSING)),--missing)

.PHONY: help run test fuzz power storm mutants peers bench bench-compare shell check kernel tools install clean \
	setup
.NOTPARALLEL:

help:
	@echo 'make run      build what is missing, boot a VM, play the tour'
	@echo 'make test     build what is missing, run every test'
	@echo '                T=PATTERN          only cases whose group/name match'
	@echo '                FLAVOURS="base"    only this kernel (base, debug)'
	@echo '                V=1                show the logs as they grow'
	@echo '                MISSING=1          debug: only what has not passed yet'
	@echo '                KEEP=1             shell in the VM at the first failure'
	@echo 'make fuzz     random programs and I/O against a model, for 10 minutes'
	@echo '                SECONDS=600        or so long'
	@echo '                SEED=N             of what is random; a run prints its own'
	@echo 'make power    power failures at every moment that makes a difference (STEPS=120)'
	@echo 'make storm    everything root can do, at once, on the debug kernel (SECONDS=600)'
	@echo 'make mutants  are faults in the kernel part noticed? all, or N="12 40" (an hour)'
	@echo 'make bench    what a bio pays, in instructions (a quarter of an hour)'
	@echo 'make bench-compare A=REV B=REV   the same of two revisions, side by side'
	@echo 'make peers    the suites of others, with our change and without (half an hour)'
	@echo 'make shell    root shell in a VM with the tools and scratch disks'
	@echo 'make check    style, static analysis, patches, the feature compiled out'
	@echo 'make kernel   the base kernel only: build/kernel/base/bzImage'
	@echo 'make tools    base kernel, libbpf, bpftool, bioctl, policies'
	@echo 'make install  bioctl, bpftool, policies, manual pages (PREFIX, DESTDIR)'
	@echo 'make clean    remove build/ (the shared kernel trees stay, see docs/building.md)'

setup:
	@scripts/setup

kernel: setup
	@scripts/kernel-tree && scripts/kernel-build base

tools: setup
	@scripts/build base

run: setup
	@scripts/build base
	@tests/run --verbose --flavours base tour/tour

test: setup
	@scripts/build $(FLAVOURS)
	@tests/run --flavours "$(FLAVOURS)" $(run_options) $(T)

fuzz: setup
	@scripts/build base
	@echo "make fuzz SEED=$(SEED) SECONDS=$(SECONDS)"
	@tests/run --verbose --flavours base --more-time $(SECONDS) \
		--env MODEL_SEED=$(SEED) --env MODEL_SECONDS=$(SECONDS) model/fuzz

power: setup
	@scripts/build base
	@tests/run --verbose --flavours base --more-time 7200 \
		--env POWER_STATES=all --env POWER_STEPS=$(STEPS) power/

storm: setup
	@scripts/build debug
	@tests/run --verbose --flavours debug --more-time $(SECONDS) \
		--env STORM_SECONDS=$(SECONDS) hostile/storm lower/storm

mutants: setup
	@scripts/build base
	@tests/mutate $(N)

peers: setup
	@scripts/build base
	@scripts/peers
	@tests/run --flavours "peers-unpatched peers" peers/
	@tests/peers/compare $(OUT)/test

bench: setup
	@scripts/build base
	@scripts/bench
	@tests/run --flavours "base bench-off bench-mitigations" cost/bench cost/real
	@bench/report $(OUT)/test $(OUT)/bench.json $(OUT)/cost.svg $(OUT)/curves.svg

bench-compare: setup
	@scripts/bench-compare "$(A)" "$(B)"

shell: setup
	@scripts/build $(firstword $(FLAVOURS))
	@tests/run --shell --flavours "$(firstword $(FLAVOURS))"

check: setup
	@scripts/check

# Not under sudo, if it has been done without: that has another cache.
install: $(if $(wildcard $(OUT)/bin/bioctl),,tools)
	@scripts/install

clean:
	rm -rf $(OUT)
