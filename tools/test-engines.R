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

# A study by the command line alone: at the two hosts, and at the centre.
signed_exchange <- function() {
  if (!requireNamespace("openssl", quietly = TRUE) || !requireNamespace("optparse", quietly = TRUE)) {
    return(check("openssl and optparse are installed", FALSE))
  }
  sites <- c(north = hosts[1], south = hosts[2])
  home <- path("files")
  dir.create(home)
  program <- paste(shQuote(file.path(R.home("bin"), "Rscript")), shQuote(moe_cli_path()))
  libraries <- paste0("R_LIBS=", shQuote(paste(.libPaths(), collapse = ":")))
  run <- function(command) suppressWarnings(system(paste(command, "2>&1"), intern = TRUE))
  failed <- character()
  must <- function(out) {
    if (!is.null(attr(out, "status"))) failed <<- c(failed, utils::tail(out, 3))
    out
  }
  ssh <- function(host, command) run(paste("ssh -F", path("ssh.conf"), host, shQuote(command)))
  scp <- function(from, to) must(run(paste("scp -q -F", path("ssh.conf"), from, to)))
  # Every site's folder is another one, though here they may lie on one disk.
  there <- function(m, name = "") path(paste0("files-", m), name)
  centre <- function(...) run(paste("cd", home, "&&", libraries, program, ...))
  site <- function(m, ...) ssh(sites[[m]], paste("cd", there(m), "&&", libraries, program, ...))
  send <- function(name, m) scp(file.path(home, name), paste0(sites[[m]], ":", there(m)))
  fetch <- function(m, name, to) scp(paste0(sites[[m]], ":", there(m, name)), file.path(home, to))
  public <- function(out) regmatches(out, regexpr("dm1-[A-Za-z0-9+/]{88}", out))
  trusted <- "--registry trial.json --key own.key"
  parts <- list(north = tables$A, south = tables$B)
  must(centre("keys --key own.key"))
  must(centre("register", trusted, "--study trial"))
  for (m in names(sites)) {
    must(ssh(sites[[m]], paste("mkdir -p", there(m))))
    exact <- as.data.frame(lapply(parts[[m]], sprintf, fmt = "%.17g"))
    utils::write.csv(exact, file.path(home, "rows.csv"), row.names = FALSE, quote = FALSE)
    send("rows.csv", m)
    key <- public(must(site(m, "keys --key own.key")))
    must(centre("register", trusted, "--site", m, "--rows 1000 --public", shQuote(key)))
  }
  for (m in names(sites)) send("trial.json", m)
  exact <- as.data.frame(lapply(tables$C, sprintf, fmt = "%.17g"))
  utils::write.csv(exact, file.path(home, "shared.csv"), row.names = FALSE, quote = FALSE)
  must(centre("fit --data shared.csv --formula 'y ~ x1 + x2 + x3' -K 2 --seed 1 --out model-0.json", trusted))
  for (round in 0:2) {
    dir.create(file.path(home, paste0("round-", round)))
    for (m in names(sites)) {
      send(paste0("model-", round, ".json"), m)
      must(site(m, "refine --data rows.csv --model", paste0("model-", round, ".json"), "--out answer.json --overwrite",
        if (round == 2) "--masked", trusted))
      fetch(m, "answer.json", paste0("round-", round, "/", m, ".json"))
    }
    must(centre("refine --messages", paste0("round-", round), "--model", paste0("model-", round, ".json"), "--out",
      paste0("model-", round + 1, ".json"), trusted))
  }
  check("two hosts and a centre run signed rounds by files, the last one masked", !length(failed), failed)
  plain <- read_moe(file.path(home, "model-0.json"))
  for (round in 0:2) {
    plain <- moe_update(plain, lapply(names(sites), function(m) moe_statistics(plain, parts[[m]], site = m)))
  }
  signed <- read_moe(file.path(home, "model-3.json"))
  gap <- max(abs(numbers(signed) - numbers(plain)) / pmax(1, abs(numbers(plain))))
  check("they give the model of unsigned rounds, to 1e-10", gap <= 1e-10, gap)
  # The last answer of one host in the other's name, and a start of the earlier exchange.
  file.copy(file.path(home, "round-1", "north.json"), file.path(home, "round-2", "north.json"), overwrite = TRUE)
  out <- centre("refine --messages round-2 --model model-2.json --out forged.json", trusted)
  check("an answer of an earlier exchange is refused", !file.exists(file.path(home, "forged.json")) &&
    any(grepl("north.json: field exchange is 2", out)), utils::tail(out, 3))
  out <- site("north", "refine --data rows.csv --model model-1.json --out forged.json", trusted)
  check("a host refuses an earlier model", any(grepl("of exchange 3 has come", out)), utils::tail(out, 3))
  check("all logs are whole", all(grepl("Whole", c(paste(centre("log --registry trial.json"), collapse = " "),
    vapply(names(sites), function(m) paste(site(m, "log --registry trial.json"), collapse = " "), "")))))
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
  # Institutions that share no disk: each host has a folder of its own, files go by scp, all are signed.
  files = signed_exchange(),
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
