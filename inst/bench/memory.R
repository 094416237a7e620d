# Peak memory of a fit in a fresh process over the size of its data.
#
#   Rscript memory.R [quick] [rows, 1e6] [repetitions, 5]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 1e6, 2e4)
repetitions <- size(2, 5, 2)
header(paste0("memory: peak of a fresh process, ", count(n), " rows, K = 4, d = 20"))

file <- tempfile(c("data", "matrix"), fileext = ".rds")
sim <- moe_simulate(n, K = 4, d = 20, seed = 1)
# Not compressed: nothing but the data is then allocated when they are read.
saveRDS(sim$data, file[1], compress = FALSE)
saveRDS(list(x = as.matrix(sim$data[-1]), y = sim$data$y), file[2], compress = FALSE)
bytes <- c(as.numeric(object.size(sim$data)), as.numeric(object.size(readRDS(file[2])$x)))
rm(sim)
invisible(gc())

read <- sprintf("d <- readRDS(%s); set.seed(1)", vapply(file, deparse, ""))
codes <- c(baseline = "",
  "data frame, read only" = read[1],
  "matrix, read only" = read[2],
  "moe(y ~ ., data)" = paste(read[1], "; fit <- moe(y ~ ., d, K = 4)"),
  "moe(x, y)" = paste(read[2], "; fit <- moe(d$x, d$y, K = 4)"),
  "moe(y ~ ., data, keep = FALSE)" = paste(read[1], "; fit <- moe(y ~ ., d, K = 4, keep = FALSE)"),
  "moe(x, y, keep = FALSE)" = paste(read[2], "; fit <- moe(d$x, d$y, K = 4, keep = FALSE)"))
peak <- take_turns(lapply(codes, function(code) function() peak_memory(code)), repetitions)
unlink(file)

of <- c(NA, bytes[c(1, 2, 1, 2, 1, 2)])
more <- peak - peak[["baseline"]]
table <- data.frame(process = names(codes), "peak MB" = peak / 2^20, "over baseline" = more / 2^20,
  "data MB" = of / 2^20, ratio = more / of, check.names = FALSE)
show_table(table, "Over the process that only loads the package; the data themselves are counted")
if (anyNA(peak)) cat("There is no /proc/self/status here: not measured\n")
target("peak of moe(y ~ ., data) over its data frame", table$ratio[4], most = 3)
target("peak of moe(x, y) over its matrix", table$ratio[5], most = 1.5)
finish()
