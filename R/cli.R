# The command line: how words become options, and how errors become words and an exit status. What the
# commands do is in cli-commands.R; nothing is computed here.

#' The command line
#'
#' For people who do not write R: a program `distmoe` with the commands `fit`, `inspect`, `aggregate`,
#' `refine`, `hierarchy` and `predict`, which read and write the messages of [moe_message] and files of rows, and
#' `keys`, `register`, `check`, `log` and `unmask` for signed exchange. It is installed with the package;
#' `moe_cli_path()` says where. It needs the package `optparse`.
#'
#' @section Commands:
#' Once, for a program that the shell finds by its name (where `~/bin` is among the folders of `PATH`):
#' \preformatted{
#' ln -s "$(Rscript -e 'cat(distmoe::moe_cli_path())')" ~/bin/distmoe
#' }
#' `distmoe COMMAND --help` lists a command's options. In short:
#' \preformatted{
#' # at the centre, on rows that may be shared: the common start
#' distmoe fit --data shared.csv --formula 'y ~ x1 + x2' --experts 3 --seed 1 --out pilot.json
#' # at every site
#' distmoe fit --data rows.csv --start pilot.json --site north --out north.json
#' distmoe inspect north.json
#' # at the centre, where the sites' messages are in one folder
#' distmoe aggregate --messages messages --support shared.csv --support-site hospital --out model.json
#' # one more round: at every site, then at the centre (the first one only brings the columns' means)
#' distmoe refine --model model.json --data rows.csv --site north --out round/north.json
#' distmoe refine --model model.json --messages round --out model-1.json
#' # where sites differ, from messages with information (fit --information): a population, rounds, a model a site
#' distmoe hierarchy --messages messages --out population.json
#' distmoe refine --model population.json --data rows.csv --site north --out round-1/north.json
#' distmoe hierarchy --messages messages --rounds round-1 --out population-1.json --models models
#' # anywhere
#' distmoe predict --model model.json --data new.csv --out predictions.csv
#' }
#' What `fit` gives is what [moe_sites()] gives for that one site, `aggregate` is [moe_aggregate()],
#' `refine` is [moe_statistics()] at a site and [moe_update()] at the centre, `hierarchy` is [moe_hierarchy()] and a
#' [moe_update()] for every round: it keeps nothing and is given the answers of all rounds each time. A file that is
#' there already is only replaced where `--overwrite` says so. Some starts of fits and aggregates are drawn at
#' random: `--seed` makes them the same again.
#'
#' What is written is held to the disclosure check and to the policies of the site ([moe_policy()]): those that the
#' environment variable `DISTMOE_POLICY` names, and `distmoe-policy.json` in the folder of `--data`. `--min-rows` and
#' the like, and `--no-check`, set other limits where there is no such file.
#'
#' @section Signed exchange:
#' With `--key` what is written is signed, with `--registry` only what members of the study's registry signed is
#' read (see [moe_signed]); the log beside the registry is kept by itself.
#' \preformatted{
#' # everybody, once: the public part goes to the centre
#' distmoe keys --key north.key
#' # at the centre: the registry, which goes to all
#' distmoe register --registry trial.json --key centre.key --study trial
#' distmoe register --registry trial.json --key centre.key --site north --public dm1-... --rows 1200
#' # at the site: is the registry the centre's? (the fingerprint by telephone)
#' distmoe check --registry trial.json --centre 3f2a-... pilot.json
#' distmoe fit --data rows.csv --start pilot.json --registry trial.json --key north.key --out north.json
#' # at the centre
#' distmoe aggregate --messages messages --registry trial.json --key centre.key --draw 1000 --out model.json
#' distmoe log --registry trial.json
#' }
#'
#' @section Files of rows:
#' Text files with a header line, or Parquet files (see [moe_source()]). Only the columns that the
#' formula names are looked at. In text, fields are separated by commas and numbers have decimal points,
#' unless `--sep` and `--dec` say otherwise; `NA` and empty fields are missing values, `--na` names
#' others. A column of text is a factor; `--text` names columns of numbers that are factors as well,
#' such as codes. With `--start` or `--model` columns have the types that the model knows.
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
  if (!length(arguments)) {
    cat(cli_overview(), sep = "\n", file = stderr())
    return(invisible(2L))
  }
  command <- arguments[1]
  words <- arguments[-1]
  if (command == "help" && length(words)) {
    command <- words[1]
    words <- "--help"
  }
  if (command %in% c("--help", "-h", "help")) {
    cat(cli_overview(), sep = "\n")
    return(invisible(0L))
  }
  if (command == "--version") {
    cat(format(utils::packageVersion("distmoe")), "\n", sep = "")
    return(invisible(0L))
  }
  commands <- cli_commands()
  if (!command %in% names(commands)) {
    say_error("There is no command \"", command, "\"", did_you_mean(command, names(commands)), ". Commands: ",
      paste(names(commands), collapse = ", "), ". See distmoe --help.")
    return(invisible(2L))
  }
  options <- cli_options(command, commands[[command]], words)
  if (is.null(options)) return(invisible(2L))
  if (isTRUE(options$help)) return(invisible(0L))
  invisible(cli_run(command, commands[[command]], options))
}

#' @rdname moe_cli
#' @export
moe_cli_path <- function() system.file("exec", "distmoe", package = "distmoe")

cli_overview <- function() {
  commands <- cli_commands()
  c("Usage: distmoe COMMAND [options]", "",
    "Mixtures of experts over data in many places: every place fits its own rows and sends its model,",
    "a text message; the models are aggregated.", "", "Commands:",
    sprintf("  %-10s %s", names(commands), vapply(commands, function(c) c$title, "")), "",
    "distmoe COMMAND --help lists the options of a command; distmoe --version tells the version.")
}

# The exit status of a command: warnings and errors go to standard error.
cli_run <- function(command, known, options) {
  old <- options(cli.condition_width = Inf, cli.unicode = FALSE, width = max(100L, getOption("width")))
  on.exit(options(old))
  names <- c("threads", gsub("-", "_", vapply(known$options(), function(o) o@dest, "")))
  words <- function(condition) in_cli_words(conditionMessage(condition), names)
  tryCatch({
    if (!is.null(options$threads)) {
      threads <- options(distmoe.threads = check_count(options$threads, "threads"))
      on.exit(options(threads), add = TRUE)
    }
    # Where rows are read whole they do not tell where they come from.
    beside <- if (!is.null(options$data)) file.path(unique(c(dirname(options$data), options$data)), policy_name)
    old_policy <- options(distmoe.policy = c(getOption("distmoe.policy"), Filter(file.exists, beside)))
    on.exit(options(old_policy), add = TRUE)
    if (!is.null(options$seed)) set.seed(check_count(options$seed, "seed", -.Machine$integer.max))
    check_out(options)
    withCallingHandlers(known$run(options), warning = function(w) {
      say_error("warning: ", words(w))
      invokeRestart("muffleWarning")
    })
    0L
  }, moe_usage_error = function(e) {
    say_error(conditionMessage(e), ". See distmoe ", command, " --help.")
    2L
  }, error = function(e) {
    # Whoever read the output (head, a pager) has closed it: nothing is wrong.
    if (grepl("SIGPIPE", conditionMessage(e))) return(0L)
    say_error(words(e))
    1L
  })
}

# A fit may take long: what would keep its result from being written is said before.
check_out <- function(options) {
  files <- unlist(options[c("out", "send")])
  for (file in files) {
    if (dir.exists(file)) input_error("{.file {file}} is a folder; a file is needed.")
    if (!dir.exists(dirname(file))) input_error("There is no folder {.file {dirname(file)}}.")
    if (file.exists(file) && !isTRUE(options$overwrite)) refuse_overwrite(file)
  }
  # The second would replace the first, and with it what the centre needs to go on.
  if (length(files) == 2 && anyDuplicated(file.path(normalizePath(dirname(files)), basename(files)))) {
    usage_error("--out and --send name the same file; the centre keeps one and sends the other")
  }
}

# ---- options ---------------------------------------------------------------------------------

# NULL where the words are not understood (that was said then). optparse only knows how to stop.
cli_options <- function(command, known, words) {
  options <- c(known$options(), list(cli_option("threads", "N", "most threads that work at a time [at most two]")))
  parser <- optparse::OptionParser(usage = paste("distmoe", command, known$usage),
    option_list = options, description = paste0("\n", known$title),
    epilogue = paste0("Example: ", known$example))
  if (any(words %in% c("--help", "-h"))) {
    optparse::print_help(parser)
    return(list(help = TRUE))
  }
  # A value of another type is only warned about.
  stop_here <- function(w) stop(conditionMessage(w), call. = FALSE)
  parsed <- tryCatch(withCallingHandlers(
    optparse::parse_args(parser, words, print_help_and_exit = FALSE, positional_arguments = TRUE,
      convert_hyphens_to_underscores = TRUE), warning = stop_here),
    error = function(e) parse_words(conditionMessage(e), options))
  problem <- if (is.character(parsed)) parsed else option_problem(parsed, known)
  if (!is.null(problem)) {
    say_error(problem, ". See distmoe ", command, " --help.")
    return(NULL)
  }
  c(parsed$options, list(files = parsed$args))
}

# What optparse and getopt say, in a person's words.
parse_words <- function(text, options) {
  text <- trimws(sub("^Error in [^\n]*: *\n?", "", text))
  flag <- regmatches(text, regexec("^flag \"(.*)\" requires an argument", text))[[1]]
  if (length(flag)) return(paste0("--", flag[2], " needs a value"))
  text <- sub("^double expected, got", "A number is needed, not", text)
  unknown <- regmatches(text, regexec("^no such option: (-.*)$", text))[[1]]
  if (!length(unknown)) return(text)
  known <- vapply(options, function(o) o@long_flag, "")
  near <- if (tolower(unknown[2]) == "--k") " (the number of experts is --experts)" else did_you_mean(unknown[2], known)
  paste0("There is no option ", unknown[2], near)
}

option_problem <- function(parsed, known) {
  given <- Filter(Negate(is.null), parsed$options)
  missing <- setdiff(known$needs, names(given))
  if (length(missing)) return(paste0("--", gsub("_", "-", missing[1]), " is missing"))
  empty <- names(given)[vapply(given, function(v) is.character(v) && !nzchar(trimws(v)), NA)]
  empty <- setdiff(empty, "na")
  if (length(empty)) return(paste0("--", gsub("_", "-", empty[1]), " is empty"))
  number <- names(given)[vapply(given, function(v) is.numeric(v) && is.na(v), NA)]
  if (length(number)) return(paste0("--", gsub("_", "-", number[1]), " must be a number"))
  if (length(parsed$args) && is.null(known$takes_files)) {
    return(paste0("\"", parsed$args[1], "\" is not understood"))
  }
  if (isTRUE(known$takes_files) && !length(parsed$args)) return("a file is missing")
}
