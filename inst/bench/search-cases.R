# The cases of the benchmark of the search: everyday data x formula x family x K x gates. Data are those
# of R, of the packages that come with it, and of flexmix, mixtools, AER, carData, insuranceData and
# ggplot2. search.R and search-best.R read this list; nothing here needs distmoe.

# One case for each K. `from` is "package::name" of the data; `prepare` makes of them what the formula
# needs; `gates` is NULL (the formula's columns) or ~ 1. A case's name is tag, K, and "c" where the gates
# are constant.
case <- function(tag, from, formula, K, family = "gaussian", gates = NULL, prepare = identity) {
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
  case("NPreg", "flexmix::NPreg", yn ~ x + I(x^2), 2, gates = ~1),
  case("NPreg", "flexmix::NPreg", yn ~ x + I(x^2), 3),
  case("faithful", "datasets::faithful", eruptions ~ waiting, 2:3),
  case("mcycle", "MASS::mcycle", accel ~ times, 3:4),
  case("ChickWeight", "datasets::ChickWeight", weight ~ Time, 4),
  case("ChickWeight-diet", "datasets::ChickWeight", weight ~ Time + Diet, c(2, 4)),
  case("quakes", "datasets::quakes", stations ~ mag + depth, 3),
  case("quakes-depth", "datasets::quakes", depth ~ lat + long, 3),
  case("Boston", "MASS::Boston", medv ~ lstat, 2:3),
  case("Boston-rooms", "MASS::Boston", medv ~ lstat + rm + ptratio, 3),
  case("Boston-nox", "MASS::Boston", log(medv) ~ nox + rm + log(lstat), 2, gates = ~1),
  case("airquality", "datasets::airquality", Ozone ~ Wind + Temp, 2:3),
  case("airquality-sun", "datasets::airquality", log(Ozone) ~ Solar.R + Wind + Temp, 2, gates = ~1),
  case("trees", "datasets::trees", Volume ~ Girth + Height, 2, gates = ~1),
  case("cars", "datasets::cars", dist ~ speed, 2),
  case("mtcars", "datasets::mtcars", mpg ~ wt, 2),
  case("swiss", "datasets::swiss", Fertility ~ Education + Catholic, 2),
  case("iris-width", "datasets::iris", Sepal.Width ~ Sepal.Length, 3),
  case("iris-petal", "datasets::iris", Petal.Length ~ Sepal.Length + Sepal.Width, 2),
  case("GAGurine", "MASS::GAGurine", GAG ~ Age, 3),
  case("cpus", "MASS::cpus", log(perf) ~ log(mmax) + log(cach + 1), 3),
  case("crabs", "MASS::crabs", RW ~ CL, c(2, 4), gates = ~1),
  case("geyser", "MASS::geyser", duration ~ waiting, 3),
  case("cats", "MASS::cats", Hwt ~ Bwt, 2),
  case("Cars93", "MASS::Cars93", Price ~ Horsepower + Weight, 2),
  case("whiteside", "MASS::whiteside", Gas ~ Temp, 2, gates = ~1),
  case("birthwt", "MASS::birthwt", bwt ~ age + lwt + smoke, 2),
  case("attenu", "datasets::attenu", log(accel) ~ log(dist) + mag, 2),
  case("CO2", "datasets::CO2", uptake ~ log(conc), 3, gates = ~1),
  case("Orthodont", "nlme::Orthodont", distance ~ age + Sex, 2),
  case("Oxboys", "nlme::Oxboys", height ~ age, 3),
  case("BodyWeight", "nlme::BodyWeight", weight ~ Time, 3, gates = ~1),
  case("Theoph", "datasets::Theoph", conc ~ Time, 3),
  case("CO2data", "mixtools::CO2data", CO2 ~ GNP, 2, gates = ~1),
  case("tonedata", "mixtools::tonedata", tuned ~ stretchratio, 2, gates = ~1),
  case("NOdata", "mixtools::NOdata", Equivalence ~ NO, 2, gates = ~1),
  case("CPS1985", "AER::CPS1985", log(wage) ~ education + experience + gender, 3),
  case("CASchools", "AER::CASchools", read ~ income + english, c(3, 5)),
  case("HousePrices", "AER::HousePrices", log(price) ~ log(lotsize) + bedrooms + aircon, 2),
  case("Journals", "AER::Journals", log(subs) ~ log(price / citations), 3),
  case("mpg", "ggplot2::mpg", hwy ~ displ, 3),
  case("ethanol", "lattice::ethanol", NOx ~ E + C, 3),
  case("pbc", "survival::pbc", log(bili) ~ age + albumin + log(protime), 2:3),
  # ---- Gaussian, more rows ----------------------------------------------------------------------
  case("Milk", "nlme::Milk", protein ~ Time + Diet, 3),
  case("nlschools", "MASS::nlschools", lang ~ IQ + SES, 3),
  case("MathAchieve", "nlme::MathAchieve", MathAch ~ SES + MEANSES + Sex, 3),
  case("dataCar-cost", "insuranceData::dataCar", log(claimcst0) ~ veh_value + veh_age + agecat, 3,
    prepare = function(d) d[d$claimcst0 > 0, ]),
  case("diamonds-9th", "ggplot2::diamonds", log(price) ~ log(carat) + cut + clarity, 2:3,
    prepare = every(9)),
  case("CPS1988", "AER::CPS1988", log(wage) ~ education + experience + I(experience^2), 3),
  case("diamonds", "ggplot2::diamonds", log(price) ~ log(carat) + depth, 3),
  # ---- Poisson ----------------------------------------------------------------------------------
  case("quine", "MASS::quine", Days ~ Eth + Sex + Age + Lrn, 2:3, "poisson", ~1),
  case("quine", "MASS::quine", Days ~ Eth + Sex + Age + Lrn, 2, "poisson"),
  case("warpbreaks", "datasets::warpbreaks", breaks ~ wool + tension, 2, "poisson", ~1),
  case("warpbreaks", "datasets::warpbreaks", breaks ~ wool + tension, 2, "poisson"),
  case("NPreg-count", "flexmix::NPreg", yp ~ x, 2, "poisson", ~1),
  case("epil", "MASS::epil", y ~ lbase + trt + lage, 2:3, "poisson"),
  case("bioChemists", "flexmix::bioChemists", art ~ fem + mar + kid5 + phd + ment, 2, "poisson", ~1),
  case("bioChemists", "flexmix::bioChemists", art ~ fem + mar + kid5 + phd + ment, 3, "poisson"),
  case("seizure", "flexmix::seizure", Seizures ~ Treatment + log(Day), 2, "poisson"),
  case("patent", "flexmix::patent", Patents ~ lgRD, 3, "poisson"),
  case("patent", "flexmix::patent", Patents ~ lgRD, 3, "poisson", ~1),
  case("dmft", "flexmix::dmft", End ~ Begin + Gender + Ethnic, 2, "poisson"),
  case("fabricfault", "flexmix::fabricfault", Faults ~ log(Length), 2, "poisson", ~1),
  case("InsectSprays", "datasets::InsectSprays", count ~ spray, 2, "poisson", ~1),
  case("Medicaid", "AER::Medicaid1986", visits ~ age + health1 + health2 + children, 3, "poisson", ~1),
  case("Recreation", "AER::RecreationDemand", trips ~ quality + income + costS, 3, "poisson"),
  case("NMES1988", "AER::NMES1988", visits ~ health + chronic + age + school + insurance, 2:3, "poisson"),
  case("dataCar-claims", "insuranceData::dataCar", numclaims ~ veh_value + veh_age + agecat, 2, "poisson",
    prepare = every(2)),
  # ---- binomial ---------------------------------------------------------------------------------
  case("NPreg-binary", "flexmix::NPreg", yb ~ x, 2, "binomial"),
  case("Pima", "MASS::Pima.te", type ~ glu + bmi + age, 2, "binomial"),
  case("birthwt-low", "MASS::birthwt", low ~ lwt + age + smoke, 2, "binomial"),
  case("SwissLabor", "AER::SwissLabor", participation ~ income + age + education + youngkids + foreign, 2,
    "binomial"),
  case("PSID1976", "AER::PSID1976", participation ~ age + education + youngkids + experience, 2:3,
    "binomial"),
  case("trypanosome", "flexmix::trypanosome", Dead ~ Dose, 2, "binomial", ~1),
  case("SmokeBan", "AER::SmokeBan", smoker ~ ban + age + education + gender, 2, "binomial"),
  # ---- multinomial ------------------------------------------------------------------------------
  case("iris-species", "datasets::iris", Species ~ Sepal.Length + Sepal.Width, 2, "multinomial"),
  case("BankWages", "AER::BankWages", job ~ education + minority, 2, "multinomial"),
  case("GSOEP9402", "AER::GSOEP9402", school ~ meducation + log(income) + kids, 2, "multinomial"),
  case("Womenlf", "carData::Womenlf", partic ~ hincome + children, 2:3, "multinomial"),
  case("BEPS", "carData::BEPS", vote ~ Europe + age + political.knowledge, 2, "multinomial")
))
