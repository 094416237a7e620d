# One expert against R's own regressions: lm.fit() and lm(), glm() with family binomial.
#
#   Rscript glm.R [quick] [rows ..., 1e5 1e6]

source(system.file("bench/tools.R", package = "distmoe"))
rows <- all_sizes(c(1e5, 1e6), c(5e3, 2e4))
d <- 20
header("glm: K = 1 against lm.fit, lm and glm (binomial), d = 20")

compare <- function(n, family) {
  # Of two experts, which R's regressions and ours with K = 1 then summarise alike.
  s <- moe_simulate(n, K = 2, d = d, seed = 1, family = family)
  data <- s$data
  x <- as.matrix(data[-1])
  with_ones <- cbind(1, x)
  gaussian <- family$family == "gaussian"
  ours <- theirs <- NULL
  tasks <- list(
    matrix_theirs = function() elapsed(if (gaussian) stats::lm.fit(with_ones, data$y)
      else stats::glm.fit(with_ones, data$y, family = family)),
    matrix_ours = function() elapsed(moe(x, data$y, K = 1, family = family)),
    formula_theirs = function() elapsed(theirs <<- if (gaussian) stats::lm(y ~ ., data)
      else stats::glm(y ~ ., family, data)),
    formula_ours = function() elapsed(ours <<- moe(y ~ ., data, K = 1, family = family)))
  t <- take_turns(tasks)
  b <- stats::coef(theirs)
  gap <- max(abs(ours$parameters$beta[, 1] - b) / abs(b))
  data.frame(n = count(n), family = family$family,
    "lm.fit, glm.fit" = t[[1]], "moe(x, y)" = t[[2]], ratio = t[[2]] / t[[1]],
    "lm, glm" = t[[3]], "moe(y ~ ., data)" = t[[4]], "ratio " = t[[4]] / t[[3]],
    "coefficients differ" = gap, check.names = FALSE)
}

table <- do.call(rbind, lapply(rows, function(n) {
  rbind(compare(n, stats::gaussian()), compare(n, stats::binomial()))
}))
gap <- table[["coefficients differ"]]
table[["coefficients differ"]] <- formatC(gap, digits = 1, format = "e")
show_table(table, "Seconds; ratio: moe over R's; coefficients: largest relative difference")
# glm() itself stops at a relative change of the deviance of 1e-8.
target("largest relative difference of coefficients", max(gap), most = 1e-6)
finish()
