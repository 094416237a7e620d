# Predictions of every type against one EM pass over the same rows, and the exact transport divergence.
#
#   Rscript predict.R [quick] [rows, 1e6] [points of the divergence, 2e5]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 1e6, 2e4)
points <- size(2, 2e5, 4e3)
K <- 4
header(paste0("predict: ", count(n), " rows, and transport over ", count(points), " points; K = 4, d = 20"))

s <- paper_design(n, K)
some <- seq_len(min(n, 20000))
set.seed(1)
fits <- list("data frame" = moe(y ~ ., s$data[some, ], K = K, keep = FALSE),
  matrix = moe(s$x[some, ], s$y[some], K = K, keep = FALSE))
types <- c("response", "expert", "gate", "posterior", "class", "density")
needs_y <- types %in% c("posterior", "class", "density")
design <- core_design(s$x, s$y)

tasks <- list(pass = function() pass_seconds(design, s$truth, moe_threads()))
for (i in seq_along(types)) local({
  type <- types[i]
  matrix <- if (needs_y[i]) list(x = s$x, y = s$y) else s$x
  tasks[[paste("data frame", type)]] <<- function() elapsed(predict(fits[[1]], s$data, type))
  tasks[[paste("matrix", type)]] <<- function() elapsed(predict(fits[[2]], matrix, type))
})
quantiles <- list(median = 0.5, "95 % interval" = c(0.025, 0.975), "three quantiles" = c(0.025, 0.5, 0.975))
for (name in names(quantiles)) local({
  probs <- quantiles[[name]]
  tasks[[name]] <<- function() elapsed(predict(fits[[2]], s$x, "quantile", probs = probs))
})
seconds <- take_turns(tasks)
pass <- seconds[["pass"]]
frame <- seconds[paste("data frame", types)]
matrix <- seconds[paste("matrix", types)]
table <- data.frame(type = types, "data frame" = frame, "in passes" = frame / pass, matrix = matrix,
  "in passes " = matrix / pass, check.names = FALSE)
show_table(table, sprintf("Seconds; one EM pass with %d thread(s): %.3f", moe_threads(), pass))

quantile <- seconds[names(quantiles)]
show_table(data.frame(quantiles = names(quantiles), matrix = quantile, "in passes" = quantile / pass,
  check.names = FALSE), "Quantiles of the mixture, seconds")

x <- s$data[seq_len(points), ]
value <- NULL
between <- function(exact) function() {
  elapsed(value <<- c(value, transport_divergence(s$truth, fits[[1]], x, exact = exact)))
}
transport <- take_turns(list(exact = between(TRUE), relaxed = between(FALSE)))
show_table(data.frame(divergence = c("T_c, exact", "R_c, relaxed"), seconds = transport,
  value = value[1:2]), paste0("Transport from the truth to the fit, ", count(points), " points"))

target("slowest predict() on a data frame in EM passes", max(frame) / pass, most = 3)
target("slowest predict() on a matrix in EM passes", max(matrix) / pass, most = 3)
target("95 % prediction interval on a matrix in EM passes", quantile[["95 % interval"]] / pass, most = 6)
target(paste0("seconds of the exact divergence, ", count(points), " points"), transport[["exact"]],
  most = 2)
finish()
