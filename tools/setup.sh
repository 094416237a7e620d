#!/usr/bin/env bash
# Install what is missing, and nothing else, for one or more purposes:
#
#   tools/setup.sh test     to build the package and run its tests
#   tools/setup.sh demo     to build the package and run the demo
#   tools/setup.sh check    to run R CMD check and roxygen2 as well
#   tools/setup.sh site     to build the web site
#   tools/setup.sh bench    to build the package and run the benchmarks
#   tools/setup.sh engines  to build the package and run it on SSH, Slurm and data bases
#   tools/setup.sh lint     to check how the code is written
#   tools/setup.sh coverage to see how much of the code the tests run
#
# On Debian and Ubuntu, as root or with a sudo that asks no password, R itself
# and the packages come prebuilt from apt. What apt does not have, and all R
# packages on other systems, come from CRAN. Exit status 1 if something that is
# needed could not be installed.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS # those of a calling make are not meant for what is built here

if [ $# -eq 0 ]; then
  echo "Usage: tools/setup.sh test|demo|check|site|bench|engines|lint|coverage ..." >&2
  exit 2
fi

# ---- What is needed --------------------------------------------------------

# Prints "name version" (or "name ", if any version will do) for each package in
# one field of DESCRIPTION. This is done without R, which may not be there yet.
field() {
  awk -v f="$1:" '/^[^ \t]/ { on = index($0, f) == 1; sub(/^[^:]*:/, "") } on' DESCRIPTION |
    tr ',' '\n' | tr -d ' \t\r' |
    sed -nE 's/^([A-Za-z][A-Za-z0-9.]*)(\(>=([0-9.-]+)\))?.*$/\1 \3/p'
}
suggested() { field Suggests | grep -E "^($1) " || true; }
not_suggested() { field Suggests | grep -vE "^($1) " || true; }

need=$(field Depends)
[ "$*" = lint ] || need+=$'\n'$(field Imports; field LinkingTo)
optional=""           # tried, but it is no failure if they cannot be had
programs=""
services=""           # programs from apt, as name=package; tried, but not required
openblas=no           # "yes": R's BLAS should be OpenBLAS, if it can be had from apt
for mode in "$@"; do
  case "$mode" in
    test | check)
      need+=$'\n'$(suggested 'testthat|withr')
      optional+=$'\n'$(not_suggested 'testthat|withr|nycflights13|flexmix|knitr|rmarkdown') ;;
    demo) need+=$'\n'$(suggested nycflights13) ;;
    site)
      need+=$'\n'$(suggested 'knitr|rmarkdown|ggplot2|nycflights13')$'\npkgdown'
      programs+=" pandoc" ;;
    bench)
      optional+=$'\n'$(suggested 'flexmix|ggplot2')$'\nAER\ncarData\ninsuranceData\nmixtools\nMoEClust'
      openblas=yes ;;
    engines)
      optional+=$'\n'$(suggested 'DBI|RSQLite|RPostgres|batchtools|future.batchtools|openssl|optparse')
      optional+=$'\nDBI\nRSQLite\nRPostgreSQL'
      services+=" ip=iproute2 ssh=openssh-client sshd=openssh-server munged=munge slurmctld=slurmctld
        slurmd=slurmd sinfo=slurm-client initdb=postgresql" ;;
    lint)
      optional+=$'\nlintr'
      services+=" clang-format-14=clang-format-14" ;;
    coverage)
      need+=$'\n'$(suggested 'testthat|withr')$'\ncovr'
      optional+=$'\n'$(not_suggested 'testthat|withr|nycflights13|flexmix|knitr|rmarkdown') ;;
    *) echo "tools/setup.sh: unknown mode '$mode'" >&2; exit 2 ;;
  esac
  if [ "$mode" = check ]; then
    # roxygen2 cannot load a package with C++ code without pkgbuild.
    need+=$'\n'$(suggested 'knitr|rmarkdown')$'\nroxygen2\npkgbuild'
    programs+=" pandoc qpdf"
    # Pictures of vignettes are smaller with it.
    services+=" pngquant=pngquant"
  fi
done
# Packages that are part of R itself cannot be missing.
part_of_r='base|compiler|datasets|graphics|grDevices|grid|methods|parallel|splines|stats|stats4|tcltk|tools|utils'
tidy() { sed 's/ *$//' | grep -vE "^(($part_of_r)( .*)?|)$" | sort -u; }
need=$(tidy <<<"$need")
optional=$(tidy <<<"$optional")
# What DHARMa itself needs (mgcv 1.9) asks for R 4.4: with an older one, trying would take long, each time.
if command -v Rscript >/dev/null 2>&1 && Rscript -e 'quit(status = getRversion() >= "4.4.0")' 2>/dev/null; then
  optional=$(grep -v '^DHARMa' <<<"$optional")
fi

# ---- What is missing -------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

# Can R's own settings (compiler, BLAS, LAPACK, Fortran run time) build and link
# a C++ program? That all of these are there is what "a compiler" means below.
can_compile() {
  local dir ok=1
  have make || return 1
  dir=$(mktemp -d)
  printf '%s\n' 'int main() { return 0; }' >"$dir/try.cpp"
  printf 'include $(R_HOME)/etc$(R_ARCH)/Makeconf\ntry:\n\t%s\n' \
    '$(CXX) $(DIR)/try.cpp -o $(DIR)/try $(LAPACK_LIBS) $(BLAS_LIBS) $(FLIBS)' >"$dir/Makefile"
  R CMD make -f "$dir/Makefile" DIR="$dir" try >/dev/null 2>&1 || ok=0
  rm -rf "$dir"
  [ $ok = 1 ]
}

# Prints those of the "name version" lines on stdin that are not installed or too
# old, or, after the first look, do not load (loading them all takes seconds, too
# much for each `make test`). "R" stands for R itself.
load=no
missing_packages() {
  local lines answer
  lines=$(cat)
  # Without an R that works, all are missing.
  have Rscript && answer=$(Rscript -e '
    args <- commandArgs(TRUE)
    for (arg in args[-1]) {
      name <- sub("=.*", "", arg)
      version <- sub("^[^=]*=?", "", arg)
      ok <- name == "R" || if (args[1] == "yes") {
        suppressWarnings(suppressMessages(requireNamespace(name, quietly = TRUE)))
      } else {
        nzchar(system.file(package = name))
      }
      if (ok && nzchar(version)) {
        ok <- version <= if (name == "R") getRversion() else packageVersion(name)
      }
      if (!ok) cat("\nmissing:", name, version)
    }
    cat("\nlooked\n")' $load $(sed 's/ /=/' <<<"$lines")) && [[ $answer == *looked ]] ||
    answer=$(sed 's/^/missing: /' <<<"$lines")
  sed -n 's/^missing: //p' <<<"$answer" | sed 's/ *$//'
}

# Is R linked to OpenBLAS? The benchmarks measure against its matrix product.
has_openblas() { Rscript -e 'cat(extSoftVersion()["BLAS"])' 2>/dev/null | grep -qi openblas; }

# Daemons are not in everybody's path.
have_service() {
  PATH=$PATH:/usr/sbin:/sbin have "$1" || { [ "$1" = initdb ] && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
}

# Sets missing_services (Debian packages, not required), missing_programs ("R",
# "compiler", "pandoc", ...), missing (packages that are needed, as "name version"
# lines), missing_optional (likewise) and missing_library ("libopenblas0-serial"
# or nothing; not required).
look() {
  local all p
  missing_programs=""
  have Rscript || missing_programs="R"
  have Rscript && can_compile || missing_programs+=" compiler"
  for p in $programs; do have "$p" || missing_programs+=" $p"; done
  missing_services=""
  for p in $services; do have_service "${p%%=*}" || missing_services+=" ${p#*=}"; done
  missing_library=""
  [ $openblas = no ] || has_openblas || missing_library=libopenblas0-serial
  all=$(printf '%s\n' "$need" "$optional" | grep . | missing_packages)
  missing=$(grep -Fx "$need" <<<"$all")
  missing_optional=$(grep -Fx "$optional" <<<"$all")
}
names() { awk 'NF { print $1 }' <<<"$1"; }
in_one_line() { tr -s ' ' '\n' <<<"$*" | awk 'NF && !seen[$0]++' | paste -sd ' ' | sed 's/ /, /g'; }

look
if [ -z "$missing_programs$missing$missing_optional$missing_library$missing_services" ]; then
  echo "Nothing to install."
  exit 0
fi
echo "Installing: $(in_one_line "$missing_programs" "$(names "$missing")" "$(names "$missing_optional")" \
  "$missing_library" "$missing_services")"

load=yes

# ---- From apt --------------------------------------------------------------

root=""
use_apt=no
if have apt-get; then
  if [ "$(id -u)" = 0 ]; then use_apt=yes
  elif sudo -n true 2>/dev/null; then use_apt=yes; root="sudo -n"
  fi
fi

apt() {
  # Another apt may be at work: wait for it rather than fail.
  $root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Use-Pty=0 -qq "$@" </dev/null
}
# An R that is not Debian's (built from source, say) does not see the library of
# Debian's R packages.
r_is_from_apt() { ! have R || dpkg-query -S "$(R RHOME)/bin/R" >/dev/null 2>&1; }

# Installs those of the given R packages that apt has.
apt_packages() {
  local p found=()
  r_is_from_apt || return 0
  for p in "$@"; do
    p=r-cran-$(tr '[:upper:]' '[:lower:]' <<<"$p")
    apt-cache show "$p" >/dev/null 2>&1 && found+=("$p")
  done
  [ ${#found[@]} -eq 0 ] || apt install -y --no-install-recommends "${found[@]}"
}

if [ $use_apt = yes ]; then
  apt update || echo "apt-get update failed; going on with the package lists that are here."
  debs=""
  for p in $missing_programs; do
    case "$p" in
      R) debs+=" r-base-core" ;;
      compiler)
        if r_is_from_apt; then debs+=" r-base-dev"
        else debs+=" build-essential gfortran libblas-dev liblapack-dev"
        fi ;;
      *) debs+=" $p" ;;
    esac
  done
  [ -z "$debs" ] || apt install -y --no-install-recommends $debs
  apt_packages $(names "$missing") $(names "$missing_optional")
  # After R, which may have been missing as well.
  if [ -n "$missing_library" ] && r_is_from_apt; then
    apt install -y --no-install-recommends "$missing_library"
  fi
  # Installed, not started: who asks for them here starts daemons of their own.
  if [ -n "$missing_services" ]; then
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] && policy="" || printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    [ -z "$policy" ] || $root chmod 755 $policy
    apt install -y --no-install-recommends $missing_services
    [ -z "$policy" ] || $root rm -f $policy
  fi
  hash -r
  look
fi

# ---- From CRAN -------------------------------------------------------------

# Runs R code with the package names as its arguments, the repository set, and
# `lib`, a library folder that can be written to: the first one, or the user's.
with_cran() {
  local code=$1
  shift
  Rscript -e '
    repos <- getOption("repos")
    if (length(repos) == 0) repos <- c(CRAN = "@CRAN@")
    repos[repos == "@CRAN@"] <- "https://cloud.r-project.org"
    options(repos = repos, timeout = 300)
    pkgs <- setdiff(commandArgs(TRUE), "R")
    lib <- .libPaths()[1]
    if (file.access(lib, 2) != 0) {
      lib <- strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]][1]
      dir.create(lib, recursive = TRUE, showWarnings = FALSE)
      .libPaths(c(lib, .libPaths()))
    }' -e "$code" "$@" </dev/null
}

if [ -n "$missing$missing_optional" ] && have Rscript; then
  pkgs=$(names "$missing"; names "$missing_optional")
  echo "Installing from CRAN: $(in_one_line "$pkgs")"
  if [ $use_apt = yes ]; then
    # Prebuilt packages also for what these packages themselves depend on.
    apt_packages $(with_cran '
      deps <- tools::package_dependencies(pkgs, available.packages(), recursive = TRUE)
      cat(setdiff(unlist(deps), rownames(installed.packages())))' $pkgs)
  fi
  with_cran 'install.packages(pkgs, lib, Ncpus = max(1, parallel::detectCores(), na.rm = TRUE))' $pkgs
  look
fi

# ---- Is all there now? -----------------------------------------------------

if [ -n "$missing_optional$missing_library$missing_services" ]; then
  echo "Not installed, but not required: $(in_one_line "$(names "$missing_optional")" "$missing_library" \
    "$missing_services")"
fi
if [ -n "$missing_programs$missing" ]; then
  failed=$(sed -E '/ ./ s/^([^ ]+) +(.+)$/\1(>=\2)/' <<<"$missing")
  echo "Could not install: $(in_one_line "$missing_programs" "$failed")" >&2
  exit 1
fi
echo "All that is needed is installed."
