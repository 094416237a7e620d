# Who is in an aggregate, who is missing and why, and what share of the rows that is.

# `table`: of a moe_sites object; `used`: names of the sites that are in.
site_presence <- function(table, used) {
  is_in <- table$site %in% used
  known <- !is.na(table$n)
  share <- sum(table$n[is_in & known]) / max(1, sum(table$n[known]))
  out <- which(table$status != "fitted")
  # `message` is not there where the sites are models that somebody put together.
  why <- if (is.null(table$message)) rep("", nrow(table)) else vapply(table$message, shown_text, "", USE.NAMES = FALSE)
  rows <- ifelse(known, paste(vapply(table$n, format_big, ""), "rows"), "rows unknown")
  percent <- ifelse(known, sprintf(", %.2g %%", 100 * table$n / max(1, sum(table$n[known]))), "")
  missing <- paste0(shown_names(table$site), " (", table$status, ", ", rows, percent,
    ifelse(table$status != "skipped" & why != "", paste0(": ", why), ""), ")")[out]
  words <- paste0(format_big(sum(table$n[is_in & known])), " of ", format_big(sum(table$n[known])), " rows",
    if (share < 1) sprintf(" (%.3g %%)", 100 * share))
  unknown <- sum(!known)
  if (unknown) {
    words <- paste0(words, "; not counted: the rows of ", unknown, if (unknown == 1) " site" else " sites",
      " that did not tell")
  }
  list(used = sum(is_in), share = share, missing = missing, words = words)
}

check_floor <- function(table, used, min_sites, min_share) {
  if (is.null(min_sites) && is.null(min_share)) return(invisible())
  if (!is.null(min_sites)) min_sites <- check_count(min_sites, "min_sites")
  if (!is.null(min_share)) min_share <- check_number(min_share, "min_share", most = 1)
  presence <- site_presence(table, used)
  missing <- presence$missing
  screened <- setdiff(table$site[table$status == "fitted"], used)
  if (length(screened)) missing <- c(missing, paste0(shown_names(screened), " (screened)"))
  told <- c(x = if (length(missing)) "Missing: {missing}.",
    i = "Fit the missing sites (with {.arg cache} only they are fitted again), or lower the floor.")
  if (!is.null(min_sites) && presence$used < min_sites) {
    input_error("{presence$used} of {nrow(table)} site{?s} can be used, fewer than {.arg min_sites} =
      {min_sites}.", told)
  }
  if (!is.null(min_share) && presence$share < min_share) {
    input_error("The sites that can be used hold {presence$words}, less than {.arg min_share} =
      {min_share}.", told)
  }
}
