engine_sources <- function(n = 600, sites = c("A", "B", "C", "D")) {
  withr::local_seed(1)
  d <- crossing_lines(n)
  split(d, rep(sites, length.out = n))
}

two_workers <- function(env = parent.frame()) {
  old <- future::plan(future::multisession, workers = 2)
  withr::defer(future::plan(old), envir = env)
}

# A source that does something to its worker before it gives its rows, at the site "bad" alone.
tricky <- function(sources, act) {
  environment(act) <- globalenv()
  bad <- sources[["B"]]
  give <- eval(bquote(function() {
    (.(act))()
    .(bad)
  }), globalenv())
  environment(give) <- globalenv()
  sources$B <- moe_source(give)
  sources
}

test_that("random numbers of sites are streams of L'Ecuyer's generator, fixed by set.seed()", {
  withr::local_seed(7)
  a <- site_seeds(3)
  after <- stats::runif(1)
  set.seed(7)
  expect_identical(site_seeds(2), a[1:2])
  expect_identical(stats::runif(1), after)
  RNGkind("L'Ecuyer-CMRG")
  withr::defer(RNGkind("default"))
  stream <- .Random.seed
  b <- site_seeds(2)
  expect_identical(b, list(parallel::nextRNGSubStream(stream),
    parallel::nextRNGSubStream(parallel::nextRNGStream(stream))))
})

test_that("batches hold every site once", {
  for (n in c(1, 3, 99, 100, 101, 1000, 10001)) {
    expect_identical(unlist(site_batches(n, Inf, NULL)), seq_len(n))
    expect_length(site_batches(n, 10, NULL), n)
    expect_lte(length(site_batches(n, Inf, 7)), max(7, if (n < 7) n))
  }
})

test_that("a worker that is killed loses its site alone, and retries are counted", {
  skip_on_os("windows")
  two_workers()
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  killed <- tricky(sources, function() tools::pskill(Sys.getpid(), tools::SIGKILL))
  sites <- moe_sites(y ~ x, killed, start = start)
  t <- sites$table
  expect_equal(t$status, c("fitted", "lost", "fitted", "fitted"))
  expect_true(is.na(t$n[2]))
  expect_output(print(sites), "3 fitted, 0 skipped, 0 failed, 1 lost")
  support <- moe_support(do.call(rbind, sources))
  aggregate <- moe_aggregate(sites, support, weights = "size")
  expect_output(print(aggregate), "3 of 4 sites.*1 site that did not tell.*Left out: B \\(lost, rows unknown")
  expect_error(moe_aggregate(sites, support, weights = "size", min_sites = 4), "3 of 4 sites.*B \\(lost",
    class = "moe_input_error")
})

test_that("a worker that died once is replaced by another where there are retries", {
  skip_on_os("windows")
  two_workers()
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  flag <- withr::local_tempfile()
  once <- eval(bquote(function() if (!file.exists(.(flag))) {
    file.create(.(flag))
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  }))
  sites <- moe_sites(y ~ x, tricky(sources, once), start = start, retries = 1)
  expect_equal(sites$table$status, rep("fitted", 4))
  expect_equal(coef(sites$models$B), coef(moe(y ~ x, sources$B, start = start)))
})

test_that("a site that hangs is given up in time, by its worker or by the centre", {
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  hung <- tricky(sources, function() repeat sqrt(2))
  # In this very process:
  seconds <- system.time(here <- moe_sites(y ~ x, hung, start = start, timeout = 1))[["elapsed"]]
  expect_equal(here$table$status, c("fitted", "timed out", "fitted", "fitted"))
  expect_lt(seconds, 20)
  skip_on_os("windows")
  two_workers()
  moe_sites(y ~ x, sources, start = start)  # both workers have loaded the package
  # A child process that does not come back, and R waits without looking.
  deaf <- tricky(sources, function() system("trap '' INT TERM; sleep 40"))
  seconds <- system.time(there <- moe_sites(y ~ x, deaf, start = start, timeout = 4))[["elapsed"]]
  expect_equal(there$table$status, c("fitted", "timed out", "fitted", "fitted"))
  expect_lt(seconds, 34)
  expect_equal(lapply(there$models, coef), lapply(here$models, coef))
})

test_that("sites that are done come from the cache, and the others are fitted", {
  withr::local_seed(1)
  sources <- engine_sources()
  folder <- withr::local_tempdir()
  fit <- function(sources, seed = 3, K = 2) {
    set.seed(seed)
    moe_sites(y ~ x, sources, K = K, cache = folder, information = TRUE)
  }
  first <- fit(replace(sources, "B", list("no data")))
  expect_equal(first$table$status, c("fitted", "failed", "fitted", "fitted"))
  second <- fit(sources)
  expect_equal(second$table$cached, c(TRUE, FALSE, TRUE, TRUE))
  expect_output(print(second), "3 from the cache")
  set.seed(3)
  fresh <- moe_sites(y ~ x, sources, K = 2, information = TRUE)
  for (name in names(sources)) {
    a <- second$models[[name]]
    b <- fresh$models[[name]]
    a$record$seconds <- b$record$seconds <- NULL
    expect_identical(a[setdiff(names(a), "schema")], b[setdiff(names(a), "schema")])
  }
  expect_false(any(fit(sources, K = 1)$table$cached))
  expect_message(other <- fit(sources, seed = 4), "set.seed")
  expect_false(any(other$table$cached))
  changed <- sources
  changed$A$y[1] <- 0
  expect_equal(fit(changed)$table$cached, c(FALSE, TRUE, TRUE, TRUE))
})

test_that("a damaged file of the cache is named and done anew", {
  withr::local_seed(1)
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  folder <- withr::local_tempdir()
  fit <- function() {
    set.seed(1)
    moe_sites(y ~ x, sources, start = start, cache = folder)
  }
  a <- fit()
  files <- list.files(folder, full.names = TRUE)
  expect_length(files, 4)
  text <- readLines(files[1])
  writeLines(substr(text, 1, 100), files[1])
  writeLines(sub("\"0x1", "\"q(1)", readLines(files[2])), files[2])
  expect_warning(b <- fit(), "2 files")
  expect_equal(sum(b$table$cached), 2)
  expect_equal(lapply(b$models, coef), lapply(a$models, coef))
  # One number in the place of another, another site's file, another format, something else.
  whole <- lapply(files, readLines)
  damage <- list(sub("0x1[.]([0-9])", "0x1.f\\1", whole[[1]]), whole[[1]],
    sub("distmoe-cache/", "distmoe-cache/9", whole[[3]]), "[]")
  for (i in 1:4) {
    writeLines(damage[[i]], files[i])
    if (identical(damage[[i]], whole[[i]])) next
    expect_warning(c <- fit(), paste0(basename(files[i])))
    expect_identical(c$table$cached, seq_along(files) != i)
    key <- function(lines) sub("\"checksum\".*", "", lines[1])
    expect_identical(key(readLines(files[i])), key(whole[[i]]))
  }
  writeLines(whole[[1]], files[2])
  expect_warning(c <- fit(), basename(files[2]))
  expect_equal(lapply(c$models, coef), lapply(a$models, coef))
})

test_that("a cache that can't be written does not stop the fits, and its files are named", {
  sources <- engine_sources(sites = c("A", "B"))
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  folder <- withr::local_tempdir()
  fit <- function() {
    set.seed(1)
    moe_sites(y ~ x, sources, start = start, cache = folder)
  }
  fit()
  files <- list.files(folder, full.names = TRUE)
  # Where the file should be there is a folder with something in it.
  unlink(files[1])
  dir.create(file.path(files[1], "full"), recursive = TRUE)
  said <- character()
  sites <- withCallingHandlers(fit(), warning = function(w) {
    said <<- c(said, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  expect_identical(sites$table$cached, c(FALSE, TRUE))
  expect_identical(sites$table$status, c("fitted", "fitted"))
  expect_match(said, "can't be written", all = FALSE)
  expect_match(said, basename(files[1]), fixed = TRUE)
  expect_length(list.files(folder), 2)
})

test_that("what a fit depends on is in the key of its cache, to the last bit", {
  d <- engine_sources()$A
  folder <- withr::local_tempdir()
  cut <- 0
  twist <- function(x) x + 1
  fit <- function(formula = y ~ I(x > cut) + twist(x), data = d, ...) {
    set.seed(1)
    suppressMessages(moe_sites(formula, list(A = data), K = 1, cache = folder, ...))$table$cached
  }
  expect_false(fit())
  expect_true(fit())
  expect_true(fit(data = as.data.frame(as.list(d))))
  cut <- cut + .Machine$double.eps
  expect_false(fit())
  twist <- function(x) x + 2
  expect_false(fit())
  expect_true(fit())
  expect_false(fit(control = moe_control(gate_ridge = 1)))
  d$x[1] <- d$x[1] * (1 + .Machine$double.eps)
  expect_false(fit())
  same <- function(a, b) identical(content_text(a), content_text(b))
  expect_true(same(1:3, c(1L, 2L, 3L)))
  expect_true(same(c("a\u00e9", NA), iconv(c("a\u00e9", NA), "UTF-8", "latin1")))
  expect_false(same(c("a", "bc"), c("ab", "c")))
  expect_false(same("NA", NA_character_))
  expect_false(same(1, 1 + 2 * .Machine$double.eps))
  expect_false(same(quote(f(1)), quote(f(1 + 1e-17))))
  expect_false(same(list(a = 1), list(b = 1)))
  expect_false(same(factor("a"), factor("a", c("a", "b"))))
})

test_that("answers that are not what was asked for are a loss of their site alone", {
  good <- list(model = NULL, row = site_row(5L, "failed", "why"))
  expect_true(is_site_result(good))
  for (bad in list(NULL, 1, "a", list(), list(row = list(n = 1)), list(model = 1, row = good$row),
    list(row = replace(good$row, "n", list(NULL))), list(row = replace(good$row, "n", "many")))) {
    expect_false(is_site_result(bad))
    got <- site_result(bad, data.frame(a = 1:3), FALSE)
    expect_identical(got$row$status, "lost")
    expect_identical(got$row$n, 3L)
  }
})

test_that("plain data come back from text as they were", {
  x <- list(a = c(p = 1 / 3, q = NA, r = Inf, s = -0, t = .Machine$double.xmin), b = NULL, c = 1:3,
    d = matrix(c(TRUE, NA, FALSE, TRUE), 2, dimnames = list(NULL, c("u", "v"))), e = character(),
    f = data.frame(kind = c("a", NA), value = c(1.5, NaN)), g = list(1, list("x\"\\\n\u00e9")))
  expect_identical(plain_read(plain_text(x)), x)
  expect_error(plain_text(list(mean)), "plain")
  expect_error(plain_read("{\"type\":\"call\",\"value\":[\"q()\"]}"), "plain")
})

test_that("floors of sites and rows hold, and say who is missing", {
  sources <- engine_sources()
  sources$B <- sources$B[1:5, ]
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  sites <- moe_sites(y ~ x, sources, start = start)
  support <- moe_support(do.call(rbind, sources))
  fit <- function(...) moe_aggregate(sites, support, weights = "size", ...)
  expect_s3_class(fit(min_sites = 3, min_share = 450 / 455), "moe_aggregate")
  expect_error(fit(min_sites = 4), "B \\(skipped, 5 rows", class = "moe_input_error")
  expect_error(fit(min_share = 0.999), "min_share", class = "moe_input_error")
  expect_error(fit(min_share = 2), "min_share", class = "moe_input_error")
  expect_error(fit(min_sites = 0), "min_sites", class = "moe_input_error")
  expect_output(print(fit()), "450 of 455 rows \\(98.9 %\\)")
})

test_that("timeouts, retries and caches that make no sense are refused", {
  sources <- engine_sources()
  for (bad in list(0, -1, NA, "1", c(1, 2))) {
    expect_error(moe_sites(y ~ x, sources, K = 1, timeout = bad), "timeout", class = "moe_input_error")
  }
  expect_error(moe_sites(y ~ x, sources, K = 1, retries = -1), "retries", class = "moe_input_error")
  expect_error(moe_sites(y ~ x, sources, K = 1, cache = 3), "cache", class = "moe_input_error")
  file <- withr::local_tempfile(lines = "x")
  expect_error(moe_sites(y ~ x, sources, K = 1, cache = file), "folder", class = "moe_input_error")
})

test_that("an exchange names the site whose worker is lost", {
  skip_on_os("windows")
  two_workers()
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  killed <- tricky(sources, function() tools::pskill(Sys.getpid(), tools::SIGKILL))
  expect_error(moe_refine(start, killed, rounds = 1), "B.*lost", class = "moe_input_error")
})

test_that("a round of a hierarchy names the site whose worker is lost, and the one that is late", {
  skip_on_os("windows")
  two_workers()
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  h <- moe_hierarchy(moe_sites(y ~ x, sources, start = start, information = TRUE))
  killed <- tricky(sources, function() tools::pskill(Sys.getpid(), tools::SIGKILL))
  expect_error(moe_refine(h, killed, rounds = 1), "B.*lost", class = "moe_input_error")
  late <- tricky(sources, function() Sys.sleep(60))
  expect_error(moe_refine(h, late, rounds = 1, timeout = 3), "B", class = "moe_input_error")
  expect_equal(coef(moe_refine(h, sources, rounds = 1)), coef(moe_refine(h, sources, rounds = 1)))
})

test_that("a site that takes its worker with it when its columns are asked for is not tried again", {
  skip_on_os("windows")
  two_workers()
  sources <- engine_sources()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  killed <- tricky(sources, function() tools::pskill(Sys.getpid(), tools::SIGKILL))
  # Without a start every source is asked; one that is lost then must not take the second worker too.
  set.seed(1)
  sites <- moe_sites(y ~ x, killed, K = 2)
  expect_equal(sites$table$status, c("fitted", "lost", "fitted", "fitted"))
  expect_equal(sites$table$site, names(sources))
})

test_that("a result that is NULL stays in its place", {
  give <- function(source, task) if (source > 1) source
  out <- run_at_sites(list(a = 1, b = 2, c = 3, d = 0), give, NULL)
  expect_identical(out, list(a = NULL, b = 2, c = 3, d = NULL))
})

test_that("jobs are looked for under the name of the user who runs R", {
  withr::local_envvar(USER = NA)
  name <- function(source, task) Sys.getenv("USER")
  seen <- run_at_sites(list(a = 1), name, NULL)
  skip_if(Sys.info()[["effective_user"]] == "unknown")
  expect_identical(seen$a, Sys.info()[["effective_user"]])
  expect_identical(Sys.getenv("USER", NA), NA_character_)
  withr::local_envvar(USER = "someone")
  run_at_sites(list(a = 1), name, NULL)
  expect_identical(Sys.getenv("USER"), "someone")
})

test_that("a scheduler's silence is no loss of the job, its word that the job is gone is one after a while", {
  skip_if_not_installed("batchtools")
  withr::local_options(batchtools.verbose = FALSE, batchtools.progress = FALSE)
  listed <- character()
  ended <- character()
  reg <- batchtools::makeRegistry(file.dir = NA, make.default = FALSE)
  reg$cluster.functions <- batchtools::makeClusterFunctions("Test",
    submitJob = function(reg, jc) batchtools::makeSubmitJobResult(0L, "7"),
    killJob = function(reg, batch.id) ended <<- c(ended, batch.id),
    listJobsRunning = function(reg) listed, listJobsQueued = function(reg) character())
  batchtools::batchMap(identity, 1, reg = reg)
  batchtools::submitJobs(reg = reg)
  future <- structure(new.env(), class = "BatchtoolsFuture")
  future$config <- list(reg = reg)
  look <- function(answer) {
    delayedAssign("listed", answer, assign.env = parent.env(environment()))
    future$moe_asked <- NULL
    is_ready(future)
  }
  expect_false(look("7"))
  expect_true(is_running(future))
  expect_false(look(stop("no answer")))
  expect_false(is_running(future))
  future$moe_gone <- clock() - engine_settings$settle - 1
  expect_false(look(stop("no answer")))
  expect_true(look(character()))
  # It was only late:
  expect_false(look("7"))
  expect_false(look(character()))
  # What is ended from here is gone as soon as the scheduler says so.
  stop_worker(future)
  expect_identical(ended, "7")
  expect_false(look("7"))
  expect_true(look(character()))
})

# In a process of its own, which is ended where it does not return: what `code` gives for lists of sites' status.
engine_outcome <- function(plan, code, seconds = 100) {
  script <- withr::local_tempfile(fileext = ".R")
  result <- withr::local_tempfile(fileext = ".rds")
  lines <- c(paste0(".libPaths(", deparse1(.libPaths()), ")"), "library(distmoe)", plan,
    "sim <- moe_simulate(900, K = 2, d = 2, seed = 1)", "s <- split(sim$data, rep(c('A', 'B', 'C'), each = 300))",
    "start <- moe(y ~ ., s$A, K = 2)",
    "bad <- moe_source(function() { tools::pskill(Sys.getpid(), 9); Sys.sleep(100) })",
    "odd <- list(A = s$A, bad = bad, B = s$B, C = s$C)",
    "status <- function(...) moe_sites(y ~ ., ..., K = 2)$table$status", paste0("out <- ", code),
    paste0("saveRDS(out, ", deparse(result), ")"))
  writeLines(lines, script)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), script, stdout = FALSE, stderr = FALSE,
    timeout = seconds))
  if (file.exists(result)) readRDS(result) else "did not return"
}

test_that("calls after one in which a worker died go on with workers in its place", {
  skip_on_os("windows")
  lost <- c("fitted", "lost", "fitted", "fitted")
  plan <- "future::plan(future::multisession, workers = 2)"
  expect_identical(engine_outcome(plan, "list(status(odd, start = start), status(odd, start = start),
    status(odd), status(odd, start = start, retries = 1), status(odd, retries = 2), status(s))"),
    list(lost, lost, lost, lost, lost, rep("fitted", 3)))
  # More that die than there are workers, and workers that died while they were idle.
  expect_identical(engine_outcome(plan, "list(status(c(odd, list(D = bad, E = bad)), start = start, retries = 1), {
    for (node in future::plan('next')(NULL, lazy = TRUE)$workers) tools::pskill(node$session_info$process$pid, 9)
    Sys.sleep(0.5)
    status(s)
  }, inherits(future::plan('next'), 'multisession'), as.integer(future::nbrOfFreeWorkers()))"),
    list(c(lost, "lost", "lost"), rep("fitted", 3), TRUE, 2L))
  # One that is ended for its time leaves none behind either.
  expect_identical(engine_outcome(plan, "{
    odd$bad <- moe_source(function() system2('sleep', 60))
    list(status(odd, start = start, timeout = 2), status(s), as.integer(future::nbrOfFreeWorkers()))
  }"), list(c("fitted", "timed out", "fitted", "fitted"), rep("fitted", 3), 2L))
})

test_that("where workers can't be replaced calls return all the same", {
  skip_on_os("windows")
  plan <- "cl <- parallelly::makeClusterPSOCK(2); future::plan(future::cluster, workers = cl)"
  out <- engine_outcome(plan, "list(status(odd, start = start), status(odd, start = start), status(s))")
  expect_length(out, 3)
  expect_identical(vapply(out[1:2], function(status) status[2], ""), c("lost", "lost"))
})

test_that("work of the user's that is under way is not stopped", {
  skip_on_os("windows")
  expect_identical(engine_outcome("future::plan(future::multisession, workers = 2)", "{
    own <- future::future({ Sys.sleep(4); 'mine' })
    first <- status(odd[1:2], start = start)
    list(first[2], future::value(own), status(s))
  }"), list("lost", "mine", rep("fitted", 3)))
  # What is done but not asked for occupies a worker until somebody looks for one.
  expect_identical(engine_outcome("future::plan(future::multisession, workers = 2)", "{
    own <- lapply(1:2, function(i) future::future(i))
    list(status(s), sum(unlist(future::value(own))))
  }"), list(rep("fitted", 3), 3L))
})
