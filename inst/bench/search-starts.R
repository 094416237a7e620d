# Random starts for search-best.R: labels 1..K, or responsibilities, of a case's rows.

# What starts are drawn from: standardised columns of x and of (x, y), and working responses.
start_frame <- function(case) {
  x <- stats::model.matrix(case$formula, case$rows)[, -1, drop = FALSE]
  y <- stats::model.response(stats::model.frame(case$formula, case$rows))
  if (is.factor(y) && nlevels(y) == 2) y <- as.numeric(y) - 1
  target <- if (is.factor(y)) stats::model.matrix(~ y)[, -1, drop = FALSE] else cbind(as.numeric(y))
  # Counts by the scale on which they are linear.
  if (case$family == "poisson") target <- log(target + 0.5)
  x <- scale(x)
  list(K = case$K, n = nrow(x), x = x, xy = cbind(x, scale(target)), y = scale(target),
    design = cbind(1, x))
}

# Random sizes, now even and now not.
random_sizes <- function(K) {
  share <- stats::rgamma(K, sample(c(0.5, 1, 3, 20), 1))
  pmax(share / sum(share), 0.01)
}

# Labels by cuts of a score at quantiles.
cut_score <- function(score, K) {
  share <- random_sizes(K)
  below <- cumsum(share / sum(share))[-K]
  1L + findInterval(rank(score, ties.method = "random") / length(score), below)
}

start_partition <- function(f) sample(f$K, f$n, TRUE, random_sizes(f$K))

random_direction <- function(columns) drop(columns %*% stats::rnorm(ncol(columns)))
start_direction <- function(f) cut_score(random_direction(f$x), f$K)
start_direction_y <- function(f) cut_score(random_direction(f$xy), f$K)

# A tree of K leaves: a random leaf is cut at a random place of a random column, until there are K.
start_tree <- function(f) {
  columns <- if (stats::runif(1) < 0.5) f$x else f$xy
  label <- rep(1L, f$n)
  for (k in seq_len(f$K)[-1]) {
    leaf <- which(label == sample(k - 1L, 1))
    if (length(leaf) < 2) next
    value <- columns[leaf, sample(ncol(columns), 1)]
    label[leaf[value > value[sample(length(leaf), 1)]]] <- k
  }
  label
}

# The rows go to the regression, of a few random rows, that is nearest to them.
by_residuals <- function(f, subsets) {
  residuals <- vapply(subsets, function(rows) {
    coefficients <- qr.coef(qr(f$design[rows, , drop = FALSE]), f$y[rows, , drop = FALSE])
    coefficients[is.na(coefficients)] <- 0
    rowSums((f$y - f$design %*% coefficients)^2)
  }, numeric(f$n))
  max.col(-residuals, "random")
}
start_subsets <- function(f) {
  size <- min(f$n, ncol(f$design) + sample(c(1, 2, 5, 10), 1))
  by_residuals(f, lapply(seq_len(f$K), function(k) sample(f$n, size)))
}
neighbours <- function(columns, size) {
  centre <- columns[sample(nrow(columns), 1), ]
  order(rowSums(sweep(columns, 2, centre)^2))[seq_len(size)]
}
start_neighbourhoods <- function(f) {
  columns <- if (stats::runif(1) < 0.5) f$x else f$xy
  size <- min(f$n, ncol(f$design) + sample(c(1, 3, 10, max(10, f$n %/% (2 * f$K))), 1))
  by_residuals(f, lapply(seq_len(f$K), function(k) neighbours(columns, size)))
}
# Nearest of K random rows.
start_centres <- function(f) {
  columns <- if (stats::runif(1) < 0.5) f$x else f$xy
  columns <- sweep(columns, 2, stats::rexp(ncol(columns)), "*")
  centres <- columns[sample(f$n, f$K), , drop = FALSE]
  distance <- vapply(seq_len(f$K), function(k) rowSums(sweep(columns, 2, centres[k, ])^2), numeric(f$n))
  max.col(-distance, "random")
}

# ---- changes of an end ------------------------------------------------------------------------

# Rows of an expert go to the others, by their responsibilities; another expert is split.
change_split <- function(f, posterior) {
  K <- f$K
  drop <- sample(K, 1)
  left <- posterior
  left[, drop] <- 0
  label <- max.col(left + 1e-12 * (col(left) != drop), "random")
  rows <- which(label == sample(setdiff(seq_len(K), drop), 1))
  if (length(rows) < 4) return(label)
  columns <- if (stats::runif(1) < 0.5) f$x else f$xy
  score <- switch(sample(3, 1), random_direction(columns[rows, , drop = FALSE]), stats::rnorm(length(rows)),
    abs(stats::lm.fit(f$design[rows, , drop = FALSE], f$y[rows, 1])$residuals))
  label[rows[score > stats::quantile(score, stats::runif(1, 0.2, 0.8))]] <- drop
  label
}

# An expert is grown anew on the rows nearest to a regression of few rows.
change_grow <- function(f, posterior) {
  label <- max.col(posterior, "random")
  new <- sample(f$K, 1)
  left <- posterior
  left[, new] <- 0
  label[label == new] <- max.col(left, "random")[label == new]
  size <- min(f$n, ncol(f$design) + sample(c(1, 3, 8), 1))
  rows <- if (stats::runif(1) < 0.5) sample(f$n, size) else neighbours(f$xy, size)
  fit <- stats::lm.fit(f$design[rows, , drop = FALSE], f$y[rows, 1])
  coefficients <- fit$coefficients
  coefficients[is.na(coefficients)] <- 0
  distance <- abs(f$y[, 1] - drop(f$design %*% coefficients))
  label[distance < stats::quantile(distance, stats::runif(1, 0.05, 0.5))] <- new
  label
}

change_shuffle <- function(f, posterior) {
  label <- max.col(posterior, "random")
  rows <- if (stats::runif(1) < 0.5) sample(f$n, ceiling(f$n * stats::runif(1, 0.05, 0.5)))
          else neighbours(f$xy, ceiling(f$n * stats::runif(1, 0.05, 0.4)))
  label[rows] <- if (stats::runif(1) < 0.5) sample(f$K, 1) else sample(f$K, length(rows), TRUE)
  label
}

# Some experts of one end, the rest of another.
change_cross <- function(f, posterior, other) {
  a <- max.col(posterior, "random")
  b <- max.col(other, "random")
  b <- sample(f$K)[b]
  taken <- a %in% sample(f$K, sample(f$K - 1, 1))
  ifelse(taken, a, b)
}

# ---- a start ----------------------------------------------------------------------------------

start_kinds <- list(start_partition, start_direction, start_direction_y, start_tree, start_subsets,
  start_neighbourhoods, start_centres)

# A new start, or a change of one of the best ends. Some experts may be given few rows or none: then the
# rows are dealt out again.
draw_start <- function(f, ends) {
  for (attempt in 1:20) {
    label <- draw_labels(f, ends)
    if (min(tabulate(label, f$K)) > 1) break
  }
  if (attempt == 20) label <- sample(rep_len(seq_len(f$K), f$n))
  if (stats::runif(1) < 0.7) return(label)
  # Half-hearted responsibilities: a start nearer to the middle.
  soft <- matrix(stats::runif(1, 0.05, 0.4), f$n, f$K)
  soft[cbind(seq_len(f$n), label)] <- 1
  soft
}

draw_labels <- function(f, ends) {
  if (!length(ends) || stats::runif(1) < 0.5) return(sample(start_kinds, 1)[[1]](f))
  # Ends come best first; better ones are taken more often.
  one <- min(length(ends), 1 + stats::rgeom(1, 0.3))
  posterior <- ends[[one]]$posterior
  switch(sample(4, 1), change_split(f, posterior), change_grow(f, posterior), change_shuffle(f, posterior),
    change_cross(f, posterior, ends[[sample(length(ends), 1)]]$posterior))
}
