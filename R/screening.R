# Sites whose models are in a poor mode, or nonsense: each is scored at support points, and what stands out
# is left out. One such model of sixteen can ruin a reduction.

screening_settings <- list(
  least_sites = 5,     # fewer say nothing of what is usual
  references = 12,     # models that each is compared with
  points = 300,        # points of a site (of all, where they carry no site) that are looked at
  z = 4,               # with y: standard errors by which others must be better
  spread = 5           # median absolute deviations by which a score must stand out
)

# Scores of all sites: data frame with site, score, outlying, or NULL with the reason as attribute-free
# text in `why`. Where the support holds y: by how much the usual other site's model explains the site's
# points better than its own, in log-likelihood a point. Else: T_c (9) to the usual other site's model.
score_sites <- function(models, points) {
  settings <- screening_settings
  count <- length(models)
  if (count < settings$least_sites) {
    return(list(why = paste0("not screened: fewer than ", settings$least_sites, " sites")))
  }
  with_y <- has_support_y(points, points$schema)
  rows <- some_rows(points, names(models), settings$points)
  design <- design_at(points, rows, with_y)
  refer <- evenly(count, settings$references + 1)
  asked <- asked_at(models, take_points(without_design(points), rows))
  compare <- if (with_y) compare_by_response(models, design, refer) else compare_by_transport(models, design)
  scores <- do.call(rbind, lapply(seq_len(count), function(m) {
    at <- asked(m)
    if (length(at$rows)) compare(m, setdiff(refer, m), at$rows, at$weight) else c(score = NA, z = NA)
  }))
  score <- scores[, "score"]
  usual <- stats::median(score, na.rm = TRUE)
  if (with_y) {
    far <- score > usual + settings$spread * stats::mad(score, na.rm = TRUE)
    out <- far & scores[, "z"] > settings$z & score > 0
  } else {
    size <- log(pmax(score, 1e-12))
    out <- score > 3 * usual &
      size > stats::median(size, na.rm = TRUE) + settings$spread * max(stats::mad(size, na.rm = TRUE), 0.1)
  }
  list(table = data.frame(site = names(models), score = unname(score),
    outlying = unname(out) %in% TRUE, stringsAsFactors = FALSE),
    by = if (with_y) "response" else "transport")
}

# The points that count in a site's score, and how much: its own points; where points carry no site those
# that look like its own, as its summary of x tells; without summaries all.
asked_at <- function(models, support) {
  if (!is.null(support$site)) {
    own <- split(seq_along(support$site), factor(support$site, names(models)))
    return(function(m) list(rows = own[[m]], weight = rep(1, length(own[[m]]))))
  }
  total <- nrow(support$x)
  if (any(vapply(models, function(m) is.null(m$shared$x), NA))) {
    return(function(m) list(rows = seq_len(total), weight = rep(1, total)))
  }
  weight <- density_weights(models, support$x)
  function(m) {
    rows <- which(weight[, m] > 1e-3 * max(weight[, m], 0))
    list(rows = rows, weight = weight[rows, m])
  }
}

# At most so many points of every site, spread evenly over them.
some_rows <- function(support, sites, most) {
  group <- if (is.null(support$site)) rep(1, nrow(support$x)) else factor(support$site, sites)
  rows <- split(seq_len(nrow(support$x)), group)
  unlist(lapply(rows, function(i) if (length(i)) i[evenly(length(i), most)] else i), use.names = FALSE)
}

# The site's own log-likelihood at its points against that of the median of the others.
compare_by_response <- function(models, design, refer) {
  threads <- moe_threads()
  seen <- lapply(models[refer], function(m) core_predict(design, core_model(m), "log_density", threads)[, 1])
  names(seen) <- refer
  function(m, others, rows, weight) {
    own <- core_predict(take_rows(design, rows), core_model(models[[m]]), "log_density", 1L)[, 1]
    weight <- weight / sum(weight)
    value <- vapply(as.character(others), function(j) sum(weight * seen[[j]][rows]), 0)
    usual <- as.character(others)[order(value)[(length(value) + 1) %/% 2]]
    gap <- seen[[usual]][rows] - own
    # A model that gives some points no density at all is as bad as can be.
    gap <- pmin(pmax(gap, -1e6), 1e6)
    score <- sum(weight * gap)
    c(score = score, z = score / sqrt(sum(weight^2 * (gap - score)^2) + 1e-300))
  }
}

compare_by_transport <- function(models, design) {
  function(m, others, rows, weight) {
    at <- take_rows(design, rows)
    at$weight <- weight
    from <- core_model(models[[m]])
    value <- vapply(others, function(j) cpp_divergence(from, core_model(models[[j]]), at, "exact")$value, 0)
    c(score = stats::median(value), z = NA)
  }
}

# The models that stay, and what is to be said about the others.
screen_sites <- function(models, points, screen) {
  if (!check_flag(screen, "screen")) return(list(models = models, screening = NULL))
  scored <- score_sites(models, points)
  if (is.null(scored$table)) return(list(models = models, screening = scored))
  out <- scored$table$outlying
  if (mean(out) > 0.5) {
    scored$table$outlying <- FALSE
    scored$why <- "more than half of the sites stand out: none was left out"
    out[] <- FALSE
  }
  left <- scored$table$site[out]
  if (length(left)) {
    cli::cli_warn(c("Site{?s} {.val {shown_names(left)}} {?was/were} left out: {?its/their} model{?s} {?is/are} far
      from the others'.", i = "Look at {.code $aggregation$screening}; {.code screen = FALSE} keeps all."))
  }
  list(models = models[!out], screening = scored)
}

# The models that an aggregate was made of: those that screening left in.
used_models <- function(object) {
  left <- object$aggregation$screening$table
  models <- object$sites$models
  if (is.null(left)) models else models[!names(models) %in% left$site[left$outlying]]
}
