# Wrong calls. Every one must give one error of class moe_input_error that names the argument, the
# variable or the site. A row of the tables is a call and what its message must say.

set.seed(11)
d <- data.frame(x = runif(80, -1, 1), z = rnorm(80), f = factor(rep_len(c("a", "b", "c"), 80)))
d$y <- ifelse(d$x > 0, 2 - 3 * d$x, 3 * d$x) + rnorm(80, sd = 0.3)
d$b <- as.numeric(d$y + rnorm(80) > 0)
d$g <- ifelse(d$b > 0, "yes", "no")
d$l <- d$z > 0
d$w <- rep_len(1:3, 80)
d$one <- 1
d$x2 <- 2 * d$x
d$xz <- d$x + d$z
m <- as.matrix(d[c("x", "z")])

# `d` with the value `v` in some rows of a column.
spoil <- function(column, v, rows = 3) {
  d[[column]][rows] <- v
  d
}

fast <- moe_control(starts = 1)
one <- moe(y ~ x, d, K = 1)
two <- moe(y ~ x, d, K = 2, control = fast)
two_z <- moe(y ~ x + z, d, K = 2, control = fast)
logistic <- moe(b ~ x, d, K = 1, family = binomial())
by_matrix <- moe(m, d$y, K = 1)
by_factor <- moe(y ~ x + f, d, K = 1)
site <- rep_len(c("A", "B"), 80)
sources <- split(d, site)
support <- moe_support(d, site = site)
offset_gate <- moe(y ~ x, d, K = 2, gating = ~ x + offset(z), control = fast)
# The same model with its experts in the other order: to align the two, one must be relabelled.
swapped <- offset_gate
swapped$parameters$beta[] <- offset_gate$parameters$beta[, 2:1]
swapped$parameters$dispersion[] <- rev(offset_gate$parameters$dispersion)

of_sites <- function(...) moe_sites(y ~ x, ..., control = fast)
put_together <- function(...) moe_aggregate(list(A = two, B = two), ...)
all_in_one <- function(...) moe_distributed(y ~ x, d, ..., control = fast)
logit <- function(formula, data = d, ...) moe(formula, data, K = 1, family = binomial(), ...)

# What is wrong with the way a call failed; nothing, if it failed as it should.
faults <- function(call, says) {
  warned <- FALSE
  caught <- tryCatch(withCallingHandlers(call(), warning = function(w) {
    warned <<- TRUE
    invokeRestart("muffleWarning")
  }), error = identity)
  if (!inherits(caught, "error")) return("no error")
  # A message may be wrapped at any blank, and coloured.
  message <- gsub("[[:space:]]+", " ", cli::ansi_strip(conditionMessage(caught)))
  c(if (!inherits(caught, "moe_input_error")) paste("not an input error:", message),
    if (!grepl(says, message)) paste0("the message does not match '", says, "': ", message),
    if (!is.null(caught$parent)) "a chained error",
    if (!is.null(conditionCall(caught))) "shows a call of the inside",
    if (warned) "a stray warning",
    # Left-overs of a message that could not be put together.
    if (grepl("luraliz|is not TRUE|found \\.|not \\.", message)) paste("broken:", message))
}

wrong <- function(group, cases) {
  for (label in names(cases)) test_that(paste0(group, ": ", label), {
    expect_equal(faults(cases[[label]][[2]], cases[[label]][[1]]), NULL)
  })
}

wrong("rows", list(
  na_fail = list("missing", \() moe(y ~ x, spoil("x", NA), K = 2, na.action = na.fail)),
  na_pass = list("\"x\" holds 1 value", \() moe(y ~ x, spoil("x", NA), K = 2, na.action = na.pass)),
  na_factor = list("\"f\" holds 1 ", \() moe(y ~ f, spoil("f", NA), K = 1, na.action = na.pass)),
  na_in_poly = list("poly", \() moe(y ~ poly(x, 2), spoil("x", NA), K = 2)),
  inf = list("\"x\" holds 2 values that are .*Inf, row 3", \() {
    moe(y ~ x, spoil("x", Inf, 3:4), K = 2)
  }),
  inf_y = list("\"y\" holds 1 value that is", \() moe(y ~ x, spoil("y", -Inf), K = 2)),
  log_of_0 = list("\"log\\(w\\)\" holds 1 value", \() moe(y ~ log(w), spoil("w", 0), K = 2)),
  inf_gate = list("\"z\" holds", \() moe(y ~ x, spoil("z", Inf), K = 2, gating = ~ z)),
  matrix_na = list("`x` holds 1 value that is missing", \() moe(replace(m, 3, NA), d$y, K = 2)),
  matrix_inf = list("`x` holds 2 .*in row 3", \() moe(replace(m, 3:4, Inf), d$y, K = 2)),
  y_na = list("`y` holds 1 missing value .*row 3", \() moe(m, replace(d$y, 3, NA), K = 2)),
  y_inf = list("`y` holds 2 infinite values", \() moe(m, replace(d$y, 3:4, Inf), K = 2)),
  y_short = list("`y` has 1 value, `x` has 80 rows", \() moe(m, 1, K = 2)),
  y_not_given = list("`y`", \() moe(m, K = 2)),
  x_text = list("`x` must be a numeric matrix", \() moe(matrix("a", 80, 1), d$y, K = 2)),
  no_rows = list("No row is left.*`data`", \() moe(y ~ x, d[0, ], K = 1)),
  empty_subset = list("`subset`", \() moe(y ~ x, d, K = 1, subset = x > 9)),
  all_na = list("No row is left", \() moe(y ~ x, spoil("x", NA_real_, 1:80), K = 1)),
  # 2 experts of 2 coefficients and a variance, 1 gate of 2: 8 parameters.
  few_rows = list("`K` = 2 needs at least 9 rows.*have 8", \() moe(y ~ x, d[1:8, ], K = 2)),
  few_weights = list("at least 9 rows", \() moe(y ~ x, d, K = 2, weights = w * (x > 0.9))),
  constant = list("Column \"one\" of `formula` is constant or follows", \() {
    moe(y ~ x + one, d, K = 2)
  }),
  collinear = list("Columns \"x2\" and \"xz\" of `formula` are constant or follow from", \() {
    moe(y ~ x + x2 + z + xz, d, K = 2)
  }),
  constant_gate = list("Column \"one\" of `gating`", \() moe(y ~ x, d, K = 2, gating = ~ one)),
  collinear_gate = list("Column \"x2\" of `gating`", \() moe(y ~ x, d, K = 2, gating = ~ x + x2)),
  constant_matrix = list("\"one\"", \() moe(cbind(m, one = 1), d$y, K = 2)),
  one_level = list("\"factor\\(one\\)\" in `formula` has a single", \() {
    moe(y ~ factor(one), d, K = 1)
  }),
  constant_y = list("response is constant", \() moe(one ~ x, d, K = 2)),
  no_column = list("`formula` has no column", \() moe(y ~ 0, d, K = 1)),
  no_gate_column = list("`gating` has no column", \() moe(y ~ x, d, K = 2, gating = ~ 0)),
  no_variable = list("nosuch", \() moe(y ~ nosuch, d, K = 2)),
  no_gate_variable = list("nosuch", \() moe(y ~ x, d, K = 2, gating = ~ nosuch)),
  # terms() would drop it from the right without a word.
  gate_on_y = list("`gating`", \() moe(y ~ x, d, K = 2, gating = ~ x + y)),
  dot_without_data = list("data", \() moe(y ~ ., K = 2)),
  offset_factor = list("offset", \() moe(y ~ x + offset(f), d, K = 1))
))

wrong("response and family", list(
  factor = list("response `f` must be numeric.*<factor>", \() moe(f ~ x, d, K = 1)),
  text = list("`g` must be numeric.*binomial", \() moe(g ~ x, d, K = 1)),
  levels_3 = list("`f` has 3 levels", \() logit(f ~ x)),
  levels_1 = list("has 1 level;", \() logit(factor(one) ~ x)),
  counts = list("`w` must be 0 or 1.*found", \() logit(w ~ x)),
  complex = list("0 or 1.*complex", \() logit(as.complex(b) ~ x)),
  two_columns = list("must be one column, not 2", \() moe(cbind(b, 1 - b) ~ x, d, K = 1)),
  three_columns = list("has 3 columns", \() logit(cbind(b, 1 - b, b) ~ x)),
  two_columns_matrix = list("`y` must be one column", \() moe(m, cbind(d$y, d$y), K = 1)),
  unknown_name = list("`family`", \() moe(y ~ x, d, K = 2, family = "poison")),
  unknown = list("`family` \"quasi\" is not", \() moe(y ~ x, d, K = 2, family = stats::quasi())),
  number = list("`family` must be a family", \() moe(y ~ x, d, K = 2, family = 3)),
  no_family = list("`family` must be a family", \() moe(y ~ x, d, K = 2, family = mean)),
  probit = list("\"logit\", not \"probit\"", \() moe(b ~ x, d, K = 1, family = binomial("probit")))
))

wrong("arguments of moe()", list(
  K_0 = list("`K` must be one whole number, 1 or more, not 0", \() moe(y ~ x, d, K = 0)),
  K_2.5 = list("`K` must be.*not 2.5", \() moe(y ~ x, d, K = 2.5)),
  K_text = list("`K` must be.*\"2\"", \() moe(y ~ x, d, K = "2")),
  K_many = list("`K` must be.*1, 2, 3, 4, 5, \\.\\.\\.", \() moe(y ~ x, d, K = 1:8)),
  K_huge = list("`K`", \() moe(y ~ x, d, K = 1e10)),
  K_missing = list("`K`.*missing", \() moe(y ~ x, d)),
  K_above_n = list("`K` = 5 needs at least 24 rows.*have 4", \() moe(y ~ x, d[1:4, ], K = 5)),
  negative = list("`weights`.*row 3 has -1", \() moe(y ~ x, spoil("w", -1), K = 1, weights = w)),
  na_weight = list("`weights`.*row 3", \() moe(m, d$y, K = 1, weights = replace(d$w, 3, NA))),
  zeros = list("`weights` are all zero", \() moe(y ~ x, d, K = 1, weights = 0 * w)),
  long = list("`weights` must be 80 numbers.*3", \() moe(m, d$y, K = 1, weights = 1:3)),
  long_formula = list("weights", \() moe(y ~ x, d, K = 1, weights = 1:3)),
  text_weights = list("`weights` must be 80 numbers", \() moe(y ~ x, d, K = 1, weights = g)),
  gating_sides = list("`gating` must be a one-sided", \() moe(y ~ x, d, K = 2, gating = y ~ x)),
  gating_text = list("`gating` must be a one-sided", \() moe(y ~ x, d, K = 2, gating = "x")),
  gating_formula = list("`gating` must be a matrix", \() moe(m, d$y, K = 2, gating = ~ x)),
  gating_rows = list("`gating` has 9 rows; 80 are", \() moe(m, d$y, K = 2, gating = m[1:9, ])),
  no_response = list("`formula`.*response", \() moe(~ x, d, K = 2)),
  data_matrix = list("`data` must be a data frame", \() moe(y ~ x, m, K = 2)),
  data_first = list("first argument must be", \() moe(d, y ~ x, K = 2)),
  start_infinite = list("`start`.*finite", \() moe(y ~ x, d, 2, start = matrix(Inf, 80, 2))),
  start_zero = list("`start`.*some in every row", \() moe(y ~ x, d, 2, start = matrix(0, 80, 2))),
  huge = list("\"y\".*too large", \() moe(y ~ x, transform(d, y = y * 1e200), K = 1)),
  start_K = list("`start` has 2 experts, `K` is 3", \() moe(y ~ x, d, K = 3, start = two)),
  start_lacks = list("`start` .*Missing: \"z\"", \() moe(y ~ x + z, d, K = 2, start = two)),
  start_extra = list("`start` .*Unexpected: \"z\"", \() moe(y ~ x, d, K = 2, start = two_z)),
  start_order = list("`start` .*another order", \() moe(y ~ z + x, d, K = 2, start = two_z)),
  start_gates = list("other gate", \() moe(y ~ x, d, K = 2, gating = ~ z, start = two)),
  start_family = list("`start` has family \"gaussian\"", \() logit(b ~ x, start = one)),
  start_short = list("`start` must be.*80 labels", \() moe(y ~ x, d, K = 2, start = 1:2)),
  start_high = list("`start` must be", \() moe(y ~ x, d, K = 2, start = d$w)),
  start_matrix = list("80 x 2.*found 80 x 3", \() moe(y ~ x, d, K = 2, start = matrix(1, 80, 3))),
  misspelt = list("Unknown argument `wieghts`", \() moe(y ~ x, d, K = 2, wieghts = w)),
  misspelt_2 = list("Unknown arguments `a` and `q`", \() moe(m, d$y, K = 2, a = 1, q = 2)),
  too_many = list("Unknown argument", \() {
    moe(m, d$y, 2, gaussian(), NULL, NULL, NULL, fast, TRUE, 5)
  }),
  control = list("`control` must be made by", \() moe(y ~ x, d, K = 2, control = 5)),
  control_2 = list("has no setting \"nosuch\"", \() moe(y ~ x, d, K = 2, control = list(nosuch = 1))),
  starts = list("`starts`", \() moe_control(starts = 0)),
  start_rows = list("`start_rows`", \() moe_control(start_rows = 1e10)),
  max_iterations = list("`max_iterations`.*\"many\"", \() moe_control(max_iterations = "many")),
  tolerance = list("`tolerance` must be one number above 0", \() moe_control(tolerance = 0)),
  newton = list("`newton` must be TRUE or FALSE", \() moe_control(newton = NA)),
  gate_ridge = list("`gate_ridge` must be one number at least 0", \() moe_control(gate_ridge = -1)),
  variance_prior = list("`variance_prior` must be one number at least 0", \() moe_control(variance_prior = -1)),
  floor = list("`dispersion_floor`.*above 0 and at most 1", \() moe_control(dispersion_floor = 2)),
  max_reseeds = list("`max_reseeds`.*-1", \() moe_control(max_reseeds = -1)),
  singular_ok = list("`singular_ok`", \() moe_control(singular_ok = "no"))
))

of_text <- function(...) {
  predict(logit(g ~ x, transform(d, g = factor(g))), data.frame(x = 1, ...), "density")
}
of_logical <- function(...) predict(moe(y ~ l, d, K = 1), data.frame(...))

wrong("new data", list(
  unseen = list("\"f\" has level \"q\" ", \() predict(by_factor, data.frame(x = 1, f = "q"))),
  unseen_2 = list("has levels \"q\" and \"r\"", \() {
    predict(by_factor, data.frame(x = 1, f = c("q", "r")))
  }),
  lacks = list("Column \"z\".*is not in the data", \() predict(two_z, d["x"])),
  lacks_2 = list("Columns \"x\" and \"z\".*are not in the data", \() predict(two_z, d["y"])),
  became_text = list("\"x\"", \() predict(one, data.frame(x = "1"))),
  became_number = list("\"f\"", \() predict(by_factor, data.frame(x = 1, f = 1))),
  logical_number = list("\"l\"", \() of_logical(l = 2)),
  logical_text = list("\"l\"", \() of_logical(l = "TRUE")),
  vector = list("`newdata` must be a data frame", \() predict(one, 1:3)),
  none = list("`newdata` is needed", \() predict(moe(y ~ x, d, K = 1, keep = FALSE), type = "gate")),
  none_2 = list("`newdata` is needed", \() predict(moe(y ~ x, d, K = 1, model = FALSE), type = "gate")),
  inf = list("\"x\" holds 1", \() predict(one, data.frame(x = c(1, Inf)))),
  posterior = list("\"posterior\".*no column \"y\"", \() predict(two, d["x"], "posterior")),
  class = list("\"class\".*no column \"y\"", \() predict(two, d["x"], "class")),
  density = list("\"density\".*no column \"y\"", \() predict(two, d["x"], "density")),
  type = list("`type` must be one of.*\"mean\"", \() predict(two, d, type = "mean")),
  log = list("`log` must be TRUE or FALSE", \() predict(two, d, "density", log = "e")),
  unknown_argument = list("Unknown argument `scale`", \() predict(two, d, scale = TRUE)),
  response_level = list("the level \"q\"; .* \"no\" and \"yes\"", \() of_text(g = "q")),
  response_levels = list("the levels \"q\" and \"r\"", \() of_text(g = c("q", "r"))),
  response_coding = list("is <numeric>.*fitted to \"?no", \() of_text(g = 1)),
  response_labels = list("<factor>.* 0/1", \() {
    predict(logistic, data.frame(x = 1, b = factor("yes")), "density")
  }),
  matrix_columns = list("has 1 column;.*fitted to 2", \() predict(by_matrix, m[, 1, drop = FALSE])),
  matrix_names = list("\"z\".* not in `newdata`", \() predict(by_matrix, cbind(x = 1:3, q = 1:3))),
  matrix_response = list("response is needed", \() predict(by_matrix, m, "density")),
  matrix_gates = list("`newdata` as `list\\(x = , z = \\)`", \() predict(moe(m, d$y, 1, gating = m), m)),
  no_rows_kept = list("keeps no rows", \() fitted(moe(y ~ x, d, K = 1, keep = FALSE))),
  no_log_lik = list("seen no rows", \() logLik(put_together(support))),
  no_formula = list("no formula", \() formula(by_matrix)),
  coef = list("`which` must be one of", \() coef(two, "experts")),
  plot = list("`which` must be among.*\"plan\"", \() plot(two, "plan")),
  plot_variable = list("`variable` \"q\"", \() plot(two, "experts", variable = "q")),
  plot_data = list("`data` must be", \() plot(two, "experts", data = 1)),
  plot_nothing = list("no numeric or factor variable", \() plot(moe(y ~ 1, d, K = 1), "experts"))
))

wrong("moe_sites()", list(
  unnamed = list("`sources` must have a different name", \() of_sites(unname(sources), K = 2)),
  data_frame = list("`sources` must be a named list", \() of_sites(d, K = 2)),
  empty = list("`sources` must be a named list", \() of_sites(list(), K = 2)),
  twice = list("`sources` must have a different", \() of_sites(c(sources, sources), K = 2)),
  no_data_frame = list("`sources`", \() of_sites(list(A = 1, B = 2), K = 2)),
  start_only = list("`sources`", \() of_sites(list(A = 1, B = 2), K = 2, start = two)),
  no_variables = list("\"y\" and \"x\"", \() of_sites(lapply(sources, `[`, "z"), K = 2)),
  no_rows = list("\"y\" and \"x\"", \() of_sites(lapply(sources, head, 0), K = 2)),
  no_variable = list("nosuch", \() moe_sites(y ~ nosuch, sources, K = 2)),
  no_K = list("`K`", \() of_sites(sources)),
  K = list("`K`", \() of_sites(sources, K = -1)),
  min_rows = list("`min_rows`", \() of_sites(sources, K = 1, min_rows = 0)),
  weights = list("`weights` must be the name", \() of_sites(sources, K = 1, weights = d$w)),
  control = list("`control`", \() moe_sites(y ~ x, sources, K = 1, control = 5)),
  start = list("`start` must be a model", \() of_sites(sources, K = 2, start = 1:2)),
  start_family = list("`start` has family", \() of_sites(sources, K = 1, start = logistic, family = gaussian())),
  start_formula = list("`start`.*y ~ x \\+ z", \() of_sites(sources, K = 2, start = two_z))
))

braces <- setNames(d[c("x", "y")], c("a{b}", "y"))

wrong("moe_aggregate()", list(
  no_model = list("`sites` must be", \() moe_aggregate(list(), d)),
  no_models = list("`sites` must be", \() moe_aggregate(list(A = 1), d)),
  twice = list("`sites` must have a different", \() moe_aggregate(list(A = two, A = two), d)),
  none_usable = list("No site has a model: 2 sites were.*3 usable rows", \() {
    moe_aggregate(of_sites(lapply(sources, head, 3), K = 2), support)
  }),
  columns = list("site B.*\"z\"", \() moe_aggregate(list(A = two, B = two_z), d)),
  # scale() of other rows: the columns have the same names, but not the same meaning.
  basis = list("site B.*basis", \() moe_aggregate(list(
    A = moe(y ~ scale(x), d[1:40, ], K = 1), B = moe(y ~ scale(x), d[41:80, ], K = 1)), d)),
  family = list("site B.*\"binomial\"", \() moe_aggregate(list(A = one, B = logistic), d)),
  lacks = list("`support`.*\"x\"", \() put_together(d["z"])),
  lacks_braces = list("`support`.*\"a\\{b\\}\"", \() {
    moe_aggregate(list(A = moe(y ~ `a{b}`, braces, K = 1)), d)
  }),
  na = list("`support`.* 1 point with.*row 3", \() put_together(spoil("x", NA))),
  na_2 = list("`support`.* 2 points", \() put_together(spoil("x", NA, 3:4))),
  a_list = list("data frame or a numeric matrix", \() put_together(list(1))),
  no_rows = list("no row", \() put_together(d[0, ])),
  no_site = list("weights = \"site\".*`support`", \() put_together(d, weights = "site")),
  site_missing = list("site \"B\"", \() put_together(moe_support(d, site = rep("A", 80)))),
  sites_missing = list("sites \"A\" and \"B\"", \() {
    put_together(moe_support(d, site = rep("C", 80)))
  }),
  K_differ = list("1 and 2.*`K`", \() moe_aggregate(list(A = one, B = two), d)),
  average_K = list("\"average\".*`K` = 2", \() {
    moe_aggregate(list(A = one, B = two), d, K = 2, method = "average")
  }),
  middle_K = list("\"middle\".*`K` = 3", \() put_together(d, K = 3, method = "middle")),
  K_large = list("`K` = 5.*\\(4\\)", \() put_together(d, K = 5)),
  average_offset = list("offset", \() {
    moe_aggregate(list(A = offset_gate, B = swapped), d, method = "average")
  }),
  method = list("`method`", \() put_together(d, method = "mean")),
  plan = list("`plan`", \() put_together(d, plan = "exact")),
  weights = list("`weights`", \() put_together(d, weights = "rows")),
  control_name = list("`control`.*\"start\"", \() put_together(d, control = list(start = 1))),
  control_number = list("`control`", \() put_together(d, control = 5)),
  control_value = list("`middle_points`", \() put_together(d, control = list(middle_points = 0))),
  site_length = list("`site` has 1 value; `x` has 80 rows", \() moe_support(d, site = "A")),
  site_na = list("`site` holds 2 missing", \() moe_support(d, replace(site, 1:2, NA))),
  matching = list("same number", \() distmoe:::match_experts(one, two, NULL))
))

wrong("moe_distributed()", list(
  data = list("`data` must be", \() moe_distributed(y ~ x, sources, K = 2, sites = 2)),
  no_K = list("`K`", \() all_in_one(sites = 2)),
  column = list("`sites`.*\"region\"", \() all_in_one(2, "region")),
  na_site = list("`sites` is missing in 1 row .*row 3", \() all_in_one(2, replace(site, 3, NA))),
  many = list("`sites` = 81 is more than the 80 rows", \() all_in_one(2, 81)),
  zero = list("`sites`", \() all_in_one(2, 0)),
  length = list("`sites` must be.*it has 3", \() all_in_one(2, 1:3)),
  support = list("`support`", \() all_in_one(2, 2, support = -5)),
  support_least = list("`support_least`", \() all_in_one(2, 2, support_least = -1)),
  pilot = list("`pilot`", \() all_in_one(2, 2, pilot = "no")),
  pilot_y = list("pilot.*`support`", \() all_in_one(2, site, support = moe_support(d["x"], site))),
  all_na = list("`data`", \() moe_distributed(y ~ x, spoil("x", NA_real_, 1:80), K = 2, sites = 2))
))

wrong("others", list(
  model = list("`model` must be a model", \() moe_metrics(1, d)),
  response = list("response.*\"y\"", \() moe_metrics(two, d["x"])),
  truth = list("`truth`.*\"z\"", \() moe_metrics(two, d, truth = two_z)),
  labels = list("`labels` has 3 values; `newdata` has 80 rows", \() moe_metrics(two, d, two, 1:3)),
  to = list("`to`.*\"z\"", \() transport_divergence(two, two_z, d)),
  to_family = list("`to`.*family", \() transport_divergence(one, logistic, d)),
  from = list("`from`", \() transport_divergence(NULL, two, d)),
  exact = list("`exact`", \() transport_divergence(two, two, d, exact = "no")),
  plan = list("`plan`", \() transport_plan(two, two, d, plan = "R_c")),
  K_above_n = list("`K` = 4.*`n` = 3", \() moe_simulate(3, K = 4)),
  seed = list("`seed`", \() moe_simulate(30, seed = "a")),
  infinite_seed = list("`seed`", \() moe_simulate(30, seed = Inf))
))

test_that("a bad site does not stop the others, and the table says what is wrong with it", {
  half <- d[1:40, ]
  bad <- list(good = d, empty = d[0, ], small = d[1:5, ], lacks = half["y"], list = list(1),
    text = transform(half, x = as.character(x)), missing = transform(half, x = NA_real_),
    infinite = transform(half, x = Inf), flat = transform(half, y = 1), good2 = half)
  table <- of_sites(bad, K = 2)$table
  expect_equal(table$site, names(bad))
  expect_equal(table$site[table$status == "fitted"], c("good", "good2"))
  expect_equal(table$site[table$status == "skipped"], c("empty", "small"))
  says <- c(empty = "0 usable rows and needs 9", small = "5 usable rows", lacks = "\"x\"",
    list = "data frame", text = "\"x\"", missing = "No row",
    infinite = "not finite", flat = "constant")
  for (s in names(says)) expect_match(table$message[table$site == s], says[[s]], info = s)
  weighted <- of_sites(list(A = d, B = d[c("x", "y")]), K = 1, weights = "w")$table
  expect_equal(weighted$status, c("fitted", "failed"))
  expect_match(weighted$message[2], "\"w\"")
})

test_that("`.` means the columns of most sites, whichever comes first", {
  keep <- d[c("y", "x", "z")]
  lacks <- moe_sites(y ~ ., list(A = d[c("y", "x")], B = keep, C = keep), K = 1)$table
  expect_equal(lacks$status, c("failed", "fitted", "fitted"))
  expect_match(lacks$message[1], "\"z\"")
  more <- moe_sites(y ~ ., list(A = d[c("y", "x", "z", "w")], B = keep, C = keep), K = 1)
  expect_equal(more$table$status, rep("fitted", 3))
  expect_equal(rownames(coef(more$models$C, "expert")), c("(Intercept)", "x", "z"))
})

test_that("0/1 as numbers and experts at the floor or without rows give a warning", {
  expect_warning(moe(b ~ x, d, K = 1), "0 or 1")
  expect_warning(moe(m, d$b, K = 1), "binomial")
  expect_no_warning(logit(b ~ x))
  expect_match(moe_sites(b ~ x, sources, K = 1)$table$message, "0 or 1")
  model <- suppressWarnings(moe(y ~ 1, d, K = 3))
  warn <- function(empty, at_floor, max_reseeds = 0) {
    model$record[c("converged", "empty", "at_floor")] <-
      list(TRUE, 1:3 %in% empty, 1:3 %in% at_floor)
    distmoe:::warn_about(model, max_reseeds)
  }
  expect_warning(warn(NULL, 2), "variance of expert 2 is held")
  expect_warning(warn(NULL, 2:3), "variance of experts 2 and 3 is held")
  expect_warning(warn(3, NULL), "Expert 3 lost its rows")
  expect_warning(warn(c(1, 3), NULL), "Experts 1 and 3 lost their rows.*max_reseeds = 5")
  # No advice to do what was done.
  without <- tryCatch(warn(3, NULL, 5), warning = conditionMessage)
  expect_match(without, "Expert 3 lost its rows")
  expect_false(grepl("max_reseeds", without))
})

test_that("a response of too many classes is refused by name, before room is asked for", {
  d <- data.frame(id = factor(seq_len(30000) %% 15000), x = seq_len(30000))
  expect_error(moe(id ~ x, d, K = 1, family = multinomial()), "response `id` has 15,000 levels.*29,998 coefficients",
    class = "moe_input_error")
})
