# The table of all fields of messages, from which reader, writer, print and help page work. A new field is one row
# here, with `since` the minor version that has it first, and raises `message_version`.

# `kind`: how it is written and what is checked (message-objects.R). `size`, `least`, `most`, `among` may name what
# a message is about: p, q, K, parts, gates (K - 1), P (parameters). `absent`: "no": always there; "null": null where
# there is none; "left out": need not be there; "with a formula": not in a design of matrices. `gaps`: null is a
# number that is not known. `default`: what a message of an earlier version means, which lacks it. `of`: the object
# of the table that it is.
entry <- function(name, kind, words, size, least = -Inf, most = Inf, strict = FALSE, whole = FALSE, among = NULL,
                  gaps = FALSE, of = NULL, since = 0L, absent = "no", default = NULL) {
  list(name = name, kind = kind, words = words, size = if (!missing(size)) substitute(size), least = least,
    most = substitute(most), strict = strict, whole = whole, among = substitute(among), gaps = gaps, of = of,
    since = since, absent = absent, default = default)
}

entries <- function(...) {
  rows <- list(...)
  stats::setNames(rows, vapply(rows, function(f) f$name, ""))
}

envelope_fields <- entries(
  entry("schema", "own", "format and its version"),
  entry("kind", "own", "what this is"),
  entry("package", "text", "version that wrote it", most = 50L),
  entry("site", "site", "the site's name"))

# Of messages that are signed, all of them.
signature_fields <- entries(
  entry("study", "text", "the study's name and number, as the registry has them", since = 2L, absent = "left out"),
  entry("exchange", "count", "number of the exchange, which the centre counts", least = 1, since = 2L,
    absent = "left out"),
  entry("answers", "text", "checksum of the message that it answers, or empty", most = 64L, since = 2L,
    absent = "left out"),
  entry("signature", "text", "Ed25519 signature of all other fields", most = 128L, since = 2L, absent = "left out"))

checksum_field <- entries(entry("checksum", "own", "SHA-256 of all that"))

message_objects <- list(
  model = c(envelope_fields, entries(
    entry("family", "text", "distribution of the experts", among = names(known_families)),
    entry("K", "count", "number of experts", least = 1, most = 1000),
    entry("n", "rows", "number of rows"),
    entry("weight", "weight", "sum of their weights"),
    entry("dropped", "count", "rows left out as incomplete"),
    entry("design", "own", "formulas, columns, levels, means of variables", of = "design"),
    entry("parameters", "object", "coefficients and variances", of = "parameters"),
    entry("log_lik", "number", "log-likelihood", absent = "null"),
    entry("share", "numbers", "experts' shares of the rows", K, 0, 1 + 1e-6, absent = "null"),
    entry("record", "object", "how the fit went", of = "record", absent = "null"),
    entry("information", "object", "second derivatives (a row a parameter)", of = "information", absent = "null"),
    entry("shared", "object", "summaries of x, moments of columns", of = "shared", absent = "null"),
    entry("rounds", "object", "state of the rounds", of = "rounds", absent = "null"),
    entry("prior", "object", "how sites' parameters are distributed about this model, in rounds of a hierarchy",
      of = "prior", since = 1L, absent = "left out")), signature_fields, checksum_field),
  statistics = c(envelope_fields, entries(
    entry("round", "count", "exchange that it belongs to"),
    entry("model", "text", "the model it was computed at", most = 64L),
    entry("family", "text", "distribution of the experts", among = names(known_families)),
    entry("K", "count", "number of experts", least = 1, most = 1000),
    entry("parts", "count", "columns of coefficients an expert has", least = 1,
      most = if (has_many_classes(family)) 1000 else 1),
    entry("columns", "object", "names of the columns", of = "columns"),
    entry("n", "rows", "number of rows"),
    entry("moments", "object", "means and second moments of columns", of = "moments", absent = "null"),
    entry("sums", "object", "sums over the rows at the model", of = "sums", absent = "null"),
    entry("maximum", "object", "where likelihood and prior are largest, in rounds of a hierarchy", of = "maximum",
      since = 1L, absent = "left out"),
    entry("masked", "object", "masked moments or sums", of = "masked", since = 2L, absent = "left out")),
    signature_fields, checksum_field),
  registry = c(envelope_fields, entries(
    entry("study", "text", "the study's name and number"),
    entry("edition", "count", "how often it was signed", least = 1),
    entry("members", "object", "who takes part", of = "members")), signature_fields["signature"], checksum_field),
  members = entries(
    entry("site", "names", "their names", most = 10000L),
    entry("role", "texts", "\"centre\", once, or \"site\"", lines, among = c("centre", "site")),
    entry("rows", "numbers", "registered rows of a site", lines, 1, most_rows, whole = TRUE, gaps = TRUE),
    entry("key", "texts", "public keys", lines)),
  columns = entries(
    entry("expert", "names", "of the experts", most = most_columns),
    entry("gate", "names", "of the gates", most = most_columns)),
  design = entries(
    entry("kind", "text", "of a formula, or of matrices", among = c("formula", "matrix")),
    entry("same", "flag", "have gates the experts' columns"),
    entry("response", "text", "name of the response"),
    entry("labels", "own", "its classes", absent = "null"),
    entry("response_variables", "own", "columns of data that it needs", absent = "with a formula"),
    entry("needs", "own", "columns of data that the predictors need", absent = "with a formula"),
    entry("group", "texts", "columns of data whose values tell units apart, all of whose rows have one expert",
      most = 10L, since = 1L, absent = "left out"),
    entry("formula", "own", "trees of `response` and `experts`", absent = "with a formula"),
    entry("gating", "own", "a tree, or null where `same` is true", absent = "with a formula"),
    entry("classes", "own", "of the variables", absent = "with a formula"),
    entry("levels", "own", "of factors", absent = "with a formula"),
    entry("bases", "own", "calls of `poly()`, `ns()`, `bs()`, `scale()` with what the rows decided: knots, coefficients,
      means", absent = "with a formula"),
    entry("constants", "own", "single numbers that the formula names", absent = "with a formula"),
    entry("expert", "own", "names of `columns`, `contrasts` of factors, by name or as numbers"),
    entry("gate", "own", "the same of the gates"),
    entry("variables", "own", "of each its type and a typical value: mean and standard deviation, or levels and the most
      frequent")),
  parameters = entries(
    entry("beta", "matrix", "an array for every expert, or expert and class", c(p, K * parts)),
    entry("alpha", "matrix", "an array for every gate but the last", c(q, gates)),
    entry("dispersion", "numbers", "of every expert, 1 where the family has none", K, 0, strict = TRUE)),
  record = entries(
    entry("em_iterations", "count", "as in [moe-class]", absent = "left out"),
    entry("newton_iterations", "count", "as in [moe-class]", absent = "left out"),
    entry("halvings", "count", "as in [moe-class]", absent = "left out"),
    entry("reseeds", "count", "as in [moe-class]", absent = "left out"),
    entry("moves", "count", "of version 0.2 only", absent = "left out"),
    entry("hessians", "count", "as in [moe-class]", since = 1L, absent = "left out"),
    entry("promise", "number", "as in [moe-class]", gaps = TRUE, absent = "left out"),
    entry("passes", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("start_rows", "number", "of version 0.2 only", least = 0, gaps = TRUE, absent = "left out"),
    entry("gate_ridge", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("expert_ridge", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("lambda", "lambda", "as in [moe-class]", of = "lambda", absent = "left out"),
    entry("l1_share", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("variance_prior", "number", "as in [moe-class]; 0 if it is not there", least = 0, since = 1L,
      gaps = TRUE, absent = "left out"),
    entry("dispersion_floor", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("seconds", "number", "as in [moe-class]", least = 0, gaps = TRUE, absent = "left out"),
    entry("objective", "numbers", "as in [moe-class]", gaps = TRUE, absent = "left out"),
    entry("steps", "texts", "as in [moe-class]", most = 1e5, absent = "left out"),
    entry("converged", "flag", "as in [moe-class]", absent = "left out"),
    entry("stop", "text", "as in [moe-class]", absent = "left out"),
    entry("empty", "flags", "as in [moe-class]", K, absent = "left out"),
    entry("at_floor", "flags", "as in [moe-class]", K, absent = "left out"),
    entry("degenerate", "flags", "as in [moe-class]", K, since = 1L, absent = "left out"),
    entry("separated", "own", "as in [moe-class]", since = 1L, absent = "left out"),
    entry("separated_gates", "own", "as in [moe-class]", since = 1L, absent = "left out"),
    entry("starts", "object", "as in [moe-class]", of = "starts", absent = "left out"),
    entry("aliased", "own", "as in [moe-class]", absent = "left out")),
  starts = entries(
    entry("kind", "texts", "of every start", lines),
    entry("objective", "numbers", "first", lines, gaps = TRUE),
    entry("finished", "numbers", "at the end, or null", lines, gaps = TRUE)),
  lambda = entries(
    entry("expert", "number", "of the experts", least = 0),
    entry("gate", "number", "of the gates", least = 0)),
  information = entries(
    entry("rows", "rows", "number of rows behind it"),
    entry("weight", "weight", "sum of their weights"),
    entry("trials", "count", "the most trials that a row has, up to the next power of 2; left out where a response is
      one", least = 1, most = 2^30, since = 1L, absent = "left out"),
    entry("empty", "flags", "of every expert: has it lost its rows", K),
    entry("at_floor", "flags", "of every expert: is its variance at the floor", K),
    entry("scaling", "object", "standardisation of the columns", of = "scaling"),
    entry("curvature", "symmetric", "negative Hessian, from which [vcov()][vcov.moe] has standard errors", P)),
  scaling = entries(
    entry("x", "object", "of the experts' columns", of = "column_scaling"),
    entry("z", "object", "of the gates' columns", of = "column_scaling"),
    entry("y_centre", "number", "centre of y"),
    entry("y_scale", "number", "scale of y", least = 0, strict = TRUE),
    entry("y_residual", "number", "residual variance of one regression of standardised y", least = 0, strict = TRUE,
      most = 1, since = 1L, default = 1)),
  column_scaling = entries(
    entry("centre", "numbers", "of every column", size),
    entry("scale", "numbers", "of every column", size, 0, strict = TRUE),
    entry("intercept", "count", "place of the intercept, 0: none", most = size),
    entry("aliased", "flags", "is it a combination of other columns", size),
    entry("combination", "own", "of every aliased column: of which others (standardised)")),
  shared = entries(
    entry("x", "object", "summary of the variables", of = "shared_x", absent = "left out"),
    entry("moments", "object", "of columns by expert (Gaussian experts)", of = "shared_moments", absent = "left out"),
    entry("gates", "object", "sums for the gates", of = "shared_gates", absent = "left out")),
  shared_x = entries(
    entry("n", "weight", "sum of the weights"),
    entry("mean", "own", "by the names of variables"),
    entry("covariance", "own", "its lower triangle, by column"),
    entry("frequencies", "own", "of levels, by the names of variables")),
  shared_moments = entries(
    entry("mass", "numbers", "rows of every expert", K, 0),
    entry("factor", "matrix", "of every expert the upper triangle of R, R'R being sums of products of columns",
      c(p * (p + 1) / 2, K))),
  shared_gates = entries(
    entry("reference", "matrix", "the start's gates", c(q, start_gates)),
    entry("own", "matrix", "sums of columns weighted by the site's gates", c(q, K)),
    entry("expected", "matrix", "the same, weighted by the start's gates", c(q, start_gates + 1)),
    entry("curvature", "symmetric", "negative Hessian at the start's gates", q * start_gates)),
  rounds = entries(
    entry("number", "count", "exchanges made", least = 1),
    entry("settings", "object", "penalties and tolerance", of = "settings"),
    entry("scaling", "object", "the common standardisation", of = "scaling"),
    entry("sites", "object", "who takes part", of = "round_sites"),
    entry("tried", "object", "what sites are asked about next, of standardised columns", of = "parameters"),
    entry("stop", "text", "why it ended, or \"rounds\": go on", among = c("rounds", "newton", "small gain")),
    entry("state", "object", "the best model so far, for the centre only", of = "round_state", absent = "null"),
    entry("table", "object", "a row a round, as in [moe_refine()]", of = "round_table", absent = "null")),
  settings = entries(
    entry("gate_ridge", "number", "as in [moe_control()]", least = 0),
    entry("expert_ridge", "number", "as in [moe_control()]", least = 0),
    entry("lambda", "lambda", "as in [moe_control()]", of = "lambda"),
    entry("l1_share", "number", "as in [moe_control()]", least = 0, most = 1),
    entry("variance_prior", "number", "as in [moe_control()]", least = 0, since = 1L, default = 0),
    entry("dispersion_floor", "number", "as in [moe_control()]", least = 0),
    entry("tolerance", "number", "as in [moe_control()]", least = 0)),
  round_sites = entries(
    entry("site", "names", "their names", lines),
    entry("n", "numbers", "their rows", lines, 1, most_rows, whole = TRUE),
    entry("dropped", "numbers", "rows left out as incomplete", lines, 0, whole = TRUE)),
  round_state = entries(
    entry("model", "object", "its parameters, of standardised columns", of = "parameters"),
    entry("sums", "object", "all sites' sums there", of = "sums"),
    entry("halvings", "number", "how often the step was halved", least = 0, most = 1000, whole = TRUE),
    entry("accepted", "flag", "was the last step kept"),
    entry("change", "number", "largest change of a parameter by it", least = 0, absent = "null"),
    entry("newton_below", "number", "the largest promise at which Newton steps are taken")),
  round_table = entries(
    entry("round", "numbers", "its number", lines, 0, 1e6, whole = TRUE),
    entry("step", "texts", "its kind", lines, among = c("start", "EM", "Newton")),
    entry("accepted", "flags", "was it kept", lines),
    entry("objective", "numbers", "after it", lines, gaps = TRUE),
    entry("gradient", "numbers", "its norm", lines, gaps = TRUE),
    entry("change", "numbers", "largest of a parameter", lines, gaps = TRUE),
    entry("promise", "numbers", "of one more Newton step", lines, gaps = TRUE),
    entry("seconds", "numbers", "time", lines, gaps = TRUE)),
  moments = entries(
    entry("x_intercept", "count", "place of the intercept, 0: none", most = p),
    entry("z_intercept", "count", "the same of the gates", most = q),
    entry("n", "count", "number of rows"),
    entry("dropped", "count", "rows left out as incomplete"),
    entry("weight", "weight", "sum of the weights"),
    entry("mean_x", "vector", "means of the experts' columns", p),
    entry("mean_z", "vector", "means of the gates' columns", q),
    entry("centre_x", "vector", "these means, or 0 without an intercept", p),
    entry("centre_z", "vector", "the same of the gates", q),
    entry("gram_x", "gram", "sums of products about these centres", p),
    entry("gram_z", "gram", "the same of the gates", q),
    entry("cross_y", "vector", "sums of products of x and y (Gaussian experts)", p, since = 1L, absent = "null"),
    entry("mean_y", "number", "mean of y"),
    entry("centre_y", "number", "this mean, or 0 without an intercept"),
    entry("square_y", "number", "sum of squares about it", least = 0)),
  sums = entries(
    entry("rows", "rows", "number of rows"),
    entry("weight", "weight", "sum of their weights"),
    entry("log_lik", "number", "log-likelihood"),
    entry("score", "numbers", "its first derivatives, of standardised columns", P),
    entry("hessian", "matrix", "its second derivatives", c(P, P)),
    entry("mass", "numbers", "rows of every expert", K, 0),
    entry("expert_score", "matrix", "of an EM step, by expert and class", c(p, K * parts)),
    entry("expert_gram", "matrix", "weighted sums of products of columns, a triangle",
      c(K * parts * (parts + 1) / 2, p * (p + 1) / 2)),
    entry("deviation", "numbers", "squared errors of every expert", K, 0),
    entry("responses", "numbers", "responses of every expert, where a row or a group has several", K, 0, since = 1L,
      absent = "left out"),
    entry("gate_score", "matrix", "of an EM step of the gates", c(q, gates)),
    entry("gate_gram", "matrix", "the same of the gates' columns", c(gates * (gates + 1) / 2, q * (q + 1) / 2))))

# What masked sums need.
message_objects$masked <- entries(
  entry("among", "names", "the sites whose masks cancel"),
  entry("dropped", "count", "rows left out as incomplete"),
  entry("values", "texts", "numbers of 256 bits, each 64 hexadecimal digits, the least byte first", most = 1e5))
message_objects$recovery <- c(envelope_fields, entries(
  entry("request", "text", "checksum of the message whose answers lack", most = 64L),
  entry("among", "names", "the sites that were asked"),
  entry("missing", "names", "those whose answers lack")), signature_fields, checksum_field)
message_objects$seeds <- c(envelope_fields, entries(
  entry("request", "text", "checksum of the message whose answers lack", most = 64L),
  entry("shared", "object", "what this site shares with those that are missing", of = "shared_seeds")),
  signature_fields, checksum_field)
message_objects$shared_seeds <- entries(
  entry("site", "names", "their names"),
  entry("seed", "texts", "of this exchange, 64 hexadecimal digits each", lines))

# What rounds of a hierarchy need.
message_objects$prior <- entries(
  entry("number", "count", "exchanges made"),
  entry("tolerance", "number", "what a Newton step may promise at the largest value", least = 0),
  entry("scaling", "object", "the common standardisation", of = "scaling"),
  entry("mean", "numbers", "parameters of standardised columns, variances as logarithms", P),
  entry("root", "own", "a root of their covariance, by column"))
message_objects$maximum <- entries(
  entry("parameters", "numbers", "of standardised columns, variances as logarithms", P),
  entry("score", "numbers", "first derivatives of the log-likelihood there", P),
  entry("curvature", "symmetric", "its negative second derivatives", P),
  entry("mass", "numbers", "rows of every expert", K, 0),
  entry("rows", "rows", "number of rows"),
  entry("weight", "weight", "sum of their weights"),
  entry("dropped", "count", "rows left out as incomplete"),
  entry("log_lik", "number", "log-likelihood, with the prior on several experts' variances (see [moe_control()])"),
  entry("marginal", "number", "Laplace's approximation of its integral over the prior"))

# Tags of the help page, for roxygen2.
message_help <- function() {
  lines <- vapply(names(message_objects), function(name) {
    rows <- message_objects[[name]]
    words <- vapply(rows, function(f) paste0(gsub("\\s+", " ", f$words), field_note(f)), "")
    names <- paste0("`", names(rows), "`")
    # Neighbours of which the same is said are said together.
    run <- cumsum(c(TRUE, words[-1] != words[-length(words)]))
    said <- paste0(tapply(names, run, paste, collapse = ", "), ": ", words[!duplicated(run)])
    paste0("* **", name, "**: ", paste(said, collapse = "; "), ".")
  }, "")
  c("@section Fields:", "A message is a `model` or `statistics`, the answer of a site in a round (see",
    "[moe_statistics()]); the other objects stand within these. Of each field what it is, and unless it is always",
    "there since which version it is known and whether it may be missing.", "", lines)
}

field_note <- function(f) {
  notes <- c(if (!is.null(f$of) && f$of != f$name) paste0("an object **", f$of, "**"),
    if (f$since > 0) paste0("since 1.", f$since),
    if (f$since > 0 && f$absent != "left out") {
      paste("of earlier ones", if (is.null(f$default)) "not known" else f$default)
    },
    switch(f$absent, no = NULL, null = "or null", "left out" = "may be left out", f$absent))
  if (length(notes)) paste0(" (", paste(notes, collapse = "; "), ")") else ""
}
