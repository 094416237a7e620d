# Wrong calls. Every one must give one error of class moe_input_error that names the argument, the
# variable or the site. Each row of the tables is a call and what its message must say.

toy_data <- function(n = 80) {
  set.seed(11)
  d <- data.frame(x = runif(n, -1, 1), z = rnorm(n), f = factor(rep_len(c("a", "b", "c"), n)))
  d$y <- ifelse(d$x > 0, 2 - 3 * d$x, 3 * d$x) + rnorm(n, sd = 0.3)
  d$b <- as.numeric(d$y + rnorm(n) > 0)
  d$w <- rep_len(1:3, n)
  d$one <- 1
  d
}
d <- toy_data()
m <- as.matrix(d[c("x", "z")])

# `d` with value `v` in the first rows of a column.
spoil <- function(column, v, rows = 3) {
  d[[column]][rows] <- v
  d
}

fast <- moe_control(starts = 1)
one <- moe(y ~ x, d, K = 1)
two <- moe(y ~ x, d, K = 2, control = fast)
two_z <- moe(y ~ x + z, d, K = 2, control = fast)
coded <- moe(factor(b, labels = c("no", "yes")) ~ x, d, K = 1, family = binomial())
logistic <- moe(b ~ x, d, K = 1, family = binomial())
by_matrix <- moe(m, d$y, K = 1)
by_factor <- moe(y ~ x + f, d, K = 1)
site <- rep_len(c("A", "B"), nrow(d))
sources <- split(d, site)
support <- moe_support(d, site = site)
sites <- moe_sites(y ~ x, sources, K = 2, control = fast)
aggregate <- moe_aggregate(sites, support)
with_offset <- moe(y ~ x, d, K = 2, gating = ~ x + offset(z), control = fast)
no_variable <- moe(y ~ 1, d, K = 1)

# The same model with its experts in the other order, so that only relabelling aligns the two.
swapped <- with_offset
swapped$parameters$beta[] <- with_offset$parameters$beta[, 2:1]
swapped$parameters$dispersion[] <- rev(with_offset$parameters$dispersion)

expect_input_error <- function(says, call) {
  warned <- character()
  caught <- tryCatch(
    withCallingHandlers({ call(); NULL }, warning = function(w) {
      warned <<- c(warned, conditionMessage(w))
      invokeRestart("muffleWarning")
    }),
    error = identity)
  # A message may be wrapped at any blank, and coloured.
  message <- if (is.null(caught)) "(no error)" else conditionMessage(caught)
  message <- gsub("[[:space:]]+", " ", cli::ansi_strip(message))
  expect_match(message, says)
  expect_s3_class(caught, "moe_input_error")
  # One condition: no chained error, no call that means nothing to the user, no stray warning.
  expect_null(caught$parent)
  expect_null(conditionCall(caught))
  expect_equal(warned, character())
  # Left-overs of a message that could not be put together.
  expect_no_match(message, "luraliz|is not TRUE|\\{|found \\.|not \\.")
}

run_cases <- function(group, cases) {
  for (label in names(cases)) {
    test_that(paste0(group, ": ", label), expect_input_error(cases[[label]][[1]], cases[[label]][[2]]))
  }
}

run_cases("rows of moe()", list(
  "NA with na.fail" = list("missing", \() moe(y ~ x, spoil("x", NA), K = 2, na.action = na.fail)),
  "NA in a basis" = list("poly", \() moe(y ~ poly(x, 2), spoil("x", NA), K = 2)),
  "NA let pass" = list("\"x\" holds 1 value", \() {
    moe(y ~ x, spoil("x", NA), K = 2, na.action = na.pass)
  }),
  "NA in a factor let pass" = list("\"f\" holds 1 value", \() {
    moe(y ~ f, spoil("f", NA), K = 1, na.action = na.pass)
  }),
  "Inf in a column" = list("\"x\" holds 2 values that are not finite.*Inf, row 3", \() {
    moe(y ~ x, spoil("x", Inf, 3:4), K = 2)
  }),
  "Inf in the response" = list("\"y\" holds 1 value that is", \() moe(y ~ x, spoil("y", -Inf), K = 2)),
  "log of 0" = list("\"log\\(w\\)\" holds 1 value", \() moe(y ~ log(w), spoil("w", 0), K = 2)),
  "Inf in the gates" = list("\"z\" holds", \() moe(y ~ x, spoil("z", Inf), K = 2, gating = ~ z)),
  "matrix with NA" = list("`x` holds 1 value that is missing", \() moe(replace(m, 3, NA), d$y, K = 2)),
  "matrix with Inf" = list("`x` holds 2 values.*first in row 3", \() {
    moe(replace(m, 3:4, Inf), d$y, K = 2)
  }),
  "y with NA" = list("`y` holds 1 missing value", \() moe(m, replace(d$y, 3, NA), K = 2)),
  "y with Inf" = list("`y` holds 2 infinite values", \() moe(m, replace(d$y, 3:4, Inf), K = 2)),
  "y too short" = list("`y` has 1 value, `x` has 80 rows", \() moe(m, 1, K = 2)),
  "y not given" = list("`y`", \() moe(m, K = 2)),
  "x is text" = list("`x` must be a numeric matrix", \() moe(matrix("a", 80, 1), d$y, K = 2)),
  "no rows" = list("No row is left.*`data`", \() moe(y ~ x, d[0, ], K = 1)),
  "no row in the subset" = list("`subset`", \() moe(y ~ x, d, K = 1, subset = x > 9)),
  "every row has NA" = list("No row is left", \() moe(y ~ x, spoil("x", NA_real_, 1:80), K = 1)),
  "too few rows" = list("`K` = 2 needs at least 9 rows.*have 8", \() moe(y ~ x, d[1:8, ], K = 2)),
  "too few rows of weight" = list("needs at least 9 rows", \() {
    moe(y ~ x, d, K = 2, weights = as.numeric(seq_along(y) < 5))
  }),
  "constant column" = list("Column \"one\" of `formula` is constant or follows from", \() {
    moe(y ~ x + one, d, K = 2)
  }),
  "collinear columns" = list("Columns \"x2\" and \"x3\" of `formula` are constant or follow from", \() {
    moe(y ~ x + x2 + z + x3, transform(d, x2 = 2 * x, x3 = x + z), K = 2)
  }),
  "constant gate" = list("\"one\" of `gating`", \() moe(y ~ x, d, K = 2, gating = ~ one)),
  "collinear gates" = list("\"x2\" of `gating`", \() {
    moe(y ~ x, transform(d, x2 = 2 * x), K = 2, gating = ~ x + x2)
  }),
  "constant matrix column" = list("\"one\"", \() moe(cbind(m, one = 1), d$y, K = 2)),
  "factor of one level" = list("\"g\" in `formula` has a single level", \() {
    moe(y ~ g, transform(d, g = factor("u")), K = 1)
  }),
  "constant response" = list("response is constant", \() moe(one ~ x, d, K = 2)),
  "no column" = list("`formula` has no column", \() moe(y ~ 0, d, K = 1)),
  "no such variable" = list("nosuch", \() moe(y ~ nosuch, d, K = 2)),
  "no such gate variable" = list("nosuch", \() moe(y ~ x, d, K = 2, gating = ~ nosuch)),
  "dot without data" = list("data", \() moe(y ~ ., K = 2)),
  "offset is a factor" = list("offset", \() moe(y ~ x + offset(f), d, K = 1)),
  "response is an offset" = list("offset", \() moe(offset(y) ~ x, d, K = 1))
))

run_cases("response and family", list(
  "factor for gaussian" = list("response `f` must be numeric", \() moe(f ~ x, d, K = 1)),
  "text for gaussian" = list("must be numeric.*binomial", \() moe(as.character(f) ~ x, d, K = 1)),
  "3 levels" = list("`f` has 3 levels", \() moe(f ~ x, d, K = 1, family = binomial())),
  "1 level" = list("has 1 level;", \() moe(factor(one) ~ x, d, K = 1, family = binomial())),
  "counts for binomial" = list("`w` must be 0 or 1.*found", \() moe(w ~ x, d, K = 1, family = "binomial")),
  "dates for binomial" = list("0 or 1", \() moe(as.Date(b) ~ x, d, K = 1, family = "binomial")),
  "two columns" = list("must be one column, not 2", \() moe(cbind(b, 1 - b) ~ x, d, K = 1, family = binomial())),
  "two columns, matrix" = list("`y` must be one column", \() moe(m, cbind(d$y, d$y), K = 1)),
  "unknown family name" = list("family", \() moe(y ~ x, d, K = 2, family = "poison")),
  "unknown family" = list("`family` \"poisson\"", \() moe(y ~ x, d, K = 2, family = poisson())),
  "not a family" = list("`family` must be a family", \() moe(y ~ x, d, K = 2, family = 3)),
  "not a family function" = list("`family` must be a family", \() moe(y ~ x, d, K = 2, family = mean)),
  "probit" = list("link \"logit\", not \"probit\"", \() moe(b ~ x, d, K = 1, family = binomial("probit"))),
  "log link" = list("`family`.*\"identity\"", \() moe(y ~ x, d, K = 1, family = gaussian("log")))
))

run_cases("arguments of moe()", list(
  "K = 0" = list("`K` must be one whole number, 1 or more, not 0", \() moe(y ~ x, d, K = 0)),
  "K = 2.5" = list("`K` must be.*not 2.5", \() moe(y ~ x, d, K = 2.5)),
  "K is NA" = list("`K` must be", \() moe(y ~ x, d, K = NA)),
  "K is text" = list("`K` must be.*\"2\"", \() moe(y ~ x, d, K = "2")),
  "K = 1:8" = list("`K` must be.*1, 2, 3, 4, 5, \\.\\.\\.", \() moe(y ~ x, d, K = 1:8)),
  "no K" = list("`K`.*missing", \() moe(y ~ x, d)),
  "K > n" = list("`K` = 5 experts can't be fitted to 4 rows", \() moe(y ~ x, d[1:4, ], K = 5)),
  "K = 1e10" = list("`K`", \() moe(y ~ x, d, K = 1e10)),
  "negative weight" = list("`weights`.*row 3 has -1", \() moe(y ~ x, spoil("w", -1), K = 1, weights = w)),
  "NA weight" = list("`weights`.*row 3", \() moe(m, d$y, K = 1, weights = replace(d$w, 3, NA))),
  "zero weights" = list("`weights` are all zero", \() moe(y ~ x, d, K = 1, weights = 0 * w)),
  "wrong length, matrix" = list("`weights` must be 80 numbers", \() moe(m, d$y, K = 1, weights = 1:3)),
  "wrong length" = list("weights", \() moe(y ~ x, d, K = 1, weights = 1:3)),
  "text weights" = list("`weights` must be 80 numbers", \() moe(y ~ x, d, K = 1, weights = as.character(w))),
  "two-sided gating" = list("`gating` must be a one-sided", \() moe(y ~ x, d, K = 2, gating = y ~ x)),
  "gating is text" = list("`gating` must be a one-sided", \() moe(y ~ x, d, K = 2, gating = "x")),
  "formula without response" = list("`formula`.*response", \() moe(~ x, d, K = 2)),
  "formula gating, matrix" = list("`gating` must be a matrix", \() moe(m, d$y, K = 2, gating = ~ x)),
  "short gating matrix" = list("`gating` has 9 rows; 80 are needed", \() {
    moe(m, d$y, K = 2, gating = m[1:9, ])
  }),
  "data is a matrix" = list("`data` must be a data frame", \() moe(y ~ x, as.matrix(d["x"]), K = 2)),
  "data first" = list("first argument must be", \() moe(d, y ~ x, K = 2)),
  "start has other K" = list("`start` has 2 experts, `K` is 3", \() moe(y ~ x, d, K = 3, start = two)),
  "start has less columns" = list("`start` has other expert columns.*Missing: \"z\"", \() {
    moe(y ~ x + z, d, K = 2, start = two)
  }),
  "start has more columns" = list("`start`.*Unexpected: \"z\"", \() moe(y ~ x, d, K = 2, start = two_z)),
  "start in another order" = list("`start`.*another order", \() moe(y ~ z + x, d, K = 2, start = two_z)),
  "start of other family" = list("`start` has family \"gaussian\"", \() {
    moe(b ~ x, d, K = 2, family = binomial(), start = two)
  }),
  "few start labels" = list("`start` must be.*80 labels", \() moe(y ~ x, d, K = 2, start = 1:2)),
  "labels above K" = list("`start` must be", \() moe(y ~ x, d, K = 2, start = d$w)),
  "start matrix" = list("`start` must hold 80 x 2.*found 80 x 3", \() {
    moe(y ~ x, d, K = 2, start = matrix(1 / 3, 80, 3))
  }),
  "misspelt argument" = list("Unknown argument `wieghts`", \() moe(y ~ x, d, K = 2, wieghts = w)),
  "two misspelt" = list("Unknown arguments `a` and `q`", \() moe(m, d$y, K = 2, a = 1, q = 2)),
  "too many arguments" = list("Unknown argument", \() {
    moe(m, d$y, 2, gaussian(), NULL, NULL, NULL, fast, TRUE, 5)
  }),
  "control is a list" = list("`control` must be made by", \() moe(y ~ x, d, K = 2, control = list()))
))

run_cases("moe_control()", list(
  "starts = 0" = list("`starts`", \() moe_control(starts = 0)),
  "start_rows too large" = list("`start_rows`", \() moe_control(start_rows = 1e10)),
  "max_iterations" = list("`max_iterations`.*\"many\"", \() moe_control(max_iterations = "many")),
  "tolerance = 0" = list("`tolerance` must be one number above 0", \() moe_control(tolerance = 0)),
  "newton" = list("`newton` must be TRUE or FALSE", \() moe_control(newton = NA)),
  "gate_ridge" = list("`gate_ridge` must be one number at least 0", \() moe_control(gate_ridge = -1)),
  "dispersion_floor" = list("`dispersion_floor`.*at most 1", \() moe_control(dispersion_floor = 2)),
  "max_reseeds" = list("`max_reseeds`.*not NULL", \() moe_control(max_reseeds = NULL)),
  "singular_ok" = list("`singular_ok`", \() moe_control(singular_ok = "no"))
))

run_cases("new data", list(
  "unseen level" = list("\"f\" has level \"q\" that", \() predict(by_factor, data.frame(x = 1, f = "q"))),
  "two unseen levels" = list("\"f\" has levels \"q\" and \"r\"", \() {
    predict(by_factor, data.frame(x = 1, f = c("q", "r")))
  }),
  "no column" = list("Column \"z\".*not in the data", \() predict(two_z, d["x"])),
  "no columns" = list("Columns \"x\" and \"z\".*are not in the data", \() predict(two_z, d["y"])),
  "number became text" = list("\"x\"", \() predict(one, data.frame(x = "1"))),
  "factor became number" = list("\"f\"", \() predict(by_factor, data.frame(x = 1, f = 1))),
  "logical became number" = list("\"x > 0\"|\"l\"", \() {
    predict(moe(y ~ l, transform(d, l = x > 0), K = 1), data.frame(l = 2))
  }),
  "no data frame" = list("`newdata` must be a data frame", \() predict(one, 1:3)),
  "no newdata" = list("`newdata` is needed", \() predict(two, type = "gate")),
  "no complete row" = list("`newdata`", \() predict(one, data.frame(x = NA_real_))),
  "Inf" = list("\"x\" holds 1", \() predict(one, data.frame(x = c(1, Inf)))),
  "posterior without y" = list("\"posterior\".*no column \"y\"", \() predict(two, d["x"], "posterior")),
  "class without y" = list("\"class\".*no column \"y\"", \() predict(two, d["x"], "class")),
  "density without y" = list("\"density\".*no column \"y\"", \() predict(two, d["x"], "density")),
  "unknown type" = list("`type` must be one of.*\"mean\"", \() predict(two, d, type = "mean")),
  "log" = list("`log` must be TRUE or FALSE", \() predict(two, d, "density", log = "e")),
  "unknown argument" = list("Unknown argument `se.fit`", \() predict(two, d, se.fit = TRUE)),
  "unknown response level" = list("has the level \"maybe\"; the model knows \"no\" and \"yes\"", \() {
    predict(moe(g ~ x, transform(d, g = ifelse(b > 0, "yes", "no")), K = 1, family = binomial()),
      data.frame(x = 1, g = "maybe"), "density")
  }),
  "two unknown response levels" = list("has the levels \"1\" and \"2\"", \() {
    predict(moe(g ~ x, transform(d, g = ifelse(b > 0, "yes", "no")), K = 1, family = binomial()),
      data.frame(x = 1, g = c("1", "2")), "density")
  }),
  "0/1 for a factor" = list("model was fitted to", \() {
    predict(moe(g ~ x, transform(d, g = ifelse(b > 0, "yes", "no")), K = 1, family = binomial()),
      data.frame(x = 1, g = 1), "density")
  }),
  "factor for 0/1" = list("`b` is <factor>.*fitted to 0/1", \() {
    predict(logistic, data.frame(x = 1, b = factor("yes")), "density")
  }),
  "matrix: number of columns" = list("`newdata` has 1 column; the model was fitted to 2", \() {
    predict(by_matrix, m[, 1, drop = FALSE])
  }),
  "matrix: names" = list("Columns? \"z\" .* not in `newdata`", \() {
    predict(by_matrix, cbind(x = 1:3, q = 1:3))
  }),
  "matrix: response" = list("response is needed", \() predict(by_matrix, m, "density")),
  "matrix: gates" = list("newdata\\$z", \() predict(moe(m, d$y, 1, gating = m), m)),
  "fitted without rows" = list("keeps no rows", \() fitted(aggregate)),
  "logLik without rows" = list("seen no rows", \() logLik(aggregate)),
  "formula of matrices" = list("no formula", \() formula(by_matrix)),
  "coef" = list("`which` must be one of", \() coef(two, "experts"))
))

sites_of <- function(...) moe_sites(y ~ x, ..., control = fast)

run_cases("moe_sites()", list(
  "unnamed" = list("`sources` must have a different name", \() sites_of(unname(sources), K = 2)),
  "a data frame" = list("`sources` must be a named list", \() sites_of(d, K = 2)),
  "empty list" = list("`sources` must be a named list", \() sites_of(list(), K = 2)),
  "duplicated names" = list("`sources` must have a different name", \() {
    sites_of(c(sources, sources), K = 2)
  }),
  "no data frame" = list("`sources`", \() sites_of(list(A = 1, B = 2), K = 2)),
  "no variables" = list("\"y\" and \"x\"", \() sites_of(lapply(sources, `[`, "z"), K = 2)),
  "all empty" = list("\"y\" and \"x\"", \() sites_of(lapply(sources, `[`, 0, ), K = 2)),
  "nobody has it" = list("nosuch", \() moe_sites(y ~ nosuch, sources, K = 2)),
  "no K" = list("`K`", \() sites_of(sources)),
  "K" = list("`K`", \() sites_of(sources, K = -1)),
  "min_rows" = list("`min_rows`", \() sites_of(sources, K = 1, min_rows = 0)),
  "weights" = list("`weights` must be the name", \() sites_of(sources, K = 1, weights = d$w)),
  "control" = list("`control`", \() moe_sites(y ~ x, sources, K = 1, control = list())),
  "start is no model" = list("`start` must be a model", \() sites_of(sources, K = 2, start = 1:2)),
  "start of other family" = list("`start` has family", \() sites_of(sources, K = 1, start = logistic)),
  "start of other formula" = list("`start`.*y ~ x \\+ z", \() sites_of(sources, K = 2, start = two_z))
))

put_together <- function(...) moe_aggregate(list(A = two, B = two), ...)

run_cases("moe_aggregate()", list(
  "no model" = list("`sites` must be", \() moe_aggregate(list(), d)),
  "not models" = list("`sites` must be", \() moe_aggregate(list(A = 1), d)),
  "duplicated names" = list("`sites` must have a different name", \() moe_aggregate(list(A = two, A = two), d)),
  "no usable site" = list("No site has a model: 2 sites were", \() {
    moe_aggregate(sites_of(lapply(sources, head, 3), K = 2), support)
  }),
  "other columns" = list("site B.*\"z\"", \() moe_aggregate(list(A = two, B = two_z), d)),
  "other family" = list("site B.*\"binomial\"", \() moe_aggregate(list(A = one, B = logistic), d)),
  "support lacks a column" = list("`support`.*\"x\"", \() put_together(d["z"])),
  "support lacks a column with braces" = list("`support`.*\"a\\{b\\}\"", \() {
    moe_aggregate(list(A = moe(y ~ `a{b}`, data.frame(y = d$y, "a{b}" = d$x, check.names = FALSE),
      K = 1)), d)
  }),
  "support with NA" = list("`support`.* 1 point with.*row 3", \() put_together(spoil("x", NA))),
  "support with NAs" = list("`support`.* 2 points", \() put_together(spoil("x", NA, 3:4))),
  "support is a list" = list("data frame or a numeric matrix", \() put_together(list(1))),
  "support without rows" = list("no row", \() put_together(d[0, ])),
  "support without site" = list("weights = \"site\".*`support`", \() put_together(d, weights = "site")),
  "a site without points" = list("site \"B\"", \() {
    put_together(moe_support(d, site = rep("A", 80)))
  }),
  "sites without points" = list("sites \"A\" and \"B\"", \() put_together(moe_support(d, site = rep("C", 80)))),
  "K_m differ" = list("1 and 2.*`K`", \() moe_aggregate(list(A = one, B = two), d)),
  "average of unequal K" = list("\"average\".*`K` = 2", \() {
    moe_aggregate(list(A = one, B = two), d, K = 2, method = "average")
  }),
  "middle of unequal K" = list("\"middle\"", \() {
    moe_aggregate(list(A = one, B = two), d, K = 2, method = "middle")
  }),
  "middle with other K" = list("\"middle\"", \() put_together(d, K = 3, method = "middle")),
  "K too large" = list("`K` = 5.*\\(4\\)", \() put_together(d, K = 5)),
  "average with offset" = list("offset", \() {
    moe_aggregate(list(A = with_offset, B = swapped), d, method = "average")
  }),
  "method" = list("`method`", \() put_together(d, method = "mean")),
  "plan" = list("`plan`", \() put_together(d, plan = "exact")),
  "weights" = list("`weights`", \() put_together(d, weights = "rows")),
  "unknown control" = list("`control`.*\"start\"", \() put_together(d, control = list(start = 1))),
  "control is a number" = list("`control`", \() put_together(d, control = 5)),
  "control value" = list("`middle_points`", \() put_together(d, control = list(middle_points = 0))),
  "site of other length" = list("`site` has 1 value; `x` has 80 rows", \() moe_support(d, site = "A")),
  "site with NA" = list("`site` holds 2 missing values", \() moe_support(d, replace(site, 1:2, NA))),
  "matching" = list("same number", \() distmoe:::match_experts(one, two, NULL))
))

all_in_one <- function(sites, ...) moe_distributed(y ~ x, d, sites = sites, ..., control = fast)

run_cases("moe_distributed()", list(
  "data" = list("`data` must be", \() moe_distributed(y ~ x, sources, K = 2, sites = 2)),
  "no K" = list("`K`", \() all_in_one(2)),
  "unknown column" = list("`sites`.*\"region\"", \() all_in_one("region", K = 2)),
  "NA site" = list("`sites` is missing in 1 row .*row 3", \() all_in_one(replace(site, 3, NA), K = 2)),
  "more sites than rows" = list("`sites` = 81 is more than the 80 rows", \() all_in_one(81, K = 2)),
  "no sites" = list("`sites`", \() all_in_one(0, K = 2)),
  "sites of other length" = list("`sites` must be.*it has 3", \() all_in_one(1:3, K = 2)),
  "support" = list("`support`", \() all_in_one(2, K = 2, support = -5)),
  "support_least" = list("`support_least`", \() all_in_one(2, K = 2, support_least = -1)),
  "pilot" = list("`pilot`", \() all_in_one(2, K = 2, pilot = "no")),
  "pilot without y" = list("pilot.*`support`", \() {
    all_in_one(site, K = 2, support = moe_support(d["x"], site = site))
  }),
  "no complete row" = list("`data`", \() {
    moe_distributed(y ~ x, spoil("x", NA_real_, 1:80), K = 2, sites = 2)
  })
))

run_cases("others", list(
  "metrics: model" = list("`model` must be a model", \() moe_metrics(1, d)),
  "metrics: response" = list("response.*\"y\"", \() moe_metrics(two, d["x"])),
  "metrics: truth's columns" = list("`truth`.*\"z\"", \() moe_metrics(two, d, truth = two_z)),
  "metrics: labels" = list("`labels` has 3 values; `newdata` has 80 rows", \() {
    moe_metrics(two, d, truth = two, labels = 1:3)
  }),
  "divergence: columns" = list("`to`.*\"z\"", \() transport_divergence(two, two_z, d)),
  "divergence: family" = list("`to`.*family", \() transport_divergence(one, logistic, d)),
  "divergence: from" = list("`from`", \() transport_divergence(NULL, two, d)),
  "divergence: exact" = list("`exact`", \() transport_divergence(two, two, d, exact = "no")),
  "divergence: plan" = list("`plan`", \() transport_plan(two, two, d, plan = "R_c")),
  "simulate: K > n" = list("`K` = 4.*`n` = 3", \() moe_simulate(3, K = 4)),
  "simulate: seed" = list("`seed`", \() moe_simulate(30, seed = "a")),
  "simulate: infinite seed" = list("`seed`", \() moe_simulate(30, seed = Inf)),
  "plot: which" = list("`which` must be among.*\"plan\"", \() plot(two, "plan")),
  "plot: variable" = list("`variable` \"q\"", \() plot(two, "experts", variable = "q")),
  "plot: data" = list("`data` must be", \() plot(two, "experts", data = 1)),
  "plot: nothing" = list("no variable", \() plot(no_variable, "experts"))
))

test_that("a bad site does not stop the others and says what is wrong", {
  half <- d[1:40, ]
  bad <- list(good = d, empty = d[0, ], small = d[1:5, ], lacks = half["y"],
    text = transform(half, x = as.character(x)), list = list(1), missing = transform(half, x = NA_real_),
    infinite = transform(half, x = Inf), flat = transform(half, y = 1), good2 = half)
  table <- sites_of(bad, K = 2)$table
  expect_equal(table$site, names(bad))
  status <- setNames(table$status, table$site)
  expect_equal(names(status)[status == "fitted"], c("good", "good2"))
  expect_equal(names(status)[status == "skipped"], c("empty", "small"))
  says <- c(empty = "0 usable rows and needs 9", small = "5 usable rows", lacks = "\"x\"", text = "\"x\"",
    list = "data frame", missing = "No row", infinite = "not finite", flat = "constant")
  for (s in names(says)) expect_match(table$message[table$site == s], says[[s]], info = s)
  weighted <- moe_sites(y ~ x, list(A = d, B = d[c("x", "y")]), K = 1, weights = "w")
  expect_equal(weighted$table$status, c("fitted", "failed"))
  expect_match(weighted$table$message[2], "\"w\"")
})

test_that("`.` means the columns of most sites, whichever comes first", {
  keep <- c("y", "x", "z")
  lacks <- moe_sites(y ~ ., list(A = d[c("y", "x")], B = d[keep], C = d[keep]), K = 1)
  expect_equal(lacks$table$status, c("failed", "fitted", "fitted"))
  expect_match(lacks$table$message[1], "\"z\"")
  more <- moe_sites(y ~ ., list(A = d[c(keep, "w")], B = d[keep], C = d[keep]), K = 1)
  expect_equal(more$table$status, rep("fitted", 3))
  expect_equal(rownames(coef(more$models$C, "expert")), c("(Intercept)", "x", "z"))
})

test_that("warnings: 0/1 as numbers, experts at the floor, experts without rows", {
  expect_warning(moe(b ~ x, d, K = 1), "0 or 1")
  expect_warning(moe(m, d$b, K = 1), "binomial")
  expect_no_warning(moe(b ~ x, d, K = 1, family = binomial()))
  expect_match(moe_sites(b ~ x, sources, K = 1)$table$message, "0 or 1")
  warn <- function(empty, at_floor) {
    distmoe:::warn_about(list(record = list(converged = TRUE, empty = empty, at_floor = at_floor)))
  }
  none <- logical(3)
  expect_warning(warn(none, c(FALSE, TRUE, FALSE)), "variance of expert 2 is held")
  expect_warning(warn(none, c(FALSE, TRUE, TRUE)), "variance of experts 2 and 3 is held")
  expect_warning(warn(c(FALSE, FALSE, TRUE), none), "Expert 3 lost its rows")
  expect_warning(warn(c(TRUE, FALSE, TRUE), none), "Experts 1 and 3 lost their rows")
})
