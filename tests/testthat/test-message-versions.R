# Messages of earlier versions are read for ever; those of later minor versions are refused in clear words.
# messages-0.2/make.R says how the files were written.

old_folder <- function(...) testthat::test_path("messages-0.2", ...)
source(old_folder("data.R"), local = TRUE)

old_numbers <- function(x) vapply(x, function(v) if (is.null(v)) NA_real_ else as.numeric(v), 0)
old_matrix <- function(x) matrix(unlist(lapply(x, old_numbers)), ncol = length(x))
old_symmetric <- function(x) {
  v <- old_numbers(x)
  size <- (sqrt(8 * length(v) + 1) - 1) / 2
  out <- matrix(0, size, size)
  out[lower.tri(out, TRUE)] <- v
  out + t(out) - diag(diag(out), size)
}

# A fit of today to the same rows, with the numbers of the file in the place of its own.
twin <- function(file, fit) {
  tree <- jsonlite::parse_json(readChar(file, file.size(file)))
  fit$parameters$beta[] <- old_matrix(tree$parameters$beta)
  fit$parameters$alpha[] <- old_matrix(tree$parameters$alpha)
  fit$parameters$dispersion[] <- old_numbers(tree$parameters$dispersion)
  fit$share[] <- old_numbers(tree$share)
  fit[c("n", "weight", "log_lik")] <- lapply(tree[c("n", "weight", "log_lik")], as.numeric)
  if (!is.null(tree$information)) {
    fit$information$curvature[] <- old_symmetric(tree$information$curvature)
    for (name in c("x", "z")) for (what in c("centre", "scale")) {
      fit$information$scaling[[name]][[what]][] <- old_numbers(tree$information$scaling[[name]][[what]])
    }
    fit$information$scaling[c("y_centre", "y_scale")] <- tree$information$scaling[c("y_centre", "y_scale")]
  }
  m <- tree$shared$moments
  if (!is.null(m)) {
    fit$shared$moments$mass[] <- old_numbers(m$mass)
    for (k in 1:2) {
      factor <- matrix(0, nrow(fit$parameters$beta), nrow(fit$parameters$beta))
      factor[upper.tri(factor, TRUE)] <- old_numbers(m$factor[[k]])
      fit$shared$moments$factor[, , k] <- factor
    }
  }
  g <- tree$shared$gates
  if (!is.null(g)) {
    for (name in c("reference", "own", "expected")) fit$shared$gates[[name]][] <- old_matrix(g[[name]])
    fit$shared$gates$curvature[] <- old_symmetric(g$curvature)
  }
  fit
}

covariance <- function(...) suppressWarnings(tryCatch(vcov(...), moe_no_covariance = conditionMessage))

twins <- function(family, folder, sources, ...) {
  start <- read_moe(old_folder(family, "model.json"))
  files <- list.files(old_folder(family, folder), full.names = TRUE)
  sites <- suppressWarnings(moe_sites(y ~ x + g, sources[sub(".json", "", basename(files), fixed = TRUE)], K = 2,
    gating = ~x, family = family, start = start, ...))
  sites$models[] <- Map(twin, files, sites$models)
  sites
}

test_that("models of version 0.2 are read and aggregated as their numbers are", {
  for (family in old_families) {
    d <- old_rows(family)
    sources <- split(d[c("x", "g", "y")], d$site)
    support <- moe_support(d[c("x", "g")], site = d$site)
    share <- c("x", "gates", if (family == "gaussian") "moments")
    for (folder in c("plain", "shared")) {
      read <- read_moe(old_folder(family, folder))
      expect_identical(unique(read$table$status), "fitted")
      own <- if (folder == "plain") twins(family, folder, sources)
        else twins(family, folder, sources, share = share, information = TRUE)
      for (site in names(own$models)) {
        a <- read$models[[site]]
        b <- own$models[[site]]
        expect_identical(a$parameters, b$parameters)
        expect_identical(a[c("share", "n", "weight", "log_lik", "K")], b[c("share", "n", "weight", "log_lik", "K")])
        for (type in c("response", "density")) {
          expect_identical(predict(a, sources[[site]], type), predict(b, sources[[site]], type))
        }
        expect_identical(is.null(a$information), folder == "plain")
        expect_identical(a$information$curvature, b$information$curvature)
        expect_identical(a$shared, b$shared)
        if (folder == "shared") expect_identical(covariance(a), covariance(b))
      }
      a <- suppressWarnings(moe_aggregate(read, support))
      b <- suppressWarnings(moe_aggregate(own, support))
      expect_identical(a$parameters, b$parameters)
      expect_identical(a$aggregation$gates_from_sums, folder == "shared")
      expect_identical(a$aggregation$gates_from_sums, b$aggregation$gates_from_sums)
      if (folder == "shared") expect_identical(covariance(a, "information"), covariance(b, "information"))
      # Classes of so few rows are nearly separated.
      if (family == "gaussian" && folder == "shared") expect_true(is.matrix(covariance(a, "information")))
      control <- moe_control(variance_prior = 0)
      expect_identical(suppressWarnings(moe_refine(a, sources, 2, control = control))$parameters,
        suppressWarnings(moe_refine(b, sources, 2, control = control))$parameters)
    }
  }
})

test_that("rounds that version 0.2 began go on, with its sites' answers and with today's", {
  for (family in old_families) {
    d <- old_rows(family)
    sources <- split(d[c("x", "g", "y")], d$site)
    file <- function(...) old_folder(family, ...)
    control <- moe_control(variance_prior = 0)
    own <- function(model) lapply(names(sources), function(s) moe_statistics(model, sources[[s]], site = s))
    # The same rounds today, from the parameters that stand in the file.
    model <- read_moe(file("model.json"))
    model <- twin(file("model.json"), model)
    refined <- moe_refine(model, sources, 1, control = control)
    # Answers of 0.2 in every exchange, to its own states and to today's from them.
    first <- moe_update(model, file("exchange-1"), control = control)
    second <- moe_update(first, file("exchange-2"))
    third <- moe_update(second, file("exchange-3"))
    expect_equal(coef(second), coef(model), tolerance = 1e-10)
    expect_equal(coef(third), coef(refined), tolerance = 1e-8)
    expect_equal(third$log_lik, refined$log_lik, tolerance = 1e-10)
    for (state in list(read_moe(file("after-1.json")), first)) {
      expect_identical(state$rounds$settings$variance_prior, 0)
      expect_equal(coef(moe_update(state, file("exchange-2"))), coef(second), tolerance = 1e-12)
    }
    from_file <- read_moe(file("after-2.json"))
    expect_equal(coef(moe_update(from_file, file("exchange-3"))), coef(third), tolerance = 1e-10)
    expect_equal(read_moe(file("after-3.json"))$parameters, third$parameters, tolerance = 1e-10)
    # Today's sites answer 0.2's centre, whether it sent its state or not.
    expect_equal(coef(moe_update(from_file, own(read_moe(file("after-2-for-sites.json"))))), coef(third),
      tolerance = 1e-10)
    expect_equal(own(from_file)[[1]]$sums, read_moe(file("exchange-3", "A.json"))$sums, tolerance = 1e-8)
    # The centre's further rounds.
    old <- read_moe(file("after-3.json"))
    expect_equal(covariance(old), covariance(third), tolerance = 1e-10)
    expect_equal(coef(moe_update(old, own(old))), coef(moe_refine(model, sources, 2, control = control)),
      tolerance = 1e-7)
    expect_output(print(old), "Refined")
  }
})

test_that("what a prior on variances needs of 0.2's first answers is asked for in one word", {
  model <- read_moe(old_folder("gaussian", "model.json"))
  expect_error(moe_update(model, old_folder("gaussian", "exchange-1")),
    "\"A\" \\(A\\.json\\).*cross_y.*variance_prior = 0",
    class = "moe_input_error")
  # Others have no variances.
  model <- read_moe(old_folder("poisson", "model.json"))
  expect_identical(moe_update(model, old_folder("poisson", "exchange-1"))$rounds$number, 1L)
})

test_that("what was read of an earlier version is written as of today, and read again", {
  file <- withr::local_tempfile(fileext = ".json")
  for (family in old_families) for (name in list.files(old_folder(family), recursive = TRUE)) {
    was <- read_moe(old_folder(family, name))
    tree <- message_of(was, "A")
    expect_identical(tree$schema, message_schema)
    again <- read_moe(forge(tree, file))
    if (inherits(was, "moe_statistics")) expect_identical(again, was)
    else expect_identical(without_environments(again), without_environments(was))
  }
})

test_that("later versions are refused with file, site, versions and the way out", {
  tree <- message_of(read_moe(old_folder("gaussian", "plain", "A.json")), "north")
  folder <- withr::local_tempdir()
  file <- file.path(folder, "late.json")
  refused <- function(schema, change = identity) {
    tree$schema <- schema
    tryCatch(read_moe(forge(change(tree), file)), moe_message_error = identity)
  }
  minor <- paste0("distmoe/", message_version[1], ".", message_version[2] + 1)
  major <- paste0("distmoe/", message_version[1] + 1)
  for (schema in c(minor, major)) {
    # A field that nobody knows yet is no other fault than its version.
    e <- refused(schema, function(t) c(t, list(spread = 1)))
    expect_identical(e$field, "schema")
    known <- version_text(message_version)
    for (word in c("late.json", schema, "north", known, tree$package, "update the package here")) {
      expect_match(conditionMessage(e), word, fixed = TRUE)
    }
  }
  # Among others it is one refused site.
  write_moe(read_moe(old_folder("gaussian", "plain", "B.json")), file.path(folder, "B.json"), min_rows = 0)
  found <- read_moe(folder)
  expect_identical(found$table$status[found$table$site == "late"], "refused")
  expect_match(found$table$message[found$table$site == "late"], "update the package here")
  expect_match(refused("distmoe/0.9")$reason, "earliest")
  for (schema in c("distmoe/", "distmoe/1.", "distmoe/1.1.1", "other/1", "distmoe/1.1 ")) {
    expect_match(refused(schema)$reason, "must be")
  }
  # Only a lower minor may lack what was added since.
  t <- message_of(read_moe(old_folder("gaussian", "after-1.json")), "north")
  t$rounds$settings$variance_prior <- NULL
  expect_error(read_moe(forge(t, file)), "rounds.settings.variance_prior", class = "moe_message_error")
  t$schema <- "distmoe/1.0"
  expect_identical(read_moe(forge(t, file))$rounds$settings$variance_prior, 0)
})

test_that("the table of fields says of each what a reader of earlier messages needs", {
  for (of in names(message_objects)) {
    rows <- message_objects[[of]]
    expect_identical(anyDuplicated(names(rows)), 0L)
    for (f in rows) {
      expect_true(f$since <= message_version[2], info = paste(of, f$name))
      expect_true(is.null(f$of) || f$of %in% names(message_objects), info = paste(of, f$name))
      # What can't be told of an earlier message is null there, or may be left out.
      expect_true(f$since == 0 || f$absent %in% c("null", "left out") || !is.null(f$default), info = paste(of, f$name))
    }
  }
})

# Other values of the package's own, until the caller ends.
stand_in <- function(values, frame = parent.frame()) {
  home <- environment(message_file_text)
  put <- function(values) for (name in names(values)) {
    unlockBinding(name, home)
    assign(name, values[[name]], home)
    lockBinding(name, home)
  }
  withr::defer(put(was), frame)
  was <- mget(names(values), home)
  put(values)
}

test_that("a new field is one row of the table", {
  d <- old_rows("gaussian")
  model <- read_moe(old_folder("gaussian", "model.json"))
  old <- message_of(moe_statistics(model, d))
  grown <- message_objects
  grown$moments <- c(grown$moments, entries(entry("spread", "vector", "of y by column", p, since = 3L,
    absent = "null")))
  grown$statistics <- c(grown$statistics, entries(entry("trust", "number", "of the site", least = 0, since = 3L,
    default = 7)))
  file <- withr::local_tempfile(fileext = ".json")
  stand_in(list(message_objects = grown, message_version = c(1L, 3L), message_schema = "distmoe/1.3"))
  # Of the minor version before: with the defaults.
  take <- take_fields(upgraded_tree(old, "statistics", 1L), "", "statistics",
    list(family = "gaussian", p = 4L, q = 2L), lapply(old, function(v) function(x, at) x)[c("schema", "kind",
      "checksum", "moments")])
  expect_identical(take$trust, 7)
  expect_s3_class(read_moe(forge(old, file)), "moe_statistics")
  # Written by the table, read back, refused where it does not keep to it.
  new <- old
  new$schema <- "distmoe/1.3"
  new$moments$spread <- list(1, 2, 3, 4)
  new$trust <- 2
  answer <- read_moe(forge(new, file))
  expect_identical(answer$moments$moments$spread, c(1, 2, 3, 4))
  expect_error(read_moe(forge({ t <- new; t$moments$spread <- list(1); t }, file)), "moments.spread")
  expect_error(read_moe(forge({ t <- new; t$trust <- -1; t }, file)), "trust")
  expect_error(read_moe(forge({ t <- new; t$trust <- NULL; t }, file)), "trust.*missing")
})
