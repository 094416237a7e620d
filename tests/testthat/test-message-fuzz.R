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
  sites <- moe_sites(y ~ poly(x, 2) + g + I(x > cut), list(A = d), K = 2, gating = ~ splines::ns(v, 2),
    share = c("x", "moments"), information = TRUE)
  many <- moe(y ~ x, two_experts(400, "multinomial"), K = 2, family = multinomial())
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
  expect_lt(system.time(expect_true(refused(file)))[["elapsed"]], 1)
  tree <- message_of(moe(y ~ x, two_experts(200, "gaussian"), K = 2))
  expect_error(read_moe(forge(tree, file), max_bytes = 100), "max_bytes", class = "moe_message_error")
})
