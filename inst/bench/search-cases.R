# The cases of the benchmark of the search: everyday data x formula x family x K x gates. Data are those
# of R, of the packages that come with it, and of flexmix, mixtools, AER, carData, insuranceData and
# ggplot2. search.R and search-best.R read this list; nothing here needs distmoe.

# One case for each K. `from` is "package::name" of the data; `prepare` makes of them what the formula
# needs; `gates` is NULL (the formula's columns) or ~ 1. A case's name is tag, K, and "c" where the gates
# are constant.
cases_of <- function(tag, from, formula, K, family = "gaussian", gates = NULL, prepare = identity) {
  from <- strsplit(from, "::", fixed = TRUE)[[1]]
  data <- function() complete_rows(prepare(package_data(from[2], from[1])), formula, gates)
  peers <- c(if (family != "multinomial") "flexmix", if (family == "gaussian") "MoEClust")
  lapply(K, function(k) list(name = paste0(tag, "-", k, if (!is.null(gates)) "c"), package = from[1],
    data = data, formula = formula, family = family, gating = gates, K = k, peers = peers))
}

package_data <- function(name, package) {
  frame <- new.env()
  utils::data(list = name, package = package, envir = frame)
  as.data.frame(get(name, frame))
}

# The variables of the formulas, without the rows that lack one. Plain factors and numbers: labels, orders
# and contrasts are read in different ways by different packages.
complete_rows <- function(data, formula, gates) {
  data <- stats::na.omit(data[unique(c(all.vars(formula), all.vars(gates)))])
  data[] <- lapply(data, function(v) {
    if (is.factor(v)) factor(as.character(v), levels(droplevels(v)))
    else if (is.character(v)) factor(v) else as.numeric(v)
  })
  rownames(data) <- NULL
  attr(data, "na.action") <- NULL
  data
}

every <- function(step, from = 1) function(d) d[seq(from, nrow(d), by = step), ]

search_cases <- function() do.call(c, list(
  # ---- Gaussian, up to 1,000 rows ---------------------------------------------------------------
  cases_of("NPreg", "flexmix::NPreg", yn ~ x + I(x^2), 2, gates = ~1),
  cases_of("NPreg", "flexmix::NPreg", yn ~ x + I(x^2), 3),
  cases_of("faithful", "datasets::faithful", eruptions ~ waiting, 2:3),
  cases_of("mcycle", "MASS::mcycle", accel ~ times, 3:4),
  cases_of("ChickWeight", "datasets::ChickWeight", weight ~ Time, 4),
  cases_of("ChickWeight-diet", "datasets::ChickWeight", weight ~ Time + Diet, c(2, 4)),
  cases_of("quakes", "datasets::quakes", stations ~ mag + depth, 3),
  cases_of("quakes-depth", "datasets::quakes", depth ~ lat + long, 3),
  cases_of("Boston", "MASS::Boston", medv ~ lstat, 2:3),
  cases_of("Boston-rooms", "MASS::Boston", medv ~ lstat + rm + ptratio, 3),
  cases_of("Boston-nox", "MASS::Boston", log(medv) ~ nox + rm + log(lstat), 2, gates = ~1),
  cases_of("airquality", "datasets::airquality", Ozone ~ Wind + Temp, 2:3),
  cases_of("airquality-sun", "datasets::airquality", log(Ozone) ~ Solar.R + Wind + Temp, 2, gates = ~1),
  cases_of("trees", "datasets::trees", Volume ~ Girth + Height, 2, gates = ~1),
  cases_of("cars", "datasets::cars", dist ~ speed, 2),
  cases_of("mtcars", "datasets::mtcars", mpg ~ wt, 2),
  cases_of("swiss", "datasets::swiss", Fertility ~ Education + Catholic, 2),
  cases_of("iris-width", "datasets::iris", Sepal.Width ~ Sepal.Length, 3),
  cases_of("iris-petal", "datasets::iris", Petal.Length ~ Sepal.Length + Sepal.Width, 2),
  cases_of("GAGurine", "MASS::GAGurine", GAG ~ Age, 3),
  cases_of("cpus", "MASS::cpus", log(perf) ~ log(mmax) + log(cach + 1), 3),
  cases_of("crabs", "MASS::crabs", RW ~ CL, c(2, 4), gates = ~1),
  cases_of("geyser", "MASS::geyser", duration ~ waiting, 3),
  cases_of("cats", "MASS::cats", Hwt ~ Bwt, 2),
  cases_of("Cars93", "MASS::Cars93", Price ~ Horsepower + Weight, 2),
  cases_of("whiteside", "MASS::whiteside", Gas ~ Temp, 2, gates = ~1),
  cases_of("birthwt", "MASS::birthwt", bwt ~ age + lwt + smoke, 2),
  cases_of("attenu", "datasets::attenu", log(accel) ~ log(dist) + mag, 2),
  cases_of("CO2", "datasets::CO2", uptake ~ log(conc), 3, gates = ~1),
  cases_of("Orthodont", "nlme::Orthodont", distance ~ age + Sex, 2),
  cases_of("Oxboys", "nlme::Oxboys", height ~ age, 3),
  cases_of("BodyWeight", "nlme::BodyWeight", weight ~ Time, 3, gates = ~1),
  cases_of("Theoph", "datasets::Theoph", conc ~ Time, 3),
  cases_of("CO2data", "mixtools::CO2data", CO2 ~ GNP, 2, gates = ~1),
  cases_of("tonedata", "mixtools::tonedata", tuned ~ stretchratio, 2, gates = ~1),
  cases_of("NOdata", "mixtools::NOdata", Equivalence ~ NO, 2, gates = ~1),
  cases_of("CPS1985", "AER::CPS1985", log(wage) ~ education + experience + gender, 3),
  cases_of("CASchools", "AER::CASchools", read ~ income + english, c(3, 5)),
  cases_of("HousePrices", "AER::HousePrices", log(price) ~ log(lotsize) + bedrooms + aircon, 2),
  cases_of("Journals", "AER::Journals", log(subs) ~ log(price / citations), 3),
  cases_of("mpg", "ggplot2::mpg", hwy ~ displ, 3),
  cases_of("ethanol", "lattice::ethanol", NOx ~ E + C, 3),
  cases_of("pbc", "survival::pbc", log(bili) ~ age + albumin + log(protime), 2:3),
  # ---- Gaussian, more rows ----------------------------------------------------------------------
  cases_of("Milk", "nlme::Milk", protein ~ Time + Diet, 3),
  cases_of("nlschools", "MASS::nlschools", lang ~ IQ + SES, 3),
  cases_of("MathAchieve", "nlme::MathAchieve", MathAch ~ SES + MEANSES + Sex, 3),
  cases_of("dataCar-cost", "insuranceData::dataCar", log(claimcst0) ~ veh_value + veh_age + agecat, 3,
    prepare = function(d) d[d$claimcst0 > 0, ]),
  cases_of("diamonds-9th", "ggplot2::diamonds", log(price) ~ log(carat) + cut + clarity, 2:3,
    prepare = every(9)),
  cases_of("CPS1988", "AER::CPS1988", log(wage) ~ education + experience + I(experience^2), 3),
  cases_of("diamonds", "ggplot2::diamonds", log(price) ~ log(carat) + depth, 3),
  # ---- Poisson ----------------------------------------------------------------------------------
  cases_of("quine", "MASS::quine", Days ~ Eth + Sex + Age + Lrn, 2:3, "poisson", ~1),
  cases_of("quine", "MASS::quine", Days ~ Eth + Sex + Age + Lrn, 2, "poisson"),
  cases_of("warpbreaks", "datasets::warpbreaks", breaks ~ wool + tension, 2, "poisson", ~1),
  cases_of("warpbreaks", "datasets::warpbreaks", breaks ~ wool + tension, 2, "poisson"),
  cases_of("NPreg-count", "flexmix::NPreg", yp ~ x, 2, "poisson", ~1),
  cases_of("epil", "MASS::epil", y ~ lbase + trt + lage, 2:3, "poisson"),
  cases_of("bioChemists", "flexmix::bioChemists", art ~ fem + mar + kid5 + phd + ment, 2, "poisson", ~1),
  cases_of("bioChemists", "flexmix::bioChemists", art ~ fem + mar + kid5 + phd + ment, 3, "poisson"),
  cases_of("seizure", "flexmix::seizure", Seizures ~ Treatment + log(Day), 2, "poisson"),
  cases_of("patent", "flexmix::patent", Patents ~ lgRD, 3, "poisson"),
  cases_of("patent", "flexmix::patent", Patents ~ lgRD, 3, "poisson", ~1),
  cases_of("dmft", "flexmix::dmft", End ~ Begin + Gender + Ethnic, 2, "poisson"),
  cases_of("fabricfault", "flexmix::fabricfault", Faults ~ log(Length), 2, "poisson", ~1),
  cases_of("InsectSprays", "datasets::InsectSprays", count ~ spray, 2, "poisson", ~1),
  cases_of("Medicaid", "AER::Medicaid1986", visits ~ age + health1 + health2 + children, 3, "poisson", ~1),
  cases_of("Recreation", "AER::RecreationDemand", trips ~ quality + income + costS, 3, "poisson"),
  cases_of("NMES1988", "AER::NMES1988", visits ~ health + chronic + age + school + insurance, 2:3, "poisson"),
  cases_of("dataCar-claims", "insuranceData::dataCar", numclaims ~ veh_value + veh_age + agecat, 2, "poisson",
    prepare = every(2)),
  # ---- binomial ---------------------------------------------------------------------------------
  cases_of("NPreg-binary", "flexmix::NPreg", yb ~ x, 2, "binomial"),
  cases_of("Pima", "MASS::Pima.te", type ~ glu + bmi + age, 2, "binomial"),
  cases_of("birthwt-low", "MASS::birthwt", low ~ lwt + age + smoke, 2, "binomial"),
  cases_of("SwissLabor", "AER::SwissLabor", participation ~ income + age + education + youngkids + foreign, 2,
    "binomial"),
  cases_of("PSID1976", "AER::PSID1976", participation ~ age + education + youngkids + experience, 2:3,
    "binomial"),
  cases_of("trypanosome", "flexmix::trypanosome", Dead ~ Dose, 2, "binomial", ~1),
  cases_of("SmokeBan", "AER::SmokeBan", smoker ~ ban + age + education + gender, 2, "binomial"),
  # ---- multinomial ------------------------------------------------------------------------------
  cases_of("iris-species", "datasets::iris", Species ~ Sepal.Length + Sepal.Width, 2, "multinomial"),
  cases_of("BankWages", "AER::BankWages", job ~ education + minority, 2, "multinomial"),
  cases_of("GSOEP9402", "AER::GSOEP9402", school ~ meducation + log(income) + kids, 2, "multinomial"),
  cases_of("Womenlf", "carData::Womenlf", partic ~ hincome + children, 2:3, "multinomial"),
  cases_of("BEPS", "carData::BEPS", vote ~ Europe + age + political.knowledge, 2, "multinomial")
))
