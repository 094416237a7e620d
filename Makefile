# Entry points for users and developers of the package; `make` lists them.

PKG := $(shell awk '/^Package:/ { print $$2 }' DESCRIPTION)

# All output goes here. (Not to build/: R CMD build makes a folder of that name
# for its own use inside the tarball.)
OUT := _build

# How many source files are compiled at a time.
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

# Flags for R CMD check. Add --no-tests and the like with `make check CHECK="..."`.
CHECK ?=

# Where no locale is set, as in many containers, R would not know UTF-8.
ifeq ($(LANG)$(LC_ALL)$(LC_CTYPE),)
export LC_ALL := C.UTF-8
endif

# Compiled in a copy, so that the checkout's src/ holds sources only. The copy
# keeps the files' times, so objects there serve again. R's make rules do not
# know which headers an object depends on: those older than any are dropped, as
# are files that are no longer in src/.
STAGE = mkdir -p $(OUT)/pkg/src; \
	  (cd $(OUT)/pkg && rm -rf R man inst exec DESCRIPTION NAMESPACE); \
	  cp -Rp DESCRIPTION NAMESPACE R man inst exec $(OUT)/pkg/; cp -Rp src/. $(OUT)/pkg/src/; \
	  (cd $(OUT)/pkg/src && find . \( -name '*.h' -o -name '*.cpp' \) -exec sh -c \
	  '[ -f "$(CURDIR)/src/$$1" ] || rm -f "$$1" "$${1%.cpp}.o"' _ {} \;); \
	  find $(OUT)/pkg/src \( -name '*.h' -o -name 'Makevars*' \) \
	  -exec find $(OUT)/pkg/src -name '*.o' ! -newer {} -delete \;

# Compiler flags, and flags of R CMD INSTALL.
MAKEVARS := Makevars
INSTALL_FLAGS :=

# Install into a library of the checkout's own, which leaves the user's library
# as it is. R_LIBS rather than .libPaths(), for R's child processes to see it.
# What the compiler has to say is shown only if it fails.
INSTALL_HERE = { \
	  $(STAGE); \
	  echo "Installing $(PKG) into $(OUT)/library (log in $(OUT)/install.log)"; \
	  mkdir -p $(OUT)/library; \
	  R_MAKEVARS_USER="$(CURDIR)/tools/$(MAKEVARS)" MAKEFLAGS=-j$(JOBS) R CMD INSTALL $(INSTALL_FLAGS) --library=$(OUT)/library $(OUT)/pkg >$(OUT)/install.log 2>&1 </dev/null || \
	  { cat $(OUT)/install.log; false; }; }
WITH_LIBRARY = R_LIBS="$(CURDIR)/$(OUT)/library$${R_LIBS:+:$$R_LIBS}"

.DEFAULT_GOAL := help
.PHONY: help setup demo lint hooks test run-tests test-paths test-engines sanitize coverage install check document site bench paper paper-quick clean
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Install all that is missing: R, a compiler, R packages
	@bash tools/setup.sh test demo check

demo: ## Run the demo (installs what is missing first)
	@bash tools/setup.sh demo
	@$(INSTALL_HERE)
	@$(WITH_LIBRARY) Rscript inst/demo/flights.R

# All of them are run, whatever the first says.
lint: ## Check rooms, circles, lengths, and the style of R and C++; names every fault
	@bash tools/setup.sh lint
	@faults=0; for script in rooms lengths style; do Rscript tools/check-$$script.R || faults=1; done; exit $$faults

hooks: ## Let git run lint before each commit
	@install -m 755 tools/pre-commit "$$(git rev-parse --git-path hooks)/pre-commit"

# When a command fails, make adds a line "*** Error" of its own, but the last
# line of `make test` is to be the number of tests that passed and failed. With
# -q make does not: it runs only the commands that start with a plus sign, and
# its exit status tells whether there are any others.
ifeq ($(MAKECMDGOALS),test)
MAKEFLAGS += -q
endif

test: run-tests ## Run all tests (installs what is missing first)
	$(if $(shell tail -n 1 $(OUT)/test.log | grep ' passed, 0 failed'),,@exit 1)

run-tests:
	+@unset MAKEFLAGS; mkdir -p $(OUT); : >$(OUT)/test.log; \
	if bash tools/setup.sh test && $(INSTALL_HERE); then \
	  $(WITH_LIBRARY) Rscript tools/run-tests.R </dev/null | tee $(OUT)/test.log; \
	fi; \
	tail -n 1 $(OUT)/test.log | grep -Eq '^[0-9]+ passed, [0-9]+ failed' || \
	  printf '\n0 passed, 1 failed\n' | tee -a $(OUT)/test.log

# Every instruction set of the machine, with one thread and with two.
test-paths: ## Run all tests on each instruction set, on 1 and 2 threads
	@bash tools/setup.sh test
	@$(INSTALL_HERE)
	@failed=""; \
	sets=$$($(WITH_LIBRARY) Rscript -e 'cat(attr(distmoe::moe_instructions(), "available"))') && [ -n "$$sets" ] || exit 1; \
	for set in $$sets; do \
	  for threads in 1 2; do \
	    echo "== $$set, $$threads thread(s)"; \
	    DISTMOE_INSTRUCTIONS=$$set DISTMOE_THREADS=$$threads $(WITH_LIBRARY) Rscript tools/run-tests.R \
	      </dev/null >$(OUT)/test-$$set-$$threads.log 2>&1 || failed="$$failed $$set/$$threads"; \
	    tail -n 1 $(OUT)/test-$$set-$$threads.log; \
	  done; \
	done; \
	[ -z "$$failed" ] || { echo "Failed:$$failed" >&2; exit 1; }

# The last line is "N passed, N failed" (", N skipped").
test-engines: ## Run the package on real engines: processes, SSH hosts, Slurm, data bases; with faults
	@bash tools/setup.sh engines
	@$(INSTALL_HERE)
	@$(WITH_LIBRARY) bash tools/test-engines.sh

# A library of its own, and two processes: the search takes as long as all the others. R is not built with the
# sanitizers, so theirs is loaded before it. R's own memory is not looked after: leaks are not looked for.
SANITIZED = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" DISTMOE_SLOW_BUILD=sanitize \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 $(WITH_LIBRARY) Rscript tools/run-tests.R

sanitize: OUT := _build/sanitize
sanitize: MAKEVARS := Makevars.sanitize
sanitize: INSTALL_FLAGS := --no-test-load --no-docs
sanitize: ## Tests of the core, messages and sources with address and undefined-behaviour sanitizers and Eigen's assertions
	@bash tools/setup.sh test
	@$(INSTALL_HERE)
	@$(SANITIZED) '^core-search' </dev/null >$(OUT)/search.log 2>&1 & \
	$(SANITIZED) '^core-[^s]' '^core-st' '^message' '^source' </dev/null >$(OUT)/others.log 2>&1; wait; \
	cat $(OUT)/search.log $(OUT)/others.log; \
	! grep -nE 'runtime error|ERROR: AddressSanitizer|Assertion' $(OUT)/search.log $(OUT)/others.log && \
	for log in search others; do tail -n 1 $(OUT)/$$log.log | grep -Eq ' passed, 0 failed' || exit 1; done

coverage: ## How many lines the tests run, of R and of the core; names those they do not
	@bash tools/setup.sh coverage
	@rm -rf $(OUT)/coverage/pkg && mkdir -p $(OUT)/coverage/pkg
	@cp -Rp DESCRIPTION NAMESPACE R man inst exec src $(OUT)/coverage/pkg/
	@MAKEFLAGS=-j$(JOBS) Rscript tools/coverage.R $(OUT)/coverage/pkg </dev/null

install: ## Install the package into your R library
	@bash tools/setup.sh demo
	@Rscript -e 'if (file.access(.libPaths()[1], 2) != 0) dir.create(Sys.getenv("R_LIBS_USER"), FALSE, TRUE)'
	@$(STAGE)
	@MAKEFLAGS=-j$(JOBS) R CMD INSTALL $(OUT)/pkg

# Of a copy without _build, which R CMD build would copy too. CHECK=--as-cran is for machines with internet. R CMD check fails by itself on errors only, hence the look into its log. The
# settings: suggested packages may be absent, and no network is needed.
check: ## R CMD build and R CMD check; fails on errors and warnings
	@bash tools/setup.sh check
	@rm -rf $(OUT)/$(PKG)_*.tar.gz $(OUT)/$(PKG).Rcheck $(OUT)/source && mkdir -p $(OUT)/source
	@tar --exclude=./$(OUT) --exclude=./.git -cf - . | tar -C $(OUT)/source -xf -
	@cd $(OUT) && R_MAKEVARS_USER="$(CURDIR)/tools/Makevars" MAKEFLAGS=-j$(JOBS) R CMD build source
	@cd $(OUT) && R_MAKEVARS_USER="$(CURDIR)/tools/Makevars" MAKEFLAGS=-j$(JOBS) _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_SYSTEM_CLOCK_=false \
	  R CMD check --no-manual $(CHECK) $(PKG)_*.tar.gz
	@! grep -E '\.\.\. (ERROR|WARNING)|^Status:.*(ERROR|WARNING)' $(OUT)/$(PKG).Rcheck/00check.log

# By the installed package: roxygen2 by itself would compile all of src/ anew.
document: ## Update NAMESPACE and man/ from the comments in R/
	@bash tools/setup.sh check
	@Rscript -e 'Rcpp::compileAttributes()'
	@$(INSTALL_HERE)
	@$(WITH_LIBRARY) Rscript -e 'roxygen2::roxygenise(load_code = roxygen2::load_installed)'

site: ## Build the web site (reference, articles, news) into _build/site; needs no internet
	@bash tools/setup.sh site
	@$(INSTALL_HERE)
	@$(WITH_LIBRARY) Rscript tools/site.R </dev/null

# In this order; those that are not there are left out. One that came to its end
# (last line "done") is not run again unless FORCE=1 says so.
BENCH := kernel scaling threads driver glm predict memory flexmix distribution many-sites reduction regions \
  transport select search coverage coverage-means paper-design rounds diamonds families units hierarchy out-of-core cli-flights
BENCH_OUT := $(OUT)/bench$(if $(QUICK),/quick)
BENCH_RESULTS := $(if $(QUICK),$(BENCH_OUT),inst/bench)/RESULTS.md

bench: ## Run the benchmarks; goes on where it stopped (QUICK=1: small sizes, FORCE=1: all anew)
	@bash tools/setup.sh bench
	@$(INSTALL_HERE)
	@mkdir -p $(BENCH_OUT)
	@export OPENBLAS_NUM_THREADS=1; failed=""; \
	for name in $(BENCH); do \
	  out=$(BENCH_OUT)/$$name.txt; \
	  [ -f inst/bench/$$name.R ] || continue; \
	  if [ -z "$(FORCE)" ] && [ "$$(tail -n 1 $$out 2>/dev/null)" = done ]; then \
	    echo "== $$name: done before ($$out)"; continue; \
	  fi; \
	  echo "== $$name"; \
	  $(WITH_LIBRARY) Rscript inst/bench/$$name.R $(if $(QUICK),quick) </dev/null 2>&1 | tee $$out; \
	  [ "$$(tail -n 1 $$out)" = done ] || failed="$$failed $$name"; \
	done; \
	Rscript inst/bench/collect.R $(BENCH_OUT) $(BENCH_RESULTS) $(BENCH); \
	[ -z "$$failed" ] || { echo "Did not come to their end:$$failed" >&2; exit 1; }

# The long runs go on where they stopped: what stands in inst/paper/results is kept. The two short ones
# (leak, mm) are run where their results are missing. mmash.R is not run: it needs data from elsewhere.
PAPER_OUT := $(OUT)/paper
PAPER_QUICK := $(OUT)/paper-quick

paper: ## The paper's experiments, many hours; goes on where it stopped. Figures and summary in _build/paper
	@bash tools/setup.sh bench demo
	@$(INSTALL_HERE)
	@mkdir -p $(PAPER_OUT)
	@export OPENBLAS_NUM_THREADS=1; set -e; \
	[ -f inst/paper/results/leak-numbers.csv ] || $(WITH_LIBRARY) Rscript inst/paper/leak.R; \
	[ -f inst/paper/results/mm.csv ] || $(WITH_LIBRARY) Rscript inst/paper/mm.R; \
	for name in flights-weather classify simulate; do $(WITH_LIBRARY) Rscript inst/paper/$$name.R; done; \
	Rscript inst/paper/figures.R out=$(PAPER_OUT); \
	Rscript inst/paper/summary.R >$(PAPER_OUT)/summary.txt; cat $(PAPER_OUT)/summary.txt

paper-quick: ## The same pipeline on tiny data, in 3 minutes; results in _build/paper-quick
	@bash tools/setup.sh bench demo
	@$(INSTALL_HERE)
	@rm -rf $(PAPER_QUICK) && mkdir -p $(PAPER_QUICK)
	@export OPENBLAS_NUM_THREADS=1; set -e; \
	for name in simulate classify leak mm flights-weather; do \
	  echo "== $$name"; $(WITH_LIBRARY) Rscript inst/paper/$$name.R quick results=$(PAPER_QUICK); \
	done; \
	$(WITH_LIBRARY) Rscript inst/paper/simulate.R quick results=$(PAPER_QUICK) check=4000,1; \
	Rscript inst/paper/figures.R results=$(PAPER_QUICK) out=$(PAPER_QUICK); \
	Rscript inst/paper/summary.R results=$(PAPER_QUICK) >$(PAPER_QUICK)/summary.txt; \
	cat $(PAPER_QUICK)/summary.txt

clean: ## Remove all that was built
	rm -rf $(OUT)
	find src \( -name '*.o' -o -name '*.so' -o -name '*.dll' \) -delete
