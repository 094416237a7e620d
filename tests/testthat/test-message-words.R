# Foreign names can't do anything to a terminal or an eye, and who is refused is told.

site_messages <- function(names, folder = withr::local_tempdir(.local_envir = parent.frame())) {
  withr::local_seed(1)
  for (i in seq_along(names)) {
    d <- data.frame(x = stats::rnorm(100), y = stats::rnorm(100))
    write_moe(moe(y ~ x, d, K = 1), file.path(folder, paste0(i, ".json")), site = names[i], min_rows_per_parameter = 0)
  }
  folder
}

test_that("what can't be seen is shown by its number", {
  expect_identical(shown_names(c("a", "b\u202ec", "d\u200be", "f\u001b[31m", "\u00e9", "x\ufeff")),
    c("a", "b<U+202E>c", "d<U+200B>e", "f<U+001B>[31m", "\u00e9", "x<U+FEFF>"))
  expect_identical(shown_text("a\n\t b"), "a b")
  expect_identical(shown_text(strrep("x", 100)), paste0(strrep("x", 60), "..."))
  expect_identical(shown_text(character()), "")
  expect_match(shown_text("a\xffb"), "a<ff>b", fixed = TRUE)
})

test_that("an aggregate of a folder tells who was refused", {
  folder <- site_messages(c("A", "B", "C"))
  writeLines("{}", file.path(folder, "bad{x}.json"))
  sites <- read_moe(folder)
  expect_warning(a <- moe_aggregate(sites, data.frame(x = stats::rnorm(50)), weights = "size"),
    "1 of 4 messages is refused.*bad\\{x\\}.json: field schema")
  expect_output(print(a), "3 of 4 sites.*bad\\{x\\} \\(refused")
  unlink(file.path(folder, "bad{x}.json"))
  expect_no_warning(moe_aggregate(read_moe(folder), data.frame(x = stats::rnorm(50)), weights = "size"))
})

test_that("names of files and sites are shown escaped wherever they are shown", {
  skip_on_os("windows")
  folder <- site_messages(c("A", "north\u200b"))
  evil <- c("\033[2Jgone.json", "x\u202enosj.json", "new\nline.json")
  for (name in evil) writeLines("{}", file.path(folder, name))
  file.copy(file.path(folder, "1.json"), file.path(folder, "copy\u202e.json"))
  unlink(file.path(folder, "1.json"))
  file.copy(file.path(folder, "copy\u202e.json"), file.path(folder, "1.json"))
  clean <- function(text) {
    text <- paste(text, collapse = "\n")
    expect_false(grepl("\u001b|\u202e|\u200b", gsub("\u001b\\[[0-9;]*m", "", text)))
    text
  }
  sites <- read_moe(folder)
  clean(sites$table$message)
  expect_match(clean(utils::capture.output(print(sites))), "north<U+200B>", fixed = TRUE)
  unlink(file.path(folder, "copy\u202e.json"))
  sites <- read_moe(folder)
  expect_identical(sum(sites$table$status == "fitted"), 2L)
  told <- NULL
  a <- withCallingHandlers(moe_aggregate(sites, data.frame(x = stats::rnorm(50)), weights = "size"),
    warning = function(w) {
      told <<- conditionMessage(w)
      invokeRestart("muffleWarning")
    })
  expect_match(clean(told), "<U+202E>", fixed = TRUE)
  expect_match(clean(utils::capture.output(print(a))), "x<U+202E>nosj", fixed = TRUE)
  for (name in evil) {
    clean(conditionMessage(expect_error(read_moe(file.path(folder, name)), class = "moe_message_error")))
  }
})

test_that("names that a person can't tell apart are one", {
  for (pair in list(c("North", "north"), c("north", "nor\u200bth"), c("a b", "a\u00a0b"), c("a", " A\u2060 "),
    c("A", "A"), c("a", "a\u17b4"), c("a", "a\u2800"), c("a", "a\U0001d173"))) {
    folder <- site_messages(pair)
    t <- read_moe(folder)$table
    expect_identical(t$status, c("refused", "refused"))
    expect_match(t$message, "site is .* in [12].json")
  }
  expect_identical(read_moe(site_messages(c("A", "A1", "\u00e9", "e")))$table$status, rep("fitted", 4))
  # In rounds as well.
  d <- data.frame(x = 1:100, y = sin(1:100))
  fit <- moe(y ~ x, d, K = 1)
  answers <- lapply(c("A", "a"), function(site) moe_statistics(fit, d, site = site))
  expect_error(moe_update(fit, answers), "twice", class = "moe_input_error")
})
