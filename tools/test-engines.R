# The checks of tools/test-engines.sh, by group: `Rscript test-engines.R GROUP`. Services are started there.
library(distmoe)
options(width = 150)
group <- commandArgs(TRUE)[1]
scratch <- Sys.getenv("DISTMOE_ENGINES")
path <- function(...) file.path(scratch, ...)

check <- function(what, ok, found = "") {
  cat(if (isTRUE(ok)) "passed: " else "failed: ", group, ": ", what,
    if (!isTRUE(ok)) paste0(" (found: ", paste(format(found), collapse = ", "), ")"), "\n", sep = "")
}

# ---- the aggregate that all engines make ------------------------------------------------------

sim <- moe_simulate(4000, K = 2, d = 3, seed = 1)
site <- rep(c("A", "B", "C", "D"), 1000)
data <- sim$data
tables <- split(data, site)
support <- moe_support(data, site = site)

fit <- function(sources = tables, formula = y ~ ., ...) {
  set.seed(1)
  moe_sites(formula, sources, K = 2, ...)
}
numbers <- function(model) unname(c(unlist(model$parameters)))
aggregate <- function(sites) numbers(moe_aggregate(sites, support))

same_as_reference <- function(sites) {
  reference <- scan(path("reference"), quiet = TRUE)
  gap <- tryCatch(max(abs(aggregate(sites) - reference) / pmax(1, abs(reference))), error = function(e) {
    conditionMessage(e)
  })
  check("the same model as in one process, to 1e-8", is.numeric(gap) && gap <= 1e-8, gap)
}

# ---- faults -----------------------------------------------------------------------------------

# Nothing here waits for a time in which something should have happened: a machine may be slow. Site B tells
# in the file begun-GROUP that it is at work, and then waits for the end that tools/test-engines.sh (or the
# timeout) makes of it. In the further run, which the file over-GROUP marks, it gives its rows. All sites are
# functions, and their text is the same in both runs, so that the cache knows them again.
begun <- path(paste0("begun-", group))
over <- path(paste0("over-", group))

# `what`: an expression, evaluated on the worker, of the words that B tells.
doomed <- function(what, wait = 300) {
  function_at_worker(bquote(function() {
    if (!file.exists(.(over))) {
      writeLines(as.character(.(what)), .(paste0(begun, ".new")))
      file.rename(.(paste0(begun, ".new")), .(begun))
      until <- Sys.time() + .(wait)
      while (Sys.time() < until && !file.exists(.(over))) Sys.sleep(0.1)
      stop("what should have happened to this site did not")
    }
    .(tables$B)
  }))
}
# Many rows, told of when they are there, and with how much work of the processor: the signal comes when the
# fit has taken some more. A fit from a start would be over by then: this one searches, on all rows.
at_length <- list(control = moe_control(starts = 200, start_rows = 0))
killed_at_work <- function() {
  function_at_worker(bquote(function() {
    rows <- .(tables$B)
    if (file.exists(.(over))) return(rows)
    rows <- as.data.frame(lapply(rows, rep, 300))
    writeLines(paste(Sys.getpid(), round(100 * sum(proc.time()[1:2]))), .(paste0(begun, ".new")))
    file.rename(.(paste0(begun, ".new")), .(begun))
    rows
  }))
}
function_at_worker <- function(code) eval(code, globalenv())
with_site_b <- function(b) {
  sources <- lapply(tables, function(rows) moe_source(function_at_worker(bquote(function() .(rows)))))
  sources$B <- moe_source(b, memory_rows = 1e7)
  sources
}

fit_with <- function(b, formula, how, ...) {
  do.call(fit, c(list(with_site_b(b), formula, ..., cache = path(paste0("cache-", group))), how))
}
# Runs with one bad site. `formula`: where it names the columns, no site is opened before its fit. `how`: further
# arguments of the fit.
fault <- function(what, b, status, timeout, formula = y ~ x1 + x2 + x3, how = list(start = pilot())) {
  fit()  # all workers have loaded the package
  seconds <- system.time(sites <- fit_with(b, formula, how, timeout = timeout))[["elapsed"]]
  check(sprintf("%s: ends within the timeout + 30 s", what), seconds <= timeout + 30, seconds)
  check(sprintf("%s: the others are fitted", what), identical(names(sites$models), c("A", "C", "D")),
    paste(sites$table$status, sites$table$message))
  check(sprintf("%s: the site is named as %s", what, paste(status, collapse = " or ")),
    sites$table$status[2] %in% status, paste(sites$table$status[2], sites$table$message[2]))
  shown <- tryCatch(paste(utils::capture.output(print(moe_aggregate(sites, support))), collapse = " "),
    error = conditionMessage)
  check(sprintf("%s: the aggregate is made and says who is missing", what),
    grepl("3 of 4 sites", shown) && grepl("Left out: B \\(", shown), substr(shown, 1, 300))
  refused <- tryCatch(moe_aggregate(sites, support, min_sites = 4), moe_input_error = conditionMessage)
  check(sprintf("%s: a floor of 4 sites refuses it", what), is.character(refused))
}
pilot <- function() {
  set.seed(1)
  moe(y ~ ., data[1:1000, ], K = 2)
}
again <- function(b, formula = y ~ x1 + x2 + x3, how = list(start = pilot())) {
  file.create(over)
  sites <- fit_with(b, formula, how)
  check("a further run with the cache fits the missing site only",
    identical(sites$table$cached, c(TRUE, FALSE, TRUE, TRUE)) && all(sites$table$status == "fitted"),
    paste(sites$table$status, sites$table$cached, sites$table$message))
}

cluster <- function(hosts) {
  parallelly::makeClusterPSOCK(hosts, rshcmd = "ssh", rshopts = c("-F", path("ssh.conf")),
    rscript = file.path(R.home("bin"), "Rscript"), rscript_libs = .libPaths(), homogeneous = TRUE)
}
hosts <- c("10.213.1.2", "10.213.2.2")
slurm <- function() {
  setwd(scratch)  # where the registries of jobs go
  future::plan(future.batchtools::batchtools_slurm, workers = 2,
    template = system.file("templates/slurm.tmpl", package = "distmoe"))
}
data_base <- function(open, what) {
  connection <- open()
  for (name in names(tables)) {
    DBI::dbWriteTable(connection, paste0("site_", tolower(name)), tables[[name]], row.names = FALSE)
  }
  DBI::dbDisconnect(connection)
  sources <- lapply(stats::setNames(nm = names(tables)), function(name) {
    moe_source(open, table = paste0("site_", tolower(name)))
  })
  future::plan(future::multisession, workers = 2)
  same_as_reference(fit(sources))
}

switch(group,
  reference = {
    sites <- fit()
    writeLines(sprintf("%.17g", aggregate(sites)), path("reference"))
    check("all sites fitted", all(sites$table$status == "fitted"))
  },
  multisession = {
    future::plan(future::multisession, workers = 2)
    same_as_reference(fit())
  },
  killed = {
    future::plan(future::multisession, workers = 2)
    b <- killed_at_work()
    fault("SIGKILL in the middle of a fit", b, "lost", 60, how = at_length)
    future::plan(future::multisession, workers = 2)
    again(b, how = at_length)
  },
  hung = {
    future::plan(future::multisession, workers = 2)
    b <- doomed("at work", wait = 3600)
    # With the dot the source is opened, and hangs, before the fits.
    fault("a source that hangs", b, "timed out", 20, y ~ .)
    future::plan(future::multisession, workers = 2)
    again(b, y ~ .)
  },
  sqlite = data_base(eval(bquote(function() DBI::dbConnect(RSQLite::SQLite(), .(path("sites.sqlite")))),
    globalenv())),
  postgresql = {
    driver <- if (requireNamespace("RPostgres", quietly = TRUE)) quote(RPostgres::Postgres())
              else quote(RPostgreSQL::PostgreSQL())
    data_base(eval(bquote(function() DBI::dbConnect(.(driver), host = .(path("pgsocket")), user = "postgres",
      dbname = "postgres")), globalenv()))
  },
  ssh = {
    workers <- cluster(hosts)
    future::plan(future::cluster, workers = workers)
    same_as_reference(fit())
    addresses <- unlist(parallel::clusterCall(workers, function() {
      system("ip -4 -o addr show eth0 | awk '{print $4}'", intern = TRUE)
    }))
    check("workers have the hosts' addresses", identical(unname(addresses), paste0(hosts, "/24")), addresses)
  },
  # B tells at which host it is, and is cut off. The further run is a process of its own, once the link is up
  # again: this one can't even end its workers.
  `ssh-cut` = , `ssh-again` = {
    first <- group == "ssh-cut"
    group <- "ssh"
    begun <- path("begun-ssh-cut")
    over <- path("over-ssh-cut")
    future::plan(future::cluster, workers = cluster(hosts))
    b <- doomed(quote(strsplit(Sys.getenv("SSH_CONNECTION"), " ")[[1]][3]))
    if (first) {
      fault("a host cut off", b, c("lost", "timed out"), 60)
      quit("no", 0, FALSE)
    }
    again(b)
  },
  slurm = {
    slurm()
    same_as_reference(fit())
  },
  `slurm-cancelled` = {
    slurm()
    b <- doomed(quote(Sys.getenv("SLURM_JOB_ID")))
    fault("a job cancelled", b, "lost", 90)
    again(b)
  })
future::plan(future::sequential)
