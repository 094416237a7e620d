# Corrupted messages: every one is refused with file and field, and nothing of them runs.

# `quick`: without the words of the error, which take longer than all else.
refused <- function(file, quick = FALSE) {
  if (quick) {
    found <- try_message(file, 5e7)
    return(nzchar(found$field) && nzchar(found$reason) && !grepl("can't be read", found$reason))
  }
  e <- tryCatch(read_moe(file), error = identity)
  inherits(e, "moe_message_error") && identical(e$file, file) && nzchar(e$field) && nzchar(e$reason) &&
    grepl(basename(file), conditionMessage(e), fixed = TRUE)
}

fuzz_trees <- function() {
  d <- two_experts(400, "gaussian")
  cut <- 0.5
  fit <- function(...) moe_sites(y ~ poly(x, 2) + g + I(x > cut), list(A = d), K = 2, gating = ~ splines::ns(v, 2), ...)
  sites <- fit(start = fit()$models$A, share = c("x", "moments", "gates"), information = TRUE)
  many <- suppressWarnings(moe(y ~ x, two_experts(400, "multinomial"), K = 2, family = multinomial()))
  plain <- moe(as.matrix(d[c("x", "v")]), d$y, K = 2)
  first <- moe_statistics(many, two_experts(400, "multinomial"), site = "A")
  moved <- moe_update(many, first)
  second <- moe_statistics(moved, two_experts(400, "multinomial"), site = "A")
  lapply(list(formula = sites$models$A, many = many, matrix = plain, moments = first, sums = second,
    state = moe_update(moved, second)), message_of)
}

test_that("corrupted fields are refused though their checksum is right", {
  marker <- withr::local_tempfile()
  code <- paste0("system('touch ", marker, "')")
  file <- withr::local_tempfile(fileext = ".json")
  count <- 0
  try_tree <- function(tree, words) {
    forge(tree, file)
    count <<- count + 1
    expect_true(refused(file, quick = count %% 20 != 0), info = words)
  }
  for (name in names(trees <- fuzz_trees())) {
    tree <- trees[[name]]
    expect_no_error(read_moe(forge(tree, file)))
    places <- Filter(length, tree_places(tree))
    places <- Filter(function(at) !names(tree)[at[[1]]] %in% c("schema", "checksum"), places)
    # Places of each tree, in turn by the kind of damage.
    for (i in seq(1, length(places), by = if (length(places) > 100) 3 else 2)) {
      at <- places[[i]]
      words <- paste(name, names(tree)[at[[1]]], paste(unlist(at), collapse = "."))
      damage <- switch(1 + (i %/% 2) %% 3, list(list(evil = code)), list(list(list(list(code)))),
        list(list(1e300, "NaN", TRUE)))
      try_tree(tree_set(tree, at, damage[[1]]), words)
    }
    for (field in setdiff(names(tree), c("checksum"))) {
      lacks <- tree
      lacks[[field]] <- NULL
      try_tree(lacks, paste(name, "without", field))
      try_tree(c(tree, stats::setNames(list(tree[[field]]), field)), paste(name, "twice", field))
    }
    try_tree(c(tree, list(extra = code)), "extra")
  }
  expect_gt(count, 450)
  expect_false(file.exists(marker))
})

test_that("what is wrong in words is refused by its field", {
  tree <- message_of({
    d <- two_experts(400, "gaussian")
    moe_sites(y ~ poly(x, 2) + g, list(A = d), K = 2, information = TRUE)$models$A
  })
  file <- withr::local_tempfile(fileext = ".json")
  field_of <- function(change) {
    e <- tryCatch(read_moe(forge(change(tree), file)), error = identity)
    expect_s3_class(e, "moe_message_error")
    e$field
  }
  expect_match(field_of(function(t) { t$design$levels$g[[2]] <- "zz"; t }), "columns|levels|variables")
  expect_match(field_of(function(t) { t$design$levels$g <- rev(t$design$levels$g); t }), "design")
  expect_match(field_of(function(t) { t$design$expert$columns[2:3] <- t$design$expert$columns[3:2]; t }), "columns")
  expect_match(field_of(function(t) { t$parameters$dispersion[[1]] <- -1; t }), "parameters.dispersion")
  expect_match(field_of(function(t) { t$parameters$beta[[1]][[2]] <- NULL; t }), "parameters.beta")
  expect_match(field_of(function(t) { t$parameters$beta[[1]][2] <- list(NULL); t }), "parameters.beta")
  expect_match(field_of(function(t) { t$share[[1]] <- 0.99; t }), "share")
  expect_match(field_of(function(t) { t$K <- 3; t }), "parameters")
  expect_match(field_of(function(t) { t$K <- 1e9; t }), "K")
  expect_match(field_of(function(t) { t$schema <- "distmoe/2"; t }), "schema")
  expect_match(field_of(function(t) { t$family <- "binomial"; t }), "parameters.dispersion|family")
  expect_match(field_of(function(t) { t$site <- strrep("a", 5000); t }), "site")
  expect_match(field_of(function(t) { t$design$variables$x$like <- list(class = list("evil")); t }), "like")
  call <- function(...) function(t) { t$design$formula$experts <- list(...); t }
  expect_match(field_of(call("system", "touch /tmp/x")), "design.formula.experts")
  expect_match(field_of(call("base::eval", list(name = "x"))), "design.formula.experts")
  expect_match(field_of(call("I", list(":", 1, 1e12))), "design.formula")
  expect_match(field_of(call("^", c(list("+"), lapply(letters, function(l) list(name = l))), 15)), "design.formula")
  expect_match(field_of(function(t) { t$design$bases[[1]][[3]] <- 1e9; t }), "design.bases")
  expect_match(field_of(function(t) { t$design$bases[[1]] <- list("poly", list("system", "x")); t }), "design.bases")
})

test_that("damaged bytes are refused", {
  tree <- message_of(moe(y ~ x, two_experts(200, "gaussian"), K = 2))
  file <- withr::local_tempfile(fileext = ".json")
  bytes <- charToRaw(message_file_text(tree))
  put <- function(b) {
    writeBin(b, file)
    expect_true(refused(file, quick = TRUE))
  }
  withr::local_seed(1)
  for (i in 1:40) put(bytes[seq_len(sample(length(bytes) - 3, 1))])
  for (i in 1:20) put(replace(bytes, sample(length(bytes), 1), as.raw(0)))
  for (i in 1:20) put(replace(bytes, sample(length(bytes), 1), as.raw(255)))
  digits <- grep("[0-9]", rawToChar(bytes, TRUE))
  first <- digits[!(digits - 1) %in% digits]
  for (i in sample(first, 40)) put(replace(bytes, i, charToRaw(if (bytes[i] == charToRaw("1")) "7" else "1")))
  put(raw(0))
  put(charToRaw("[]"))
  put(charToRaw("null"))
  put(charToRaw("{}"))
  put(c(bytes, bytes))
  put(charToRaw(sub("\"n\": *[0-9]+", "\"n\": NaN", rawToChar(bytes))))
  put(charToRaw(paste0(strrep("[", 1e6), strrep("]", 1e6))))
  put(charToRaw(paste0("{\"a\":", strrep("{\"a\":", 1e5))))
})

test_that("huge files are refused unread", {
  file <- withr::local_tempfile(fileext = ".json")
  con <- file(file, "wb")
  seek(con, 1e8 - 1, rw = "write")
  writeBin(as.raw(0), con)
  close(con)
  expect_gte(file.size(file), 1e8)
  expect_lt(sum(system.time(expect_true(refused(file)))[1:2]), times_slower)
  tree <- message_of(moe(y ~ x, two_experts(200, "gaussian"), K = 2))
  expect_error(read_moe(forge(tree, file), max_bytes = 100), "max_bytes", class = "moe_message_error")
})

# The field by which a changed message is refused, without much work.
refused_field <- function(tree, file) {
  forge(tree, file)
  seconds <- sum(system.time(found <- try_message(file, 5e7), gcFirst = FALSE)[1:2])
  expect_lt(seconds, 5 * times_slower)
  expect_false(grepl("can't be read", found$reason))
  found$field
}

# The most memory, in MB, that some code takes beyond what there was.
memory_of <- function(code) {
  before <- sum(gc(reset = TRUE)[, 2])
  force(code)
  sum(gc()[, 6]) - before
}

refused_cheaply <- function(tree, file) {
  expect_lt(memory_of(field <- refused_field(tree, file)), 100)
  field
}

test_that("bases whose numbers do not make their columns are refused, before any is evaluated", {
  d <- two_experts(400, "gaussian")
  fit <- moe(y ~ poly(x, 2) + splines::ns(v, 3) + scale(w), d, K = 1, gating = ~ splines::bs(x, 4))
  tree <- message_of(fit)
  file <- withr::local_tempfile(fileext = ".json")
  expect_no_error(read_moe(forge(tree, file)))
  bases <- names(tree$design$bases)
  at <- function(name) grep(name, bases, fixed = TRUE)
  argument <- function(basis, name) which(vapply(basis, function(a) is.list(a) && identical(a$argument, name), NA))
  change <- function(name, argument_name, value) {
    t <- tree
    basis <- t$design$bases[[at(name)]]
    i <- argument(basis, argument_name)
    basis[[i]]$is <- value(basis[[i]]$is)
    t$design$bases[[at(name)]] <- basis
    refused_field(t, file)
  }
  more <- function(v) { v$double <- c(v$double, list(9)); v["names"] <- NULL; v }
  less <- function(v) { v$double <- v$double[-1]; v["names"] <- NULL; v }
  expect_match(change("ns(", "knots", more), "design.bases")
  expect_match(change("ns(", "knots", less), "design.bases")
  expect_match(change("ns(", "Boundary.knots", function(v) { v$double <- rev(v$double); v }), "design.bases")
  expect_match(change("ns(", "Boundary.knots", more), "design.bases")
  expect_match(change("ns(", "intercept", function(v) TRUE), "design.bases")
  expect_match(change("bs(", "knots", more), "design.bases")
  expect_match(change("bs(", "degree", function(v) 4), "design.bases")
  expect_match(change("bs(", "degree", function(v) 1e9), "design.bases")
  expect_match(change("poly(", "coefs", function(v) { v$list[[1]] <- more(v$list[[1]]); v }), "design.bases")
  expect_match(change("poly(", "coefs", function(v) { v$list[[2]] <- less(v$list[[2]]); v }), "design.bases")
  expect_match(change("poly(", "coefs", function(v) { v$list[[2]]$double[[2]] <- -1; v }), "design.bases")
  expect_match(change("scale(", "center", function(v) list(double = list(1, 2))), "design.bases")
  expect_match(change("scale(", "scale", function(v) 0), "design.bases")
  t <- tree
  t$design$bases[[at("ns(")]] <- NULL
  expect_match(refused_field(t, file), "design.bases")
})

test_that("a basis of a size that the rows would decide is refused", {
  d <- two_experts(400, "gaussian")
  tree <- message_of(moe(y ~ splines::ns(v, df = 3) + x, d, K = 1))
  file <- withr::local_tempfile(fileext = ".json")
  v <- list(name = "v")
  # The columns' names follow the call, so that all of the message goes together but for that.
  forged <- function(df, basis = FALSE) {
    t <- tree
    words <- deparse_one(call("ns", quote(v), df = tree_formula(df, "", message_functions())))
    words <- sub("^ns", "splines::ns", words)
    put <- function(text) sub("splines::ns(v, df = 3)", words, text, fixed = TRUE)
    t$design$formula$experts[[2]] <- list("splines::ns", v, list(argument = "df", is = df))
    for (part in c("expert", "gate")) t$design[[part]]$columns <- lapply(t$design[[part]]$columns, put)
    names(t$design$classes) <- put(names(t$design$classes))
    names(t$design$bases) <- put(names(t$design$bases))
    if (basis) t$design$bases <- stats::setNames(list(), character())
    t
  }
  expect_no_error(read_moe(forge(forged(4 - 1), file)))
  for (df in list(list("*", v, 1e9), 1e9, list("*", 2, 1e9), list("+", 3, v), list("-", 3), 2.5)) {
    expect_match(refused_field(forged(df), file), "design.formula")
    expect_match(refused_field(forged(df, TRUE), file), "design")
  }
  expect_match(refused_cheaply(forged(list("*", v, 1e9)), file), "design.formula")
})

test_that("a small message asks for little memory whatever sizes it claims", {
  d <- two_experts(400, "multinomial")
  fit <- suppressWarnings(moe(y ~ x, d, K = 2, family = multinomial()))
  first <- moe_statistics(fit, d, site = "A")
  moved <- moe_update(fit, first)
  file <- withr::local_tempfile(fileext = ".json")
  moments <- message_of(first)
  sums <- message_of(moe_statistics(moved, d, site = "A"))
  many <- as.list(paste0("c", 1:3000))
  # No matrix is made of the sums that are not there.
  huge <- sums
  huge$columns <- list(expert = many, gate = many)
  huge$K <- 1000
  huge["sums"] <- list(NULL)
  expect_lt(memory_of(found <- read_moe(forge(huge, file))), 100)
  expect_s3_class(found, "moe_statistics")
  expect_error(moe_update(moved, file), basename(file), class = "moe_input_error")
  expect_match(refused_cheaply({ t <- huge; t$columns$expert <- as.list(paste0("c", 1:9000)); t }, file), "columns")
  # Arrays of arrays that are empty.
  expect_match(refused_cheaply({ t <- huge; t$sums <- sums$sums; t }, file), "sums")
  empty <- huge
  empty$K <- 1
  empty$parts <- 1
  empty$sums <- sums$sums
  empty$sums$score <- as.list(numeric(3000))
  empty$sums$hessian <- rep(list(list()), 3000)
  expect_match(refused_cheaply(empty, file), "sums")
  empty <- moments
  empty$columns$expert <- many
  empty$moments$mean_x <- empty$moments$centre_x <- as.list(numeric(3000))
  empty$moments$gram_x <- rep(list(list()), 3000)
  expect_match(refused_cheaply(empty, file), "moments.gram_x")
  model <- message_of(fit)
  for (n in list(9e15 * 2, 1e300, 0, -1, 1.5)) {
    expect_match(refused_field({ t <- model; t$n <- n; t }, file), "^n$")
    expect_match(refused_field({ t <- sums; t$sums$rows <- n; t }, file), "sums.rows")
  }
  for (weight in list(1e17, 0, -1)) {
    expect_match(refused_field({ t <- model; t$weight <- weight; t }, file), "^weight$")
    expect_match(refused_field({ t <- moments; t$moments$weight <- weight; t }, file), "moments.weight")
    expect_match(refused_field({ t <- sums; t$sums$weight <- weight; t }, file), "sums.weight")
  }
  expect_match(refused_field({ t <- moments; t$moments$n <- 399; t }, file), "moments.n")
})

test_that("sums of squares and products must be some", {
  set.seed(1)
  d <- two_experts(400, "multinomial")
  fit <- suppressWarnings(moe(y ~ x + v, d, K = 3, family = multinomial()))
  first <- moe_statistics(fit, d, site = "A")
  moments <- message_of(first)
  sums <- message_of(moe_statistics(moe_update(fit, first), d, site = "A"))
  file <- withr::local_tempfile(fileext = ".json")
  change <- function(tree, ...) {
    at <- list(...)
    value <- tree_get(tree, at)
    # Off by far more than rounding, also where an expert has hardly any mass.
    refused_field(tree_set(tree, at, if (value == 0) -5 else -3 * value - sign(value)), file)
  }
  expect_match(change(moments, "moments", "gram_x", 2, 2), "gram_x")
  expect_match(change(moments, "moments", "gram_z", 2, 3), "gram_z")
  expect_match(change(sums, "sums", "hessian", 1, 2), "hessian")
  # Columns of the packed triangle (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3); rows are pairs of classes.
  for (gram in c("expert_gram", "gate_gram")) for (column in c(1, 4, 6)) for (row in c(1, 3)) {
    expect_match(change(sums, "sums", gram, column, row), gram)
  }
  d <- two_experts(400, "gaussian")
  start <- moe(y ~ x, d, K = 2)
  shared <- message_of(moe_sites(y ~ x, list(A = d), start = start, share = "gates")$models$A)
  expect_match(change(shared, "shared", "gates", "curvature", 1), "curvature")
})
