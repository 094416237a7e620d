# Rows of three sites without random numbers, the same wherever they are made.
old_rows <- function(family) {
  i <- seq_len(420)
  u <- (i * 0.618033988749895) %% 1
  v <- (i * 0.754877666246693) %% 1
  e <- stats::qnorm(((i * 0.569840290998053) %% 1) * 0.998 + 0.001)
  d <- data.frame(x = 2 * u - 1, g = factor(c("a", "b", "c")[1 + i %% 3]))
  one <- v < stats::plogis(2 * d$x)
  eta <- ifelse(one, 0.4 + 1.1 * d$x, -0.3 - 0.9 * d$x) + 0.3 * (d$g == "b")
  d$y <- switch(family,
    gaussian = ifelse(one, 3, 0) + eta + 0.5 * e,
    poisson = stats::qpois(stats::pnorm(e), exp(eta + ifelse(one, 1.5, 0))),
    binomial = factor(ifelse(stats::pnorm(e) < stats::plogis(1.5 * eta), "yes", "no"), c("no", "yes")),
    multinomial = factor(c("low", "mid", "top")[1 + (stats::pnorm(e) > 0.3 - 0.15 * eta) +
      (stats::pnorm(e) > 0.7 - 0.2 * eta)]))
  d$site <- rep(c("A", "B", "C"), c(120, 140, 160))
  d
}

old_families <- c("gaussian", "binomial", "poisson", "multinomial")
