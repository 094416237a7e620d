# How the files beside this one were written: by version 0.2 of the package, once. They are never written again.
library(distmoe)
source("data.R")

limits <- list(min_rows = 0, min_expert_rows = 0, min_rows_per_parameter = 0, overwrite = TRUE)
put <- function(fit, file, ...) do.call(write_moe, c(list(fit, file, ...), limits))

for (family in old_families) suppressWarnings({
  set.seed(1)
  d <- old_rows(family)
  sources <- split(d[c("x", "g", "y")], d$site)
  folder <- function(...) {
    path <- file.path(family, ...)
    dir.create(path, FALSE, TRUE)
    path
  }
  start <- moe(y ~ x + g, d[c("x", "g", "y")], K = 2, gating = ~x, family = family)
  sites <- moe_sites(y ~ x + g, sources[c("A", "B")], K = 2, gating = ~x, family = family, start = start,
    information = TRUE, share = c("x", "gates", if (family == "gaussian") "moments"))
  do.call(write_moe, c(list(sites, folder("shared")), limits[1:4]))
  plain <- moe_sites(y ~ x + g, sources, K = 2, gating = ~x, family = family, start = start)
  do.call(write_moe, c(list(plain, folder("plain"), information = FALSE), limits))
  # An aggregate, and three exchanges of rounds from it.
  model <- moe_aggregate(plain, moe_support(d[c("x", "g")], site = d$site))
  put(model, file.path(folder(), "model.json"), site = "centre")
  for (exchange in 1:3) {
    answers <- lapply(names(sources), function(s) moe_statistics(model, sources[[s]], site = s))
    for (a in answers) put(a, file.path(folder(paste0("exchange-", exchange)), paste0(a$site, ".json")))
    model <- moe_update(model, answers)
    put(model, file.path(folder(), paste0("after-", exchange, ".json")), site = "centre", information = TRUE)
    if (exchange == 2) put(model, file.path(folder(), "after-2-for-sites.json"), site = "centre", state = FALSE)
  }
})
