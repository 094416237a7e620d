# The command `hierarchy`: one population and a model for every site.

# Nothing is kept between calls: rounds are told again from the sites' answers.
cli_hierarchy <- function(o) {
  if (is.null(o$out) && is.null(o$models)) usage_error("Give --out, --models, or both")
  cli_choice(o, "covariance", c("diagonal", "expert"))
  cli_choice(o, "method", c("ML", "REML"))
  cli_choice(o, "new_site", setdiff(new_site_choices, "aggregate"))
  rounds <- cli_words(o$rounds)
  for (folder in c(o$messages, rounds)) {
    if (!dir.exists(folder)) input_error("There is no folder {.file {folder}}.")
  }
  if (!is.null(o$models)) check_models_folder(o)
  if (!is.null(o$registry) && length(rounds)) {
    usage_error("Signed answers of rounds are taken by moe_update() in R, one round after the other")
  }
  sites <- read_moe(o$messages, registry = o$registry, log = o$log)
  print_sites_table(sites)
  say_refused(sites)
  if (!length(sites$models)) input_error("No message of {.file {o$messages}} can be used.")
  # Who was refused has been said.
  h <- withCallingHandlers(moe_hierarchy(sites, cli_words(o$effects), o$covariance, o$method, o$new_site),
    moe_refused_warning = function(w) invokeRestart("muffleWarning"))
  h$call <- NULL
  for (folder in rounds) h <- moe_update(h, folder)
  cat("\n")
  print(summary(h))
  if (!is.null(o$out)) {
    cli_write(h, o$out, o, site = o$name)
    cat(if (isTRUE(h$refinement$converged)) "The rounds have converged: no further one is needed.\n"
        else "For a round send it to all sites: distmoe refine --model FILE --data ROWS --site NAME --out ANSWER\n")
  }
  if (!is.null(o$models)) write_site_models(h, o)
}

# Before anything is computed; names of sites are those of the messages.
check_models_folder <- function(o) {
  if (!dir.exists(o$models)) input_error("There is no folder {.file {o$models}}.")
  if (length(dir(o$models)) && !isTRUE(o$overwrite)) {
    input_error("The folder {.file {o$models}} is not empty.", i = "{.code overwrite = TRUE} replaces files in it.")
  }
}

write_site_models <- function(h, o) {
  sites <- h$hierarchy$table$site
  models <- lapply(stats::setNames(sites, sites), function(site) bare_site_model(h, site))
  limits <- Filter(Negate(is.null), o[c("min_rows", "min_expert_rows", "min_rows_per_parameter", "overwrite")])
  all <- structure(list(models = models, table = data.frame(site = sites)), class = "moe_sites")
  files <- do.call(write_moe, c(list(all, o$models, information = FALSE), limits))
  cat("Written: ", length(files), if (length(files) == 1) " model" else " models", " of sites to ", o$models, "\n",
    sep = "")
}

hierarchy_options <- function() {
  c(list(
    cli_option("messages", "FOLDER", "messages with information (fit --information), one a site"),
    cli_option("rounds", "FOLDERS", "the sites' answers of every round so far, by commas, in their order"),
    cli_option("effects", "WORDS", "what varies: all, experts, gates, intercepts, none, or names by commas [%default]",
      "all"),
    cli_option("covariance", "NAME", "diagonal or expert [%default]", "diagonal"),
    cli_option("method", "NAME", "ML or REML [%default]", "ML"),
    cli_option("new-site", "NAME", "what a new site gets: average, integrated or population [%default]", "average"),
    cli_option("name", "NAME", "name of the population [%default]", "population"),
    cli_option("out", "FILE", "population to write: what sites are asked about in the next round"),
    cli_option("models", "FOLDER", "an empty folder for every site's own model")), limit_options(),
    trust_options())
}
