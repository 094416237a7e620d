# The command line: words to options, options to the package's functions. Nothing is computed here.

#' The command line
#'
#' For people who do not write R: a program `distmoe` with the commands `fit`, `inspect`, `aggregate`,
#' `refine` and `predict`, which read and write the messages of [moe_message] and files of rows. It is
#' installed with the package; `moe_cli_path()` says where. It needs the package `optparse`.
#'
#' @section Commands:
#' `distmoe COMMAND --help` lists a command's options. In short:
#' \preformatted{
#' # at the centre, on rows that may be shared: the common start
#' distmoe fit --data shared.csv --formula "y ~ x1 + x2" --experts 3 --seed 1 --out pilot.json
#' # at every site
#' distmoe fit --data rows.csv --start pilot.json --site north --out messages/north.json
#' distmoe inspect messages/north.json
#' # at the centre
#' distmoe aggregate --messages messages --support shared.csv --support-site hospital --out model.json
#' # one more round: at every site, then at the centre (the first one only brings the columns' means)
#' distmoe refine --model model.json --data rows.csv --site north --out round/north.json
#' distmoe refine --model model.json --messages round --out model-1.json
#' # anywhere
#' distmoe predict --model model.json --data new.csv --out predictions.csv
#' }
#' Rows are read from text files with a header line or from Parquet files (see [moe_source()]). What
#' `fit` gives is what [moe_sites()] gives for that one site, `aggregate` is [moe_aggregate()], `refine` is
#' [moe_statistics()] at a site and [moe_update()] at the centre.
#'
#' @section Exit status:
#' 0: done. 1: refused, or failed; the reason is on the standard error, and no file is written. 2: the
#' words of the command line are not understood.
#'
#' @param arguments Character: the words after the program's name.
#' @return `moe_cli()`: the exit status, a whole number, invisibly. It prints to standard output what
#'   was asked for, and to standard error what went wrong. `moe_cli_path()`: the path of the program.
#' @examples
#' moe_cli_path()
#' moe_cli("--help")
#' @export
moe_cli <- function(arguments = commandArgs(trailingOnly = TRUE)) {
  if (!requireNamespace("optparse", quietly = TRUE)) {
    say_error("The command line needs the package optparse: install.packages(\"optparse\").")
    return(invisible(1L))
  }
  command <- if (length(arguments)) arguments[1] else "--help"
  if (command %in% c("--help", "-h", "help")) {
    cat(cli_overview(), sep = "\n")
    return(invisible(0L))
  }
  if (command == "--version") {
    cat(format(utils::packageVersion("distmoe")), "\n", sep = "")
    return(invisible(0L))
  }
  if (!command %in% names(cli_commands)) {
    say_error("There is no command \"", command, "\". Commands: ",
      paste(names(cli_commands), collapse = ", "), ". See distmoe --help.")
    return(invisible(2L))
  }
  options <- cli_options(command, arguments[-1])
  if (is.null(options)) return(invisible(2L))
  if (isTRUE(options$help)) return(invisible(0L))
  invisible(cli_run(cli_commands[[command]]$run, options))
}

#' @rdname moe_cli
#' @export
moe_cli_path <- function() system.file("exec", "distmoe", package = "distmoe")

say_error <- function(...) cat(paste0("distmoe: ", ..., "\n"), file = stderr())

cli_overview <- function() {
  c("Usage: distmoe COMMAND [options]", "",
    "Mixtures of experts over data in many places: every place fits its own rows and sends its model,",
    "a text message; the models are aggregated.", "", "Commands:",
    sprintf("  %-10s %s", names(cli_commands), vapply(cli_commands, function(c) c$title, "")), "",
    "distmoe COMMAND --help lists the options of a command; distmoe --version tells the version.")
}

# The exit status of a command: warnings and errors go to standard error.
cli_run <- function(run, options) {
  if (!is.null(options$threads)) options(distmoe.threads = options$threads)
  if (!is.null(options$seed)) set.seed(options$seed)
  tryCatch({
    withCallingHandlers(run(options), warning = function(w) {
      say_error("warning: ", cli::ansi_strip(conditionMessage(w)))
      invokeRestart("muffleWarning")
    })
    0L
  }, error = function(e) {
    say_error(cli::ansi_strip(conditionMessage(e)))
    1L
  })
}

# ---- options ---------------------------------------------------------------------------------

cli_option <- function(name, type, help, default = NULL) {
  optparse::make_option(paste0("--", name), type = type, default = default, help = help,
    metavar = toupper(sub(".*-", "", name)))
}

# NULL where the words are not understood (that was said then). optparse only knows how to stop.
cli_options <- function(command, words) {
  known <- cli_commands[[command]]
  options <- c(known$options(), list(
    cli_option("threads", "integer", "most threads that work at a time [package default]")))
  parser <- optparse::OptionParser(usage = paste("distmoe", command, known$usage),
    option_list = options, description = known$title)
  if (any(words %in% c("--help", "-h"))) {
    optparse::print_help(parser)
    return(list(help = TRUE))
  }
  # A value of another type is only warned about.
  quiet <- function(w) stop(conditionMessage(w), call. = FALSE)
  parsed <- tryCatch(withCallingHandlers(
    optparse::parse_args(parser, words, print_help_and_exit = FALSE, positional_arguments = TRUE,
      convert_hyphens_to_underscores = TRUE), warning = quiet),
    error = function(e) conditionMessage(e))
  problem <- if (is.character(parsed)) parsed else option_problem(parsed, known)
  if (!is.null(problem)) {
    say_error(problem, ". See distmoe ", command, " --help.")
    return(NULL)
  }
  c(parsed$options, list(files = parsed$args))
}

option_problem <- function(parsed, known) {
  missing <- setdiff(known$needs, names(Filter(Negate(is.null), parsed$options)))
  if (length(missing)) return(paste0("--", gsub("_", "-", missing[1]), " is missing"))
  if (length(parsed$args) && !isTRUE(known$takes_files)) {
    return(paste0("\"", parsed$args[1], "\" is not understood"))
  }
  if (isTRUE(known$takes_files) && !length(parsed$args)) return("a file is missing")
}

# ---- what commands share -----------------------------------------------------------------------

cli_formula <- function(text, option) {
  tryCatch(stats::as.formula(text, env = globalenv()), error = function(e) {
    input_error("The text of --{option} is no formula: {.val {text}}.")
  })
}

cli_family <- function(name) {
  if (!name %in% names(known_families)) {
    input_error("--family must be one of {.or {.val {names(known_families)}}}, not {.val {name}}.")
  }
  known_families[[name]]$make()
}

cli_words <- function(text) if (!is.null(text)) trimws(strsplit(text, ",", fixed = TRUE)[[1]])

cli_model <- function(file) {
  model <- read_moe(file)
  if (!inherits(model, "moe")) input_error("{.file {file}} holds no model.")
  model
}

cli_write <- function(object, file, options, ...) {
  limits <- c("min_rows", "min_expert_rows", "min_rows_per_parameter")
  given <- options[intersect(limits, names(options))]
  do.call(write_moe, c(list(object, file, ...), Filter(Negate(is.null), given)))
  cat("Written: ", file, " (", format_big(file.size(file)), " bytes)\n", sep = "")
}

limit_options <- function() {
  list(cli_option("min-rows", "double", "fewest rows behind a message [default of write_moe()]"),
    cli_option("min-expert-rows", "double", "fewest rows behind an expert [default of write_moe()]"),
    cli_option("min-rows-per-parameter", "double", "fewest rows a parameter [default of write_moe()]"))
}

# ---- commands --------------------------------------------------------------------------------

cli_fit <- function(o) {
  start <- if (!is.null(o$start)) cli_model(o$start)
  if (is.null(start) && (is.null(o$formula) || is.null(o$experts))) {
    input_error("Without --start, --formula and --experts are needed.")
  }
  formula <- if (is.null(o$formula)) formula(start) else cli_formula(o$formula, "formula")
  gating <- if (!is.null(o$gating)) cli_formula(o$gating, "gating") else start$schema$gating
  family <- if (is.null(start) || !is.null(o$family)) {
    cli_family(if (is.null(o$family)) "gaussian" else o$family)
  } else start$family
  sources <- stats::setNames(list(moe_source(o$data)), o$site)
  sites <- moe_sites(formula, sources, K = o$experts, family = family, gating = gating,
    weights = o$weights, start = start, share = cli_words(o$share), information = isTRUE(o$information))
  row <- sites$table
  if (row$status != "fitted") input_error("{.file {o$data}}: {row$message}")
  if (row$message != "") say_error("note: ", row$message)
  print(sites$models[[1]])
  cli_write(sites$models[[1]], o$out, o, site = o$site)
}

cli_inspect <- function(o) {
  bad <- 0
  for (file in o$files) {
    cat(if (file != o$files[1]) "\n", file, "\n", sep = "")
    found <- tryCatch(read_moe(file), moe_input_error = function(e) {
      say_error(cli::ansi_strip(conditionMessage(e)))
      bad <<- bad + 1
    })
    if (!is.numeric(found)) print(if (inherits(found, "moe")) moe_message(found) else found)
  }
  if (bad) input_error("{bad} of {length(o$files)} file{?s} {?was/were} refused.")
}

cli_aggregate <- function(o) {
  sites <- read_moe(o$messages)
  if (!inherits(sites, "moe_sites")) input_error("--messages must be a folder of models.")
  print(sites)
  if (is.null(o$support) == is.null(o$draw)) {
    input_error("Give --support (a file of points) or --draw (a number of points).")
  }
  support <- if (!is.null(o$draw)) moe_support(sites, n = o$draw) else {
    points <- source_read(moe_source(o$support))
    column <- o$support_site
    if (!is.null(column) && !column %in% names(points)) {
      input_error("{.file {o$support}} has no column {.val {column}} of sites.")
    }
    moe_support(points, site = if (!is.null(column)) as.character(points[[column]]))
  }
  arguments <- list(sites, support, K = o$experts, plan = o$plan, method = o$method)
  if (!is.null(o$weights)) arguments$weights <- o$weights
  model <- do.call(moe_aggregate, arguments)
  model$call <- NULL
  print(model)
  cli_write(model, o$out, o, site = o$name)
}

cli_refine <- function(o) {
  if (is.null(o$data) == is.null(o$messages)) {
    input_error("At a site give --data, at the centre --messages.")
  }
  model <- cli_model(o$model)
  if (!is.null(o$data)) {
    if (is.null(o$site)) input_error("--site, this site's name, is missing.")
    statistics <- moe_statistics(model, source_read(moe_source(o$data)), site = o$site, weights = o$weights)
    print(statistics)
    return(cli_write(statistics, o$out, o))
  }
  model <- moe_update(model, o$messages)
  print(model)
  cli_write(model, o$out, o, site = o$name)
}

cli_predict <- function(o) {
  model <- cli_model(o$model)
  data <- source_read(moe_source(o$data))
  arguments <- list(model, data, type = o$type)
  if (o$interval != "none") arguments[c("interval", "level")] <- o[c("interval", "level")]
  out <- do.call(stats::predict, arguments)
  out <- if (is.matrix(out)) as.data.frame(out) else stats::setNames(data.frame(as.vector(out)), o$type)
  utils::write.csv(out, if (is.null(o$out)) stdout() else o$out, row.names = FALSE)
  if (!is.null(o$out)) cat("Written: ", o$out, " (", format_big(nrow(out)), " rows)\n", sep = "")
}

cli_commands <- list(
  fit = list(run = cli_fit, usage = "--data FILE --formula TEXT --experts K --out FILE",
    title = "Fit a model to the rows of one site and write its message.",
    needs = c("data", "out"), options = function() c(list(
      cli_option("data", "character", "file or folder of rows: text with a header line, or Parquet"),
      cli_option("formula", "character", "response and experts' columns: \"y ~ x1 + x2\" [that of --start]"),
      cli_option("gating", "character", "gates' columns: \"~ x1\" [those of the formula]"),
      cli_option("experts", "integer", "number of experts [that of --start]"),
      cli_option("family", "character", "gaussian, binomial, poisson or multinomial [gaussian, or that of --start]"),
      cli_option("site", "character", "name of this site [%default]", "site"),
      cli_option("start", "character", "message with a model: the common start of all sites"),
      cli_option("weights", "character", "column of case weights"),
      cli_option("share", "character", "what else is sent, by commas: x, moments (see ?moe_sites)"),
      optparse::make_option("--information", action = "store_true", default = FALSE,
        help = "send the information matrix, for standard errors"),
      cli_option("seed", "integer", "seed of the random starts"),
      cli_option("out", "character", "file of the message")), limit_options())),
  inspect = list(run = cli_inspect, usage = "FILE ...", takes_files = TRUE,
    title = "Check messages and show what they hold.", options = function() list()),
  aggregate = list(run = cli_aggregate, usage = "--messages FOLDER --support FILE --out FILE",
    title = "Aggregate the models of a folder of messages into one.",
    needs = c("messages", "out"), options = function() c(list(
      cli_option("messages", "character", "folder of messages, one a site"),
      cli_option("support", "character", "file of support points"),
      cli_option("support-site", "character", "column of --support with each point's site"),
      cli_option("draw", "integer", "draw this many points from the sites' summaries (fit --share x)"),
      cli_option("experts", "integer", "number of experts [the sites']"),
      cli_option("method", "character", "reduction, middle or average [%default]", "reduction"),
      cli_option("plan", "character", "component or pointwise [%default]", "component"),
      cli_option("weights", "character", "site, density or size [by what is there]"),
      cli_option("name", "character", "name of the aggregate [%default]", "aggregate"),
      cli_option("seed", "integer", "seed of drawn points and starts"),
      cli_option("out", "character", "file of the aggregate")), limit_options())),
  refine = list(run = cli_refine, usage = "--model FILE (--data FILE --site NAME | --messages FOLDER) --out FILE",
    title = "A round between sites: sums at a site (--data), or the next model at the centre (--messages).",
    needs = c("model", "out"), options = function() c(list(
      cli_option("model", "character", "message with the present model"),
      cli_option("data", "character", "at a site: its rows"),
      cli_option("site", "character", "at a site: its name"),
      cli_option("weights", "character", "at a site: column of case weights"),
      cli_option("messages", "character", "at the centre: folder of the sites' sums"),
      cli_option("name", "character", "at the centre: name of the model [%default]", "refined"),
      cli_option("out", "character", "file to write")), limit_options())),
  predict = list(run = cli_predict, usage = "--model FILE --data FILE [--out FILE]",
    title = "Predict for the rows of a file; CSV.",
    needs = c("model", "data"), options = function() list(
      cli_option("model", "character", "message with a model"),
      cli_option("data", "character", "file of rows"),
      cli_option("type", "character", "response, expert, gate, posterior, class, ... (see ?predict.moe) [%default]",
        "response"),
      cli_option("interval", "character", "none or prediction [%default]", "none"),
      cli_option("level", "double", "level of the interval [%default]", 0.95),
      cli_option("out", "character", "file to write [standard output]"))))
