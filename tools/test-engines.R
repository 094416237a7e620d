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

fit <- function(sources = tables, ...) {
  set.seed(1)
  moe_sites(y ~ ., sources, K = 2, ...)
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

# A source whose rows come after something has happened to its worker. All sites are such functions, so
# that all are the same work.
give <- function(rows, act) {
  f <- eval(bquote(function() {
    (.(act))()
    .(rows)
  }), globalenv())
  moe_source(f)
}
slow <- function(seconds) eval(bquote(function() Sys.sleep(.(seconds))), globalenv())
sources_with <- function(act, others = slow(0)) {
  lapply(stats::setNames(nm = names(tables)), function(name) {
    give(tables[[name]], if (name == "B") act else others)
  })
}
start <- sim$model

# Runs with one bad site, and then again with the cache, mended.
fault <- function(what, bad, status, timeout, ..., mended = tables) {
  cache <- path(paste0("cache-", group))
  seconds <- system.time(sites <- fit(bad, start = pilot(), timeout = timeout, ...))[["elapsed"]]
  check(sprintf("%s: ends within the timeout + 30 s", what), seconds <= timeout + 30, seconds)
  check(sprintf("%s: the others are fitted", what), identical(names(sites$models), c("A", "C", "D")),
    sites$table$status)
  check(sprintf("%s: the site is named as %s", what, paste(status, collapse = " or ")),
    sites$table$status[2] %in% status, paste(sites$table$status[2], sites$table$message[2]))
  shown <- paste(utils::capture.output(print(moe_aggregate(sites, support))), collapse = " ")
  check(sprintf("%s: the aggregate is made and says who is missing", what),
    grepl("3 of 4 sites", shown) && grepl("Left out: B \\(", shown), substr(shown, 1, 300))
  refused <- tryCatch(moe_aggregate(sites, support, min_sites = 4), moe_input_error = conditionMessage)
  check(sprintf("%s: a floor of 4 sites refuses it", what), is.character(refused))
  invisible(sites)
}
pilot <- function() {
  set.seed(1)
  moe(y ~ ., data[1:1000, ], K = 2)
}
# The same sources again (a function's text is its identity): what made B fail is over once `flag` is there.
over_once <- function(act, flag) {
  eval(bquote(function() if (!file.exists(.(flag))) (.(act))()), globalenv())
}
again <- function(sources, flag, cache) {
  file.create(flag)
  sites <- fit(sources, start = pilot(), cache = cache)
  check("a further run with the cache fits the missing site only",
    identical(sites$table$cached, c(TRUE, FALSE, TRUE, TRUE)) && all(sites$table$status == "fitted"),
    paste(sites$table$status, sites$table$cached, sites$table$message))
}

cluster <- function(hosts) {
  parallelly::makeClusterPSOCK(hosts, rshcmd = "ssh", rshopts = c("-F", path("ssh.conf")),
    rscript = file.path(R.home("bin"), "Rscript"), rscript_libs = .libPaths(), homogeneous = TRUE,
    connectTimeout = 20)
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
    # The signal comes in the middle of a fit of many rows.
    flag <- path("flag-killed")
    act <- eval(bquote(function() system(paste("(sleep 0.7; kill -9", Sys.getpid(), ") &"))), globalenv())
    bad <- sources_with(over_once(act, flag))
    many <- eval(bquote(function() {
      (.(over_once(act, flag)))()
      rows <- .(tables$B)
      if (file.exists(.(flag))) rows else rows[rep(seq_len(1000), 1000), ]
    }), globalenv())
    bad$B <- moe_source(many)
    fault("SIGKILL in the middle of a fit", bad, "lost", 60, cache = path("cache"))
    future::plan(future::multisession, workers = 2)
    again(bad, flag, path("cache"))
  },
  hung = {
    future::plan(future::multisession, workers = 2)
    flag <- path("flag-hung")
    bad <- sources_with(over_once(slow(3600), flag))
    fault("a source that hangs", bad, "timed out", 5, cache = path("cache-hung"))
    future::plan(future::multisession, workers = 2)
    again(bad, flag, path("cache-hung"))
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
  `ssh-cut` = {
    future::plan(future::cluster, workers = cluster(hosts))
    flag <- path("flag-cut")
    # B is the second site, and so at the second host. It says when it is at work, and is then cut off.
    act <- eval(bquote(function() {
      writeLines("eth0", .(path("cut.new")))
      file.rename(.(path("cut.new")), .(path("cut")))
      Sys.sleep(20)
    }), globalenv())
    fault("a host cut off", sources_with(over_once(act, flag), slow(1)), c("lost", "timed out"), 30,
      cache = path("cache-cut"))
    quit("no", 0, FALSE)
  },
  `ssh-again` = {
    future::plan(future::cluster, workers = cluster(hosts))
    flag <- path("flag-cut")
    act <- eval(bquote(function() {
      writeLines("eth0", .(path("cut.new")))
      file.rename(.(path("cut.new")), .(path("cut")))
      Sys.sleep(20)
    }), globalenv())
    again(sources_with(over_once(act, flag), slow(1)), flag, path("cache-cut"))
  },
  slurm = {
    slurm()
    same_as_reference(fit())
  },
  `slurm-cancelled` = {
    slurm()
    flag <- path("flag-job")
    act <- eval(bquote(function() {
      writeLines(Sys.getenv("SLURM_JOB_ID"), .(path("job.new")))
      file.rename(.(path("job.new")), .(path("job")))
      Sys.sleep(60)
    }), globalenv())
    bad <- sources_with(over_once(act, flag))
    fault("a job cancelled", bad, "lost", 60, cache = path("cache-job"))
    again(bad, flag, path("cache-job"))
  })
future::plan(future::sequential)
