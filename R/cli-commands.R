# The commands of the command line: from options to the package's functions. Nothing is computed here.

# ---- what commands share -----------------------------------------------------------------------

# Parsed, but nothing of it is evaluated.
cli_formula <- function(text, option) {
  f <- tryCatch(str2lang(text), error = function(e) NULL)
  if (!is.call(f) || !identical(f[[1]], quote(`~`))) {
    usage_error("The text of --", option, " is no formula: \"", text, "\"; one is 'y ~ x1 + x2'")
  }
  f <- stats::as.formula(f, env = globalenv())
  # What can't be written to a message is refused before the fit.
  for (side in as.list(f)[-1]) formula_tree(side, globalenv())
  f
}

cli_choice <- function(o, name, choices) {
  for (word in cli_words(o[[name]])) {
    if (!word %in% choices) {
      usage_error("--", gsub("_", "-", name), " must be one of ", paste(choices, collapse = ", "), ", not ", word)
    }
  }
}

cli_model <- function(file, o) {
  model <- read_moe(file, registry = o$registry, log = o$log)
  if (!inherits(model, "moe")) input_error("{.file {file}} holds no model.")
  model
}

cli_write <- function(object, file, o, ...) {
  limits <- c("min_rows", "min_expert_rows", "min_rows_per_parameter", "overwrite", "key",
    if (!is.null(o$key)) c("registry", "log"))
  policy <- if (isTRUE(o$no_check)) list(policy = FALSE)
  do.call(write_moe, c(list(object, file, ...), policy, Filter(Negate(is.null), o[limits])))
  say_written(file, format_big(file.size(file)), "bytes")
  if (!grepl("[.]json$", file, ignore.case = TRUE)) {
    say_error("note: of a folder only files are read whose names end in .json")
  }
}

say_written <- function(file, size, unit) cat("Written: ", file, " (", size, " ", unit, ")\n", sep = "")

# A message as it is in its file, which has been read and so checked before.
cli_message <- function(file, found) {
  counts <- if (inherits(found, "moe")) model_counts(found) else found$counts
  text <- paste0(paste(readLines(file, warn = FALSE, encoding = "UTF-8"), collapse = "\n"), "\n")
  structure(list(tree = message_tree(file, file.size(file)), text = text, counts = counts, file = file),
    class = "moe_message")
}

# The reasons in full: the table has no room for them.
say_refused <- function(sites) {
  out <- sites$table[sites$table$status != "fitted", ]
  for (message in out$message) say_error("refused: ", message)
  nrow(out)
}

print_sites_table <- function(sites) {
  sites$table$message <- ""
  print(sites)
}

# Who signs does so by the name that the registry has.
cli_site <- function(o, name) if (is.null(o$key)) name else cli_member(o)$site

cli_member <- function(o) {
  if (is.null(o$registry)) usage_error("--key needs --registry, the study's registry")
  member <- own_member(read_secret(o$key), open_trust(o$registry, o$log)$registry, o$key)
  if (!is.null(o$site) && o$site != member$site) {
    usage_error("--site is \"", o$site, "\", and the registry's name for --key is \"", member$site, "\"")
  }
  member
}

trust_options <- function(key = TRUE, answers = FALSE) {
  c(list(cli_option("registry", "FILE", "registry of the study: only what its members signed is read")),
    if (key) list(cli_option("key", "FILE", "own secret file (distmoe keys): what is written is signed")),
    if (answers) list(cli_option("answers", "FILE", "message that sites answer [what the log has as sent last]")),
    list(cli_option("log", "FILE", "log of what was sent and received [beside the registry]")))
}

limit_options <- function() {
  list(cli_option("min-rows", "N", "disclosure check: fewest rows [50]"),
    cli_option("min-expert-rows", "N", "disclosure check: fewest rows behind an expert [10]"),
    cli_option("min-rows-per-parameter", "N", "disclosure check: fewest rows for each parameter [3]"),
    cli_option("no-check", NULL, "no disclosure check: the rows are not secret"), overwrite_option())
}

overwrite_option <- function() cli_option("overwrite", NULL, "replace files that are there already")

# ---- fit -------------------------------------------------------------------------------------

cli_fit <- function(o) {
  if (is.null(o$start) && (is.null(o$formula) || is.null(o$experts))) {
    usage_error("Without --start, --formula and --experts are needed")
  }
  cli_choice(o, "family", names(known_families))
  cli_choice(o, "share", c("x", "moments", "gates"))
  formula <- if (!is.null(o$formula)) cli_formula(o$formula, "formula")
  gating <- if (!is.null(o$gating)) cli_formula(o$gating, "gating")
  start <- if (!is.null(o$start)) cli_model(o$start, o)
  family <- if (!is.null(o$family)) known_families[[o$family]]$make()
            else if (is.null(start)) stats::gaussian() else start$family
  if (is.null(formula)) formula <- formula(start)
  if (is.null(gating)) gating <- start$schema$gating
  site <- cli_site(o, if (is.null(o$site)) sub("[.]json$", "", basename(o$out), ignore.case = TRUE) else o$site)
  rows <- cli_rows(o$data, o, fit_columns(formula, gating, start$schema, o$weights), start$schema)
  sites <- moe_sites(formula, stats::setNames(list(rows), site), K = o$experts, family = family, gating = gating,
    weights = o$weights, start = start, share = cli_words(o$share), information = o$information)
  row <- sites$table
  if (row$status != "fitted") input_error("{.file {o$data}}: {row$message}")
  if (row$message != "") say_error("note: ", row$message)
  print(sites$models[[1]])
  answers <- if (!is.null(o$key) && cli_member(o)$role == "site") start
  cli_write(sites$models[[1]], o$out, o, site = site, information = o$information, answers = answers)
}

# NULL: all, where a dot may stand for any.
fit_columns <- function(formula, gating, schema, weights) {
  if (!is.null(schema)) return(unique(c(schema$response_variables, schema$needs, weights)))
  names <- unique(unlist(lapply(c(formula, gating), all.vars)))
  if (!"." %in% names) unique(c(setdiff(names, "pi"), weights))
}

fit_options <- function() {
  c(list(
    cli_option("data", "FILE", "rows: a file, or a folder of files"),
    cli_option("formula", "TEXT", "response and experts' columns, such as 'y ~ x1 + x2' [that of --start]"),
    cli_option("gating", "TEXT", "gates' columns, such as '~ x1' [those of --formula]"),
    cli_option("experts", "N", "number of experts [that of --start]", short = "-K"),
    cli_option("family", "NAME", paste0(toString(names(known_families)), " [gaussian, or that of --start]")),
    cli_option("site", "NAME", "name of this site [that of the file --out]"),
    cli_option("start", "FILE", "message with a model: the common start of all sites"),
    cli_option("weights", "COLUMN", "case weights"),
    cli_option("share", "WORDS", "what is sent beside the model, by commas: x, moments, gates (see ?moe_sites)"),
    cli_option("information", NULL, "send the information matrix, for standard errors"),
    cli_option("seed", "N", "seed of the random starts"),
    cli_option("out", "FILE", "message to write; its name should end in .json")),
    limit_options(), trust_options(), row_options())
}

# ---- inspect ---------------------------------------------------------------------------------

cli_inspect <- function(o) {
  bad <- 0
  for (file in o$files) {
    cat(if (file != o$files[1]) "\n", shown_names(file), "\n", sep = "")
    found <- tryCatch(read_moe(file), moe_input_error = identity)
    if (inherits(found, "error")) {
      say_error(in_cli_words(conditionMessage(found), character()))
      bad <- bad + 1
    } else if (inherits(found, "moe_sites")) {
      print_sites_table(found)
      if (say_refused(found)) bad <- bad + 1
    } else if (inherits(found, c("moe_recovery", "moe_seeds"))) {
      print(found)
    } else {
      print(cli_message(file, found))
      if (o$coefficients && inherits(found, "moe")) {
        cat("\n")
        print(summary(found))
      }
    }
  }
  if (bad) input_error("{bad} of {length(o$files)} {?is/are} not in order.")
}

inspect_options <- function() {
  list(cli_option("coefficients", NULL, "also the model's coefficients, with standard errors where they were sent"))
}

# ---- aggregate -------------------------------------------------------------------------------

cli_aggregate <- function(o) {
  if (is.null(o$support) == is.null(o$draw)) {
    usage_error("Give --support (a file of points) or --draw (a number of points)")
  }
  cli_choice(o, "plan", c("component", "pointwise"))
  cli_choice(o, "method", c("reduction", "middle", "average"))
  cli_choice(o, "weights", c("site", "density", "size"))
  if (!dir.exists(o$messages)) input_error("There is no folder {.file {o$messages}}.")
  sites <- read_moe(o$messages, registry = o$registry, answers = o$answers, log = o$log)
  print_sites_table(sites)
  say_refused(sites)
  if (!length(sites$models)) input_error("No message of {.file {o$messages}} can be used.")
  arguments <- list(sites, cli_support(sites, o), K = o$experts, plan = o$plan, method = o$method,
    screen = !o$no_screen, min_sites = o$min_sites, min_share = o$min_share)
  if (!is.null(o$weights)) arguments$weights <- o$weights
  # Who was refused has been said.
  model <- withCallingHandlers(do.call(moe_aggregate, arguments),
    moe_refused_warning = function(w) invokeRestart("muffleWarning"))
  model$call <- NULL
  cat("\n")
  print(summary(model))
  cli_write(model, o$out, o, site = cli_site(o, o$name))
}

cli_support <- function(sites, o) {
  if (!is.null(o$draw)) return(moe_support(sites, n = check_count(o$draw, "draw")))
  schema <- sites$schema
  # All points are needed at once.
  o$memory_rows <- .Machine$integer.max
  points <- cli_rows(o$support, o, unique(c(schema$needs, o$support_site)), schema, schema$response_variables)
  moe_support(points, site = if (!is.null(o$support_site)) as.character(points[[o$support_site]]))
}

aggregate_options <- function() {
  c(list(
    cli_option("messages", "FOLDER", "messages, one a site"),
    cli_option("support", "FILE", "support points: rows that may be shared, or public ones"),
    cli_option("support-site", "COLUMN", "column of --support with each point's site"),
    cli_option("draw", "N", "draw this many points from the sites' summaries (fit --share x)"),
    cli_option("experts", "N", "number of experts [the sites']", short = "-K"),
    cli_option("method", "NAME", "reduction, middle or average [%default]", "reduction"),
    cli_option("plan", "NAME", "component or pointwise [%default]", "component"),
    cli_option("weights", "NAME", "site, density or size [by what is there]"),
    cli_option("no-screen", NULL, "keep sites whose models are far from the others'"),
    cli_option("min-sites", "N", "fewest sites that an aggregate is made of"),
    cli_option("min-share", "N", "least share of the rows (0 to 1) that an aggregate is made of"),
    cli_option("name", "NAME", "name of the aggregate [%default]", "aggregate"),
    cli_option("seed", "N", "seed of drawn points and starts"),
    cli_option("out", "FILE", "aggregate to write")),
    limit_options(), trust_options(answers = TRUE), row_options())
}

# ---- refine ----------------------------------------------------------------------------------

cli_refine <- function(o) {
  if (is.null(o$data) == is.null(o$messages)) usage_error("At a site give --data, at the centre --messages")
  if (!is.null(o$data)) {
    if (is.null(o$site) && is.null(o$key)) usage_error("--site, this site's name, is missing")
    if (!is.null(o$send)) usage_error("--send is for the centre")
  }
  model <- cli_model(o$model, o)
  if (!is.null(o$data)) {
    o$site <- cli_site(o, o$site)
    rows <- cli_rows(o$data, o, fit_columns(NULL, NULL, model$schema, o$weights), model$schema)
    if (o$masked && is.null(o$key)) usage_error("--masked needs --key and --registry")
    arguments <- list(model, rows, site = o$site, weights = o$weights, masked = o$masked)
    if (o$masked) arguments <- c(arguments, Filter(Negate(is.null), o[c("key", "registry", "log")]))
    statistics <- do.call(moe_statistics, arguments)
    cat("Answer of site \"", o$site, "\" in exchange ", statistics$round + 1, ", from ",
      format_big(statistics$counts$n), " rows; no row is in it. distmoe inspect shows what is.\n", sep = "")
    return(cli_write(statistics, o$out, o))
  }
  if (!dir.exists(o$messages)) input_error("There is no folder {.file {o$messages}}.")
  model <- moe_update(model, o$messages, registry = o$registry, answers = o$answers, log = o$log)
  print(if (is.null(model$refinement)) model else summary(model))
  say_next(model)
  site <- cli_site(o, o$name)
  cli_write(model, o$out, o, site = site, information = TRUE)
  # Two copies of one message are of one exchange.
  exchange <- if (!is.null(o$key)) sent_last(open_trust(o$registry, o$log))$exchange
  if (!is.null(o$send)) cli_write(model, o$send, o, site = site, state = FALSE, exchange = exchange)
}

say_next <- function(model) {
  r <- model$rounds
  cat("\nExchange ", r$number, " is done. ", if (isTRUE(model$record$converged)) {
    "The model has converged: no further exchange is needed.\n"
  } else if (r$number == 1) {
    "The coefficients are not changed yet: send the new file to the sites and ask again.\n"
  } else "To go on, send the new file to the sites and ask again.\n", sep = "")
}

refine_options <- function() {
  c(list(
    cli_option("model", "FILE", "message with the present model"),
    cli_option("data", "FILE", "at a site: its rows"),
    cli_option("site", "NAME", "at a site: its name, the same in every exchange"),
    cli_option("weights", "COLUMN", "at a site: case weights"),
    cli_option("masked", NULL, "at a site: masked sums, of which the centre sees the total alone"),
    cli_option("messages", "FOLDER", "at the centre: the sites' sums of this exchange, and no other files"),
    cli_option("name", "NAME", "at the centre: name of the model [%default]", "refined"),
    cli_option("out", "FILE", "file to write"),
    cli_option("send", "FILE", "at the centre: write also a copy without the sums of all sites, to be sent to them")),
    limit_options(), trust_options(answers = TRUE), row_options())
}

# ---- predict ---------------------------------------------------------------------------------

predict_types <- c("response", "expert", "gate", "posterior", "class", "label", "density", "quantile")

cli_predict <- function(o) {
  cli_choice(o, "type", predict_types)
  cli_choice(o, "interval", c("none", "prediction"))
  model <- cli_model(o$model, o)
  schema <- model$schema
  o$memory_rows <- .Machine$integer.max
  rows <- cli_rows(o$data, o, schema$needs, schema, schema$response_variables)
  arguments <- list(model, rows, type = o$type)
  if (o$interval != "none") arguments[c("interval", "level")] <- o[c("interval", "level")]
  out <- do.call(stats::predict, arguments)
  out <- if (is.matrix(out)) as.data.frame(out) else stats::setNames(data.frame(as.vector(out)), o$type)
  utils::write.csv(out, if (is.null(o$out)) stdout() else o$out, row.names = FALSE)
  if (is.null(o$out)) flush(stdout()) else say_written(o$out, format_big(nrow(out)), "rows")
}

predict_options <- function() {
  c(list(
    cli_option("model", "FILE", "message with a model"),
    cli_option("data", "FILE", "rows to predict for; predictions are in their order, NA where a row is incomplete"),
    cli_option("type", "NAME", paste0(paste(predict_types, collapse = ", "), " [%default]"), "response"),
    cli_option("interval", "NAME", "none or prediction [%default]", "none"),
    cli_option("level", "N", "level of the interval [%default]", 0.95),
    cli_option("out", "FILE", "CSV file to write [standard output]"), overwrite_option()),
    trust_options(FALSE), row_options())
}
