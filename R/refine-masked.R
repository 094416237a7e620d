# Rounds of masked sums: what sites answer as rows of exact numbers, and back from their total.

# ---- numbers of twice a double's digits ----------------------------------------------------------

# Lists of `hi` and `lo`, arrays of one shape (Dekker 1971): hi the nearest double, lo what remains.
two_digits <- function(hi, lo = 0) {
  sum <- hi + lo
  list(hi = sum, lo = lo - (sum - hi))
}

split_digits <- function(a) {
  c <- 134217729 * a
  high <- c - (c - a)
  list(high = high, low = a - high)
}

exact_product <- function(a, b) {
  hi <- a * b
  x <- split_digits(a)
  y <- split_digits(b)
  list(hi = hi, lo = ((x$high * y$high - hi) + x$high * y$low + x$low * y$high) + x$low * y$low)
}

dd_times <- function(x, y) {
  p <- exact_product(x$hi, y$hi)
  two_digits(p$hi, p$lo + x$hi * y$lo + x$lo * y$hi)
}

dd_less <- function(x, y) {
  sum <- x$hi - y$hi
  back <- sum - x$hi
  two_digits(sum, (x$hi - (sum - back)) - (y$hi + back) + x$lo - y$lo)
}

dd_over <- function(x, y) {
  first <- x$hi / y$hi
  left <- dd_less(x, dd_times(y, list(hi = first, lo = 0)))
  two_digits(first, left$hi / y$hi)
}

dd_pick <- function(x, at) list(hi = x$hi[at], lo = x$lo[at])

# ---- moments: sums that add ------------------------------------------------------------------

# Those of a site are about its own centre c. About 0 they add, and of twice as many digits nothing is lost:
# sum w x x' = gram + W c c'.

moment_sizes <- function(p, q) {
  triangle <- function(n) n * (n + 1) / 2
  c(weight = 1, mean_x = p, mean_z = q, centre_x = p, centre_z = q, mean_y = 1, centre_y = 1, gram_x = triangle(p),
    gram_z = triangle(q), cross_y = p, square_y = 1)
}

lower_pairs <- function(n) {
  at <- which(lower.tri(matrix(0, n, n), TRUE), arr.ind = TRUE)
  list(row = at[, 1], column = at[, 2])
}

# A matrix: a number a row, as the sum of its columns.
moment_numbers <- function(m) {
  centred <- function(value, a, b) {
    wa <- exact_product(rep(m$weight, length(a)), a)
    p <- dd_times(wa, list(hi = b, lo = 0))
    cbind(value, p$hi, p$lo)
  }
  gram <- function(gram, centre) {
    at <- lower_pairs(length(centre))
    centred(gram[cbind(at$row, at$column)], centre[at$row], centre[at$column])
  }
  pieces <- list(weight = cbind(m$weight, 0, 0))
  for (name in c("mean_x", "mean_z", "centre_x", "centre_z", "mean_y", "centre_y")) {
    p <- exact_product(rep(m$weight, length(m[[name]])), m[[name]])
    pieces[[name]] <- cbind(0, p$hi, p$lo)
  }
  pieces$gram_x <- gram(m$gram_x, m$centre_x)
  pieces$gram_z <- gram(m$gram_z, m$centre_z)
  pieces$cross_y <- centred(m$cross_y, m$centre_x, rep(m$centre_y, length(m$centre_x)))
  pieces$square_y <- centred(m$square_y, m$centre_y, m$centre_y)
  unname(do.call(rbind, pieces))
}

# Moments of all rows together from the total of these numbers (hi and lo as columns).
total_moments <- function(total, p, q) {
  sizes <- moment_sizes(p, q)
  ends <- cumsum(sizes)
  piece <- function(name) {
    at <- seq_len(sizes[[name]]) + ends[[name]] - sizes[[name]]
    list(hi = total[at, 1], lo = total[at, 2])
  }
  weight <- piece("weight")
  means <- lapply(stats::setNames(nm = c("mean_x", "mean_z", "mean_y", "centre_x", "centre_z", "centre_y")),
    function(name) dd_over(piece(name), weight))
  about <- function(name, sum, centre) {
    left <- dd_less(piece(name), dd_times(sum, centre))
    left$hi + left$lo
  }
  gram <- function(name, centre) {
    n <- sizes[[centre]]
    at <- lower_pairs(n)
    v <- about(name, dd_pick(piece(centre), at$row), dd_pick(means[[centre]], at$column))
    out <- matrix(0, n, n)
    out[cbind(at$row, at$column)] <- v
    out[cbind(at$column, at$row)] <- v
    out
  }
  one <- rep(1, p)
  out <- lapply(means, function(m) m$hi + m$lo)
  c(list(weight = weight$hi), out[c("mean_x", "mean_z", "centre_x", "centre_z")],
    list(gram_x = gram("gram_x", "centre_x"), gram_z = gram("gram_z", "centre_z"),
      cross_y = about("cross_y", piece("centre_x"), dd_pick(means$centre_y, one))),
    out[c("mean_y", "centre_y")],
    list(square_y = max(0, about("square_y", piece("centre_y"), means$centre_y))))
}

# ---- sums at a model -------------------------------------------------------------------------

# Where a site's log-likelihood is not finite nothing of it is; that it is this site's is not told.
not_finite_mark <- 2^100

sum_numbers <- function(sums) {
  sums <- summed_fields(sums)
  v <- unlist(sums, use.names = FALSE)
  if (!all(is.finite(v))) {
    v[] <- 0
    v[match("log_lik", rep(names(sums), lengths(sums)))] <- -not_finite_mark
  }
  matrix(v)
}

# In one order. Where a site's rows have one response each, those of an expert are its rows.
summed_fields <- function(sums) {
  if (is.null(sums$responses)) sums$responses <- as.vector(sums$mass)
  sums[sort(names(sums), method = "radix")]
}

# `like`: sums of the same sizes.
total_sums <- function(total, like) {
  names <- names(like)
  like <- summed_fields(like)
  v <- total[, 1] + total[, 2]
  ends <- cumsum(lengths(like))
  out <- Map(function(x, end) {
    x[] <- v[seq_along(x) + end - length(x)]
    x
  }, like, ends)
  if (out$log_lik < -not_finite_mark / 2) out <- lapply(out, function(x) x - Inf)
  # All sites' rows have one.
  if (identical(as.vector(out$responses), as.vector(out$mass))) names <- setdiff(names, "responses")
  else names <- union(names, "responses")
  out[names]
}

# ---- in memory -------------------------------------------------------------------------------

# For one call: of every two sites a seed, by their numbers.
call_masks <- function(sites) {
  need_openssl()
  if (length(sites) < 2) {
    input_error("Masked sums need two sites or more: of one site the total is its own.")
  }
  numbers <- sprintf("%06d", seq_along(sites))
  seeds <- lapply(sites, function(site) list())
  for (i in seq_along(sites)) for (j in seq_len(i - 1)) {
    seeds[[i]][[numbers[j]]] <- seeds[[j]][[numbers[i]]] <- openssl::rand_bytes(32)
  }
  stats::setNames(Map(function(own, seeds) list(own = own, seeds = seeds), numbers, seeds), sites)
}

# One exchange in which sites send masked numbers. `numbers` makes them of what `work` gives. Gives the total, and of
# every site what is not masked.
masked_exchange <- function(sources, task, work, numbers, masks, exchange) {
  items <- Map(function(data, mask) list(data = data, mask = mask), sources, masks[names(sources)])
  task$masked <- list(numbers = numbers, exchange = exchange)
  answers <- at_sites(items, task, work, at_masked_site)
  list(total = unmasked_sum(lapply(answers, function(a) a$masked)), open = lapply(answers, function(a) a$open))
}

# What is masked has passed the site's policy.
at_masked_site <- function(item, task) {
  found <- at_site(item$data, task)
  if (inherits(found, "error")) found else tryCatch(masked_of_site(found, item$mask, task$masked), error = identity)
}

masked_of_site <- function(found, mask, masked) {
  open <- found[setdiff(names(found), "moments")]
  if (is.null(found$moments)) open <- list(rows = found$rows, like = lapply(found, function(v) v * 0))
  list(masked = masked_numbers(masked$numbers(found), mask$own, mask$seeds, masked$exchange), open = open)
}
