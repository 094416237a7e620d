# Rounds of a hierarchy by file.
folder_of <- function(h, sources, ...) {
  folder <- tempfile()
  dir.create(folder)
  file <- tempfile(fileext = ".json")
  write_moe(h, file, site = "population")
  asked <- read_moe(file)
  for (site in names(sources)) {
    write_moe(moe_statistics(asked, sources[[site]], site = site), file.path(folder, paste0(site, ".json")), ...)
  }
  folder
}

test_that("rounds by file are those in memory", {
  found <- hierarchy_of(shifted_sites())
  for (effects in list("all", "gates")) {
    h <- moe_hierarchy(found$sites, effects = effects)
    memory <- moe_refine(h, found$sources, rounds = 3)
    for (i in 1:3) h <- moe_update(h, folder_of(h, found$sources))
    expect_equal(coef(h), coef(memory), tolerance = 1e-8)
    expect_equal(VarCorr(h), VarCorr(memory), tolerance = 1e-8)
    expect_equal(h$refinement$rounds$marginal, memory$refinement$rounds$marginal, tolerance = 1e-10)
    # On from files in memory, and the other way.
    expect_equal(coef(moe_refine(h, found$sources, rounds = 1)), coef(moe_refine(memory, found$sources, rounds = 1)),
      tolerance = 1e-8)
  }
})

test_that("the population's message holds no site's parameters, and answers no row", {
  found <- hierarchy_of(shifted_sites())
  message <- moe_message(found$h, "population")
  expect_null(message$tree$information)
  own <- vapply(found$sites$models, function(m) format(m$parameters$beta[1, 1], digits = 10), "")
  for (v in own) expect_false(grepl(v, message$text, fixed = TRUE))
  expect_output(print(message), "hierarchy")
  answer <- moe_statistics(found$h, found$sources$A, site = "A")
  expect_output(print(answer), "prior")
  expect_equal(names(answer$maximum), names(message_objects$maximum))
  back <- tempfile(fileext = ".json")
  write_moe(answer, back)
  expect_equal(read_moe(back)$maximum, answer$maximum, tolerance = 1e-12)
})

test_that("a site's own check decides, and one that has few rows may take part if it says so", {
  d <- shifted_sites(c(300, 12, 400, 350), seed = 3)
  found <- suppressWarnings(hierarchy_of(d))
  expect_error(folder_of(found$h, found$sources), "row", class = "moe_input_error")
  folder <- folder_of(found$h, found$sources, min_rows = 5, min_expert_rows = 1, min_rows_per_parameter = 0)
  h <- moe_update(found$h, folder)
  expect_true("B" %in% h$hierarchy$table$site)
  expect_equal(coef(h), coef(moe_refine(found$h, found$sources, rounds = 1)), tolerance = 1e-6)
})

test_that("answers that do not fit are refused, and nothing is changed", {
  found <- hierarchy_of(shifted_sites())
  h <- found$h
  answers <- lapply(names(found$sources), function(s) moe_statistics(h, found$sources[[s]], site = s))
  refused <- function(answers, words) expect_error(moe_update(h, answers), words, class = "moe_input_error")
  refused(answers[1:3], "not among the .*messages")
  late <- moe_update(h, answers)
  expect_equal(as.numeric(logLik(late)), sum(late$refinement$rounds$marginal[nrow(late$refinement$rounds)]))
  expect_output(print(late), "marginal log-likelihood -[0-9.]+, df")
  expect_error(moe_update(late, answers), "exchange", class = "moe_input_error")
  other <- answers
  other[[2]]$model <- "of something else"
  refused(other, "another population")
  refused(c(answers, answers[1]), "twice")
  model <- population(h)
  refused(lapply(names(found$sources), function(s) moe_statistics(model, found$sources[[s]], site = s)), "one model")
  other <- answers
  other[[1]]$K <- 3L
  refused(other, "K = 3")
  for (field in c("score", "curvature", "mass")) {
    tree <- moe_message(answers[[1]])$tree
    tree$maximum[[field]] <- tree$maximum[[field]][-1]
    expect_error(tree_statistics(tree), class = "moe_bad_field")
  }
  tree <- moe_message(h, "population")$tree
  tree$prior$root[[1]] <- tree$prior$root[[1]][-1]
  expect_error(tree_model(tree), class = "moe_bad_field")
})

test_that("rounds by file shorten their steps as those in memory do, and one by one are as together", {
  skip_if_not_installed("lme4")
  data <- as.data.frame(lme4::Penicillin)
  data$plate <- as.character(data$plate)
  sources <- split(data, data$plate)  # six rows each: full steps go back and forth
  h <- moe_hierarchy(moe_sites(diameter ~ 1, sources, K = 1, information = TRUE), effects = "(Intercept)")
  memory <- moe_refine(h, sources, rounds = 12)
  expect_true(any(diff(memory$refinement$rounds$marginal) < 0))
  file <- single <- h
  for (i in 1:12) {
    file <- moe_update(file, lapply(names(sources), function(s) moe_statistics(file, sources[[s]], site = s)))
    single <- moe_refine(single, sources, rounds = 1)
  }
  for (other in list(file, single)) {
    expect_equal(coef(other), coef(memory), tolerance = 1e-8)
    expect_equal(VarCorr(other), VarCorr(memory), tolerance = 1e-8)
    expect_equal(as.numeric(logLik(other)), as.numeric(logLik(memory)), tolerance = 1e-10)
  }
  expect_gte(as.numeric(logLik(file)), max(file$refinement$rounds$marginal) - 1e-5)
})

test_that("the population's file says what it is", {
  h <- hierarchy_of(shifted_sites())$h
  file <- tempfile(fileext = ".json")
  write_moe(h, file, site = "population")
  expect_output(print(read_moe(file)), "population of a hierarchy")
  expect_output(print(summary(read_moe(file))), "population of a hierarchy")
})
