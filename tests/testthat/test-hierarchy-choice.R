# What varies, and sites that join and leave.
six_sites <- function(seed = 1) hierarchy_of(shifted_sites(c(300, 500, 400, 600, 250, 350), seed = seed))

test_that("choices of effects are hierarchies, the best by each criterion is taken", {
  found <- six_sites()
  choice <- moe_effects(found$sites)
  expect_equal(choice$path$effects, c("none", "intercepts", "gates", "experts", "all"))
  expect_equal(choice$effects, "intercepts")  # that is how the data were drawn
  alone <- moe_hierarchy(found$sites, effects = "gates")
  row <- choice$path[choice$path$effects == "gates", ]
  expect_equal(row$loglik, as.numeric(logLik(alone)))
  expect_equal(row$AIC, AIC(alone))
  # 11 parameters of the population, and a variance for each of 3 gates' columns.
  expect_equal(row$BIC, -2 * row$loglik + 11 * log(2400) + 3 * log(6))
  expect_equal(choice$model$hierarchy$effects, choice$path$effects[which.min(choice$path$BIC)])
  expect_output(print(choice), "intercepts.*<-")
  by_rows <- moe_effects(found$h, c("none", "all"), "CV")
  expect_equal(by_rows$effects, "all")
  expect_gt(diff(by_rows$path$CV), 0.1)
  # Nested choices never lose.
  expect_true(all(choice$path$loglik[choice$path$effects == "all"] >= choice$path$loglik - 1e-6))
})

test_that("candidates under which the same varies are taken once; those that can't be are refused", {
  set.seed(1)
  d <- data.frame(x = rnorm(300), site = rep(c("A", "B", "C"), 100))
  d$y <- d$x + c(A = 0, B = 1, C = 2)[d$site] + rnorm(300)
  sites <- moe_sites(y ~ x, split(d, d$site), K = 1, information = TRUE)
  expect_equal(moe_effects(sites)$path$effects, c("none", "intercepts", "experts"))
  refused <- function(code, words) expect_error(code, words, class = "moe_input_error")
  refused(moe_effects(sites, effects = list()), "effects")
  refused(moe_effects(sites, effects = list("all", "zz")), "zz")
  refused(moe_effects(sites, criterion = "best"), "criterion")
  refused(moe_effects(moe_refine(moe_hierarchy(sites), split(d, d$site))), "after rounds")
  refused(moe_effects(sites$models[1:2], criterion = "CV"), "three sites")
})

test_that("what the others say of a site, by the normal density", {
  set.seed(3)
  d <- data.frame(x = rnorm(500), site = rep(LETTERS[1:5], 100))
  d$y <- d$x + rnorm(5)[match(d$site, LETTERS)] + rnorm(500)
  sites <- moe_sites(y ~ x, split(d, d$site), K = 1, information = TRUE)
  h <- moe_hierarchy(sites)
  setting <- hierarchy_setting(h)
  q <- h$hierarchy$quadratics
  solved <- solve_population(q[-2], setting)
  found <- seen_from_others(q$B, solved, setting)
  v <- solve(q$B$curvature) + solved$spread
  gap <- q$B$at - solved$mean
  by_hand <- q$B$value - sum(gap * solve(v, gap)) / 2 - determinant(v %*% q$B$curvature)$modulus / 2
  expect_equal(found$log_lik, c(by_hand), tolerance = 1e-8)
  wide <- v + solved$effect_mean_covariance
  expect_equal(found$distance, sum(gap * solve(wide, gap)), tolerance = 1e-6)
  expect_equal(found$df, 3)
  cv <- vapply(1:5, function(m) seen_from_others(q[[m]], solve_population(q[-m], setting), setting)$log_lik, 0)
  expect_equal(moe_effects(h, "all", "CV")$path$CV, sum(cv) / 500, tolerance = 1e-6)
  influence <- moe_influence(h)
  expect_s3_class(influence, "moe_influence")
  expect_equal(influence$loglik[influence$site == "B"], found$log_lik, tolerance = 1e-6)
  other <- moe_hierarchy(sites$models[-2])
  gap <- (fixef(other) - fixef(h))[1:2]
  without <- influence$change[influence$site == "B"]
  expect_gte(without, sum(gap * solve(vcov(h)[1:2, 1:2], gap)) / 3 * 0.9)
})

test_that("what a site does not determine is no degree of freedom", {
  d <- shifted_sites(seed = 5)
  d$v[d$site == "B"] <- 0.25
  influence <- moe_influence(suppressWarnings(hierarchy_of(d))$h)
  expect_equal(influence$df[match(c("A", "B", "C", "D"), influence$site)], c(11, 8, 11, 11))
  expect_true(all(is.finite(influence$p)))
})

test_that("a site that is not one of them stands out", {
  d <- shifted_sites(c(300, 500, 400, 600, 350, 300), by = 0.1)
  d$y[d$site == "C"] <- d$y[d$site == "C"] + 3
  influence <- moe_influence(hierarchy_of(d)$h)
  expect_equal(influence$site[which.min(influence$p)], "C")
  expect_error(moe_influence(1), "hierarchy", class = "moe_input_error")
})

test_that("a site joins or leaves as if it had been so from the start", {
  found <- six_sites()
  less <- moe_hierarchy(found$sites$models[-2])
  one <- update(found$h, drop = "B")
  expect_equal(coef(one), coef(less), tolerance = 1e-8)
  expect_equal(VarCorr(one), VarCorr(less), tolerance = 1e-8)
  back <- update(one, add = found$sites$models["B"])
  expect_equal(coef(back), coef(found$h), tolerance = 1e-8)
  expect_equal(logLik(back), logLik(found$h), tolerance = 1e-8)
  swapped <- update(found$h, add = list(B = found$sites$models$C), drop = "B")
  expect_equal(unlist(coef(swapped)["B", ]), unlist(coef(swapped)["C", ]), tolerance = 1e-8)
  # By messages.
  folder <- tempfile()
  dir.create(folder)
  write_moe(found$sites$models$B, file.path(folder, "B.json"), site = "B", information = TRUE)
  expect_equal(coef(update(one, add = folder)), coef(found$h), tolerance = 1e-6)
  # Settings stay.
  gates <- moe_hierarchy(found$sites, effects = "gates", method = "REML", new_site = "population")
  expect_equal(update(gates, drop = "B")$hierarchy[c("effects", "method", "new_site")],
    gates$hierarchy[c("effects", "method", "new_site")])
})

test_that("after rounds the sites that stay keep their answers", {
  found <- six_sites()
  refined <- moe_refine(found$h, found$sources, rounds = 6)
  less <- update(refined, drop = "B")
  expect_equal(less$hierarchy$quadratics, refined$hierarchy$quadratics[-2])
  expect_false("B" %in% rownames(coef(less)))
  end <- moe_refine(moe_hierarchy(found$sites$models[-2]), found$sources[-2], rounds = 30)
  again <- moe_refine(less, found$sources[-2], rounds = 30)
  expect_equal(coef(again), coef(end), tolerance = 1e-3)
  mixed <- relabel(found$sites$models$B, 2:1)
  grown <- update(less, add = list(B = mixed))
  expect_equal(coef(moe_refine(grown, found$sources, rounds = 30)),
    coef(moe_refine(found$h, found$sources, rounds = 30)), tolerance = 1e-3)
  a <- moe_aggregate(found$sites, moe_support(do.call(rbind, found$sources), site = rep(names(found$sources),
    vapply(found$sources, nrow, 0L))))
  expect_message(left <- update(moe_hierarchy(a, new_site = "aggregate"), drop = "C"), "average")
  expect_equal(left$hierarchy$new_site, "average")
})

test_that("changes that can't be are refused", {
  found <- six_sites()
  refused <- function(code, words) expect_error(code, words, class = "moe_input_error")
  refused(update(found$h, drop = "Z"), "Do you mean")
  refused(update(found$h, drop = 2), "drop")
  refused(update(found$h), "nothing is to be changed")
  refused(update(found$h, add = found$sites$models["B"]), "already")
  refused(update(found$h, add = found$sites$models$B), "name")
  refused(update(found$h, drop = LETTERS[1:5]), "two sites")
  refused(update(found$h, effects = "gates"), "effects")
  lacks <- moe_sites(y ~ x + v, found$sources[1], start = population(found$h))$models
  refused(update(found$h, add = list(G = lacks$A)), "information")
})

test_that("choices and influence are drawn", {
  found <- six_sites()
  choice <- moe_effects(found$sites, criterion = "CV")
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  plot(choice)
  plot(moe_influence(found$h))
  grDevices::dev.off()
  expect_gt(file.size(file), 4000)
  skip_if_not_installed("ggplot2")
  expect_s3_class(ggplot2::ggplot_build(ggplot2::autoplot(choice))$plot, "ggplot")
  expect_s3_class(ggplot2::ggplot_build(ggplot2::autoplot(moe_influence(found$h)))$plot, "ggplot")
})
