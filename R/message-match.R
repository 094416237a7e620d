# A model under the design of another, by the names of columns and levels.

# list(model, note). Refuses (moe_bad_field) where names do not tell how.
match_design <- function(model, schema) {
  own <- model$schema
  if (identical(own, schema)) return(list(model = model, note = ""))
  check_same_meaning(own, schema)
  at <- list(x = match(schema$expert$columns, own$expert$columns),
    z = match(schema$gate$columns, own$gate$columns))
  flip <- has_classes(own) && !identical(own$labels, schema$labels)
  classes <- if (has_many_classes(own)) match(schema$labels[-1], own$labels[-1]) else 1L
  sign <- if (flip && !has_many_classes(own)) -1 else 1
  moved <- any(diff(at$x) < 0) || any(diff(at$z) < 0) || flip
  note <- c(if (any(diff(at$x) < 0) || any(diff(at$z) < 0)) "columns", if (flip) "levels of the response")
  for (v in names(schema$levels)) {
    if (!identical(own$levels[[v]], schema$levels[[v]])) note <- c(note, paste("levels of", v))
  }
  if (moved) model <- move_parameters(model, at, classes, sign)
  if (!is.null(model$shared$x)) model$shared$x <- move_x_summary(model$shared$x, schema)
  model$schema <- schema
  rownames(model$parameters$beta) <- schema$expert$columns
  rownames(model$parameters$alpha) <- schema$gate$columns
  colnames(model$parameters$beta) <- expert_columns(schema, model$K)
  list(model = model, note = if (length(note)) paste("put in order by name:", paste(note, collapse = ", ")) else "")
}

check_same_meaning <- function(own, schema) {
  differ <- function(field, a, b) {
    bad_field(field, "is ", words_of(a), " here and ", words_of(b), " there")
  }
  for (field in c("family", "kind", "response", "response_variables", "group")) {
    if (!identical(own[[field]], schema[[field]])) differ(paste0("design.", field), own[[field]], schema[[field]])
  }
  if (is.null(own$labels) != is.null(schema$labels) || !setequal(own$labels, schema$labels) ||
        has_many_classes(own) && own$labels[1] != schema$labels[1]) {
    differ("design.labels", own$labels, schema$labels)
  }
  if (own$kind == "formula") check_same_variables(own, schema, differ)
  for (part in c("expert", "gate")) {
    ours <- own[[part]]$columns
    theirs <- schema[[part]]$columns
    if (!setequal(ours, theirs)) {
      one_sided <- c(setdiff(ours, theirs), setdiff(theirs, ours))
      bad_field(paste0("design.", part, ".columns"), "differ: \"", shown_text(one_sided[1]),
        "\" is on one side only; factors may have another reference level")
    }
    if (!setequal(own[[part]]$offset, schema[[part]]$offset)) {
      differ("design.formula", own[[part]]$offset, schema[[part]]$offset)
    }
  }
}

words_of <- function(x) {
  if (!length(x)) "none" else shown_text(paste0("\"", x, "\"", collapse = ", "), 120)
}

check_same_variables <- function(own, schema, differ) {
  classes <- function(s) {
    out <- attr(s$frame, "dataClasses")
    out <- out[names(out) != "(weights)"]
    out[order(names(out))]
  }
  if (!identical(classes(own), classes(schema))) {
    differ("design.classes", paste(names(classes(own)), classes(own)), paste(names(classes(schema)), classes(schema)))
  }
  contrasts <- c(own$expert$contrasts, own$gate$contrasts)
  for (v in names(schema$levels)) {
    ours <- own$levels[[v]]
    theirs <- schema$levels[[v]]
    if (!setequal(ours, theirs)) differ(paste0("design.levels.", v), ours, theirs)
    # Those of a matrix have their rows by name.
    named <- unlist(Filter(is.character, contrasts[names(contrasts) == v]))
    if (!identical(ours, theirs) && !all(named %in% c("contr.treatment", "contr.SAS"))) {
      bad_field(paste0("design.levels.", v), "are in another order, and the contrasts ",
        named[1], " go by the order")
    }
  }
  in_order <- function(contrasts) {
    for (v in names(contrasts)) {
      if (is.matrix(contrasts[[v]])) contrasts[[v]] <- contrasts[[v]][schema$levels[[v]], , drop = FALSE]
    }
    contrasts
  }
  for (part in c("expert", "gate")) {
    ours <- in_order(own[[part]]$contrasts)
    theirs <- schema[[part]]$contrasts
    if (length(ours) && length(theirs) && !identical(ours[sort(names(ours))], theirs[sort(names(theirs))])) {
      differ(paste0("design.", part, ".contrasts"), unlist(ours), unlist(theirs))
    }
  }
  check_same_bases(own, schema)
}

check_same_bases <- function(own, schema) {
  calls <- function(s) {
    out <- as.list(attr(s$frame, "predvars"))[-1]
    names(out) <- vapply(as.list(attr(s$frame, "variables"))[-1], deparse_one, "")
    out
  }
  ours <- calls(own)
  theirs <- calls(schema)
  for (v in names(theirs)) {
    if (!identical(ours[[v]], theirs[[v]]) && deparse_one(ours[[v]]) != deparse_one(theirs[[v]])) {
      bad_field(paste0("design.bases.", v), "was made on other rows: such bases need one common start")
    }
  }
  names <- setdiff(unique(unlist(lapply(theirs, all.vars))), c(schema$needs, schema$response_variables))
  for (name in names) {
    value <- lapply(list(own, schema), function(s) get0(name, environment(s$frame)))
    if (!isTRUE(all.equal(value[[1]], value[[2]], tolerance = 0))) {
      bad_field(paste0("design.constants.", name), "has another value")
    }
  }
}

# ---- moving ----------------------------------------------------------------------------------

# `at`: where the common columns are among the model's own; `sign`: of the experts' coefficients.
move_parameters <- function(model, at, classes, sign) {
  K <- model$K
  parts <- length(classes)
  p <- model$parameters
  columns <- rep((seq_len(K) - 1L) * parts, each = parts) + rep(classes, K)
  number <- list(beta = matrix(seq_along(p$beta), nrow(p$beta)), alpha = matrix(seq_along(p$alpha), nrow(p$alpha)))
  from <- c(number$beta[at$x, columns], length(p$beta) + number$alpha[at$z, ],
    if (has_dispersion(model)) length(p$beta) + length(p$alpha) + seq_len(K))
  signs <- rep(c(sign, 1), c(length(p$beta), length(from) - length(p$beta)))
  model$parameters$beta <- sign * p$beta[at$x, columns, drop = FALSE]
  model$parameters$alpha <- p$alpha[at$z, , drop = FALSE]
  information <- model$information
  if (!is.null(information)) {
    for (m in intersect(c("curvature", "meat"), names(information))) {
      information[[m]] <- information[[m]][from, from] * outer(signs, signs)
    }
    for (part in c("x", "z")) {
      s <- information$scaling[[part]]
      to <- at[[part]]
      information$scaling[[part]] <- list(centre = s$centre[to], scale = s$scale[to],
        intercept = if (s$intercept > 0) match(s$intercept, to) else 0L, aliased = s$aliased[to],
        combination = s$combination[to, to, drop = FALSE])
    }
    model$information <- information
  }
  if (!is.null(model$shared$moments)) model$shared$moments <- move_moments(model$shared$moments, at$x)
  if (!is.null(model$shared$gates)) model$shared$gates <- move_gate_shares(model$shared$gates, at$z)
  model
}

# The factors are upper triangular: those of columns in another order are made anew. Without pivoting.
move_moments <- function(moments, to) {
  for (k in seq_along(moments$mass)) {
    f <- matrix(moments$factor[, , k], length(to))[, to, drop = FALSE]
    moments$factor[, , k] <- qr.R(qr(f, tol = -1))
  }
  moments
}

move_gate_shares <- function(shares, to) {
  for (part in c("reference", "own", "expected")) shares[[part]] <- shares[[part]][to, , drop = FALSE]
  from <- matrix(seq_len(nrow(shares$curvature)), length(to))[to, ]
  shares$curvature <- shares$curvature[from, from, drop = FALSE]
  shares
}

move_x_summary <- function(x, schema) {
  names <- intersect(names(schema$variables), names(x$mean))
  if (length(names)) {
    x$mean <- x$mean[names]
    x$covariance <- x$covariance[names, names, drop = FALSE]
  }
  names <- intersect(names(schema$variables), names(x$frequencies))
  x$frequencies <- lapply(stats::setNames(nm = names), function(v) {
    x$frequencies[[v]][variable_levels(schema$variables[[v]])]
  })
  x
}
