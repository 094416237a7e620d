# The paper's Table 1: heart rate against accelerometer and other signals, MMASH data (22 healthy men, 24 hours).
#
#   Rscript mmash.R data=FOLDER [results=FOLDER] [seeds=1] [movement=now]
#   Rscript mmash.R data=FOLDER [results=FOLDER] sites=men [seed=1]
#
# With sites=men the men are the sites, not random parts of all rows: one model for all beside every man's own and the
# hierarchy (results/mmash-men.csv), of the same rows with fewer covariates, K = 3.
#
# The data are not part of this package. Get them from PhysioNet (free, no account):
#   https://physionet.org/content/mmash/1.0.0/   https://doi.org/10.13026/cerq-fc86
# A. Rossi et al. (2020), "A Public Dataset of 24-h Multi-Levels Psycho-Physiological Responses in Young Healthy
# Adults", Data 5(4), 91. Unpack MMASH.zip; FOLDER is where the folders user_1 ... user_22 are (DataPaper), or any
# folder above.
#
# What the paper says of its table: N = 1,162,400 rows for training and 290,600 for testing, M = 64 and 128. It names
# neither response nor covariates, number of experts or resolution. Here the response is the heart rate (the paper's
# RMSE and SI go with a mean of 95 to 99), K = 4 as in its simulation, and there is one row for each second in which
# both heart and movement were recorded (1,453,000 rows are 18 hours of 22 men at one a second); `mmash_formula` below
# has the covariates.
# Rows: results/mmash.csv, columns as in real-data.R.

mmash_formula <- heart_rate ~ log1p(magnitude) + axis1 + axis2 + axis3 + steps + posture + asleep + effort + eating +
  screen + hour_cos + hour_sin + weight + height + age + stai1 + daily_stress + pittsburgh

averaged_formula <- heart_rate ~ moved_10 + moved_60 + moved_300 + moved_900 + moved_3600 + steps_10 + steps_60 +
  steps_300 + steps_900 + steps_3600 + standing + sitting + lying + hour_cos + hour_sin

# ---- files ------------------------------------------------------------------------------------

# The users' folders in the order of their numbers.
mmash_users <- function(folder) {
  all <- list.dirs(folder)
  users <- all[grepl("^user_[0-9]+$", basename(all))]
  if (!length(users)) {
    stop("No folder user_1, user_2, ... in '", folder, "' or below it.", call. = FALSE)
  }
  users[order(as.integer(sub("user_", "", basename(users))))]
}

# A table of one user; its first column is an unnamed index. `needs`: columns that must be there. A file that does
# not exist is an error, or NULL where it may be missing.
mmash_file <- function(user, name, needs, may_lack = FALSE) {
  file <- file.path(user, name)
  if (!file.exists(file)) {
    if (may_lack) return(NULL)
    stop("'", file, "' is missing.", call. = FALSE)
  }
  out <- utils::read.csv(file, check.names = FALSE, stringsAsFactors = FALSE)
  lacks <- setdiff(needs, names(out))
  if (length(lacks)) {
    stop("'", file, "' has no column ", paste0("'", lacks, "'", collapse = ", "), "; it has ",
      paste0("'", names(out)[-1], "'", collapse = ", "), ".", call. = FALSE)
  }
  out[needs]
}

# Seconds since the midnight before the first day. Times are HH:MM:SS or HH:MM, up to 24:00. The second day has
# the number 2, or one below 1 (-29 and the like): a difference of days of the month across the end of a month.
mmash_clock <- function(day, time, file) {
  day <- suppressWarnings(as.numeric(day))
  number <- ifelse(day == 1, 0, ifelse(day == 2 | day < 1, 1, NA))
  time <- trimws(time)
  good <- grepl("^[0-9]{1,2}:[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?$", time)
  bad <- is.na(number) | !good
  if (any(bad)) {
    stop("'", file, "', row ", which(bad)[1], ": day '", day[bad][1], "', time '", time[bad][1],
      "' is no time of the two days.", call. = FALSE)
  }
  parts <- strsplit(paste0(time, ifelse(nchar(time) < 6, ":00", "")), ":", fixed = TRUE)
  parts <- matrix(as.numeric(unlist(parts)), 3)
  seconds <- colSums(parts * c(3600, 60, 1))
  if (any(seconds > 86400)) {
    stop("'", file, "', row ", which(seconds > 86400)[1], ": time '", time[seconds > 86400][1],
      "' is after 24:00.", call. = FALSE)
  }
  number * 86400 + seconds
}

# ---- signals ----------------------------------------------------------------------------------

# Heart rate in beats a minute, one value a second. Intervals outside 0.3 to 2 seconds (200 to 30 beats a minute)
# are artefacts and left out. A second with beats has 60 over the mean of their intervals; one without has the
# interval of the beat in the next second, which covers it.
mmash_heart_rate <- function(user) {
  rr <- mmash_file(user, "RR.csv", c("ibi_s", "day", "time"))
  second <- floor(mmash_clock(rr$day, rr$time, file.path(user, "RR.csv")))
  good <- !is.na(rr$ibi_s) & rr$ibi_s >= 0.3 & rr$ibi_s <= 2
  interval <- tapply(rr$ibi_s[good], second[good], mean)
  at <- as.numeric(names(interval))
  interval <- as.numeric(interval)
  before <- interval > 1 & !(at - 1) %in% at
  out <- data.frame(second = c(at, at[before] - 1), heart_rate = 60 / c(interval, interval[before]))
  out <- out[order(out$second), ]
  list(table = out, artefacts = sum(!good))
}

# Movement, one row a second. Exactly one of the four inclinometer columns is 1; rows in which it is not have no
# posture.
mmash_movement <- function(user) {
  flags <- paste("Inclinometer", c("Off", "Standing", "Sitting", "Lying"))
  raw <- mmash_file(user, "Actigraph.csv", c("Axis1", "Axis2", "Axis3", "Steps", flags, "Vector Magnitude", "day",
    "time"))
  second <- floor(mmash_clock(raw$day, raw$time, file.path(user, "Actigraph.csv")))
  flag <- as.matrix(raw[flags]) == 1
  posture <- ifelse(rowSums(flag) == 1, max.col(flag, "first"), NA)
  out <- data.frame(second = second, axis1 = raw$Axis1, axis2 = raw$Axis2, axis3 = raw$Axis3, steps = raw$Steps,
    magnitude = raw[["Vector Magnitude"]],
    posture = factor(posture, 1:4, c("off", "standing", "sitting", "lying")))
  list(table = out[!duplicated(second), ], repeated = sum(duplicated(second)))
}

# Start and end of intervals, given by day and time. One that ends before it starts ends on the next day.
mmash_intervals <- function(start_day, start, end_day, end, file) {
  known <- !is.na(start) & !is.na(end) & trimws(start) != "" & trimws(end) != ""
  from <- mmash_clock(start_day[known], start[known], file)
  to <- mmash_clock(end_day[known], end[known], file)
  data.frame(row = which(known), from = from, to = to + ifelse(to < from, 86400, 0))
}

# Is a second in any of the intervals?
mmash_inside <- function(second, intervals) {
  out <- logical(length(second))
  for (i in seq_len(nrow(intervals))) out <- out | second >= intervals$from[i] & second < intervals$to[i]
  out
}

# The diary: codes 1 sleeping, 2 laying down, 3 sitting, 4 to 6 light, medium and heavy movement, 7 eating, 8 small and
# 9 large screens, 10 caffeine, 11 smoking, 12 alcohol. `effort` is the highest of codes 2 to 6 at that second.
mmash_diary <- function(user, second) {
  file <- file.path(user, "Activity.csv")
  raw <- mmash_file(user, "Activity.csv", c("Activity", "Start", "End", "Day"))
  intervals <- mmash_intervals(raw$Day, raw$Start, raw$Day, raw$End, file)
  code <- raw$Activity[intervals$row]
  of <- function(codes) mmash_inside(second, intervals[code %in% codes, ])
  effort <- integer(length(second))
  for (level in 2:6) effort[of(level)] <- level - 1L
  list(effort = factor(effort, 0:5, c("none", "lying", "sitting", "light", "medium", "heavy")), eating = of(7),
    screen = of(8:9), sleeping = of(1), undated = nrow(raw) - nrow(intervals))
}

# From falling asleep to getting up; NULL where the user has no row (user_11).
mmash_asleep <- function(user, second) {
  columns <- c("Onset Date", "Onset Time", "Out Bed Date", "Out Bed Time")
  raw <- mmash_file(user, "sleep.csv", columns, may_lack = TRUE)
  if (is.null(raw) || !nrow(raw)) return(NULL)
  mmash_inside(second, mmash_intervals(raw[[1]], raw[[2]], raw[[3]], raw[[4]], file.path(user, "sleep.csv")))
}

# What is known of the user as a whole. A weight, height or age of 0 stands for a missing one.
mmash_person <- function(user) {
  info <- mmash_file(user, "user_info.csv", c("Weight", "Height", "Age"))
  answers <- mmash_file(user, "questionnaire.csv", c("MEQ", "STAI1", "STAI2", "Pittsburgh", "Daily_stress"))
  saliva <- mmash_file(user, "saliva.csv", c("SAMPLES", "Cortisol NORM", "Melatonin NORM"), may_lack = TRUE)
  hormone <- function(sample, column) {
    if (is.null(saliva)) NA_real_ else saliva[[column]][match(sample, trimws(saliva$SAMPLES))]
  }
  out <- cbind(info[1, ], answers[1, ])
  names(out) <- tolower(names(out))
  out[1:3] <- lapply(out[1:3], function(v) if (is.na(v) || v == 0) NA_real_ else v)
  out$cortisol_sleep <- hormone("before sleep", "Cortisol NORM")
  out$cortisol_wake <- hormone("wake up", "Cortisol NORM")
  out$melatonin_sleep <- hormone("before sleep", "Melatonin NORM")
  out$melatonin_wake <- hormone("wake up", "Melatonin NORM")
  out
}

# ---- the data frame ---------------------------------------------------------------------------

# One user: a row for each second with heart rate and movement, and an account of what was met on the way.
mmash_user <- function(user) {
  heart <- mmash_heart_rate(user)
  movement <- mmash_movement(user)
  data <- merge(heart$table, movement$table, by = "second")
  diary <- mmash_diary(user, data$second)
  asleep <- mmash_asleep(user, data$second)
  angle <- 2 * pi * data$second / 86400
  data$asleep <- if (is.null(asleep)) diary$sleeping else asleep
  data <- cbind(user = rep(basename(user), nrow(data)), data, as.data.frame(diary[c("effort", "eating", "screen")]),
    hour_cos = cos(angle), hour_sin = sin(angle), mmash_person(user)[rep(1, nrow(data)), ], row.names = NULL)
  account <- data.frame(user = basename(user), seconds = nrow(data), artefacts = heart$artefacts,
    repeated = movement$repeated, undated = diary$undated,
    asleep_from = if (is.null(asleep)) "diary" else "sleep.csv")
  list(data = data, account = account)
}

# All users: list(data, account). The account says, by user: seconds (rows), beats left out as artefacts, repeated
# seconds of the actigraph (the first counts), diary entries without start or end (not used), and where `asleep` is
# from.
read_mmash <- function(folder) {
  users <- lapply(mmash_users(folder), mmash_user)
  list(data = do.call(rbind, lapply(users, `[[`, "data")),
    account = do.call(rbind, lapply(users, `[[`, "account")))
}

# Means over the last seconds, within one user, of what was recorded in them: log1p of the movement, steps, and
# over five minutes postures (their shares; without one: none of them).
add_averages <- function(data) {
  data <- data[order(data$second), ]
  last <- seq_len(nrow(data))
  mean_of <- function(value, seconds) {
    before <- findInterval(data$second - seconds, data$second)
    sums <- c(0, cumsum(value))
    (sums[last + 1] - sums[before + 1]) / (last - before)
  }
  for (seconds in c(10, 60, 300, 900, 3600)) {
    data[[paste0("moved_", seconds)]] <- mean_of(log1p(data$magnitude), seconds)
    data[[paste0("steps_", seconds)]] <- mean_of(data$steps, seconds)
  }
  for (posture in c("standing", "sitting", "lying")) {
    data[[posture]] <- mean_of(as.numeric(data$posture %in% posture), 300)
  }
  data
}

# Rows that have all variables of a formula, and by user how many lack which: list(data, lacking).
mmash_complete <- function(data, formula) {
  variables <- all.vars(formula)
  gaps <- is.na(data[variables])
  lacking <- which(rowsum(gaps + 0, data$user) > 0, arr.ind = TRUE)
  counts <- rowsum(gaps + 0, data$user)
  list(data = data[rowSums(gaps) == 0, ], lacking = data.frame(user = rownames(counts)[lacking[, 1]],
    variable = variables[lacking[, 2]], rows = counts[lacking]))
}

# ---- the men as sites ---------------------------------------------------------------------------

men_formula <- heart_rate ~ log1p(magnitude) + steps + posture + asleep + hour_cos + hour_sin

# One split: one model for all, every man's own, and the hierarchy, on all held-out seconds.
men_table <- function(data, seed, K = 3, rounds = 10) {
  parts <- split_rows(data, seed)
  sources <- split(parts$train, parts$train$user)
  set.seed(seed)
  given <- do.call(rbind, lapply(sources, function(d) d[sample(nrow(d), ceiling(0.02 * nrow(d))), ]))
  start <- distmoe::moe(men_formula, given, K = K, keep = FALSE)
  pooled <- distmoe::moe(men_formula, parts$train, K = K, keep = FALSE)
  sites <- distmoe::moe_sites(men_formula, sources, start = start, information = TRUE)
  aggregate <- distmoe::moe_aggregate(sites, distmoe::moe_support(given, site = given$user))
  one <- distmoe::moe_hierarchy(sites)
  refined <- distmoe::moe_refine(one, sources, rounds = rounds)
  by_man <- split(parts$test, parts$test$user)
  own <- lapply(names(by_man), function(user) distmoe::moe_metrics(sites$models[[user]], by_man[[user]]))
  n <- vapply(own, function(m) m$n, 0)
  squares <- vapply(by_man, function(d) sum(d$heart_rate^2), 0)
  own <- data.frame(n = sum(n), loglik = sum(n * vapply(own, function(m) m$loglik, 0)) / sum(n),
    rpe = sum(squares * vapply(own, function(m) m$rpe, 0)) / sum(squares),
    rmse = sqrt(sum(n * vapply(own, function(m) m$rmse, 0)^2) / sum(n)))
  known <- function(h) distmoe::moe_metrics(h, parts$test, site = "user")
  all <- list(G = distmoe::moe_metrics(pooled, parts$test), R = distmoe::moe_metrics(aggregate, parts$test),
    own = own, hierarchy = known(one), hierarchy_rounds = known(refined))
  scores <- lapply(all, function(m) m[c("n", "loglik", "rpe", "rmse")])
  data.frame(seed = seed, K = K, sites = length(sources), estimator = names(scores), do.call(rbind, scores),
    row.names = NULL)
}

main <- function() {
  here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
  sys.source(file.path(here, "tools.R"), globalenv())
  sys.source(file.path(here, "real-data.R"), globalenv())
  one_thread()
  folder <- option("data", NULL)
  if (is.null(folder)) {
    stop("Say where the data are: data=FOLDER. They come from https://physionet.org/content/mmash/1.0.0/.")
  }
  read <- read_mmash(folder)
  print(read$account, row.names = FALSE)
  if (option("sites", "random") == "men") {
    table <- men_table(mmash_complete(read$data, mmash_formula)$data, as.numeric(option("seed", 1)))
    utils::write.csv(table, file.path(option("results", file.path(here, "results")), "mmash-men.csv"),
      row.names = FALSE)
    cat("\nThe men as sites, all held-out seconds:\n")
    print(table, digits = 4, row.names = FALSE)
    return(cat("done\n"))
  }
  averaged <- option("movement", "now") == "averaged"
  formula <- if (averaged) averaged_formula else mmash_formula
  data <- if (averaged) do.call(rbind, lapply(split(read$data, read$data$user), add_averages)) else read$data
  complete <- mmash_complete(data, formula)
  if (nrow(complete$lacking)) {
    cat("\nRows left out because a variable is missing:\n")
    print(complete$lacking, row.names = FALSE)
  }
  cat("\n", format(nrow(complete$data), big.mark = ","), " rows of ", length(unique(complete$data$user)),
    " users (the paper: 1,453,000 of 22)\n", sep = "")
  file <- file.path(option("results", file.path(here, "results")), if (averaged) "mmash-averaged.csv" else "mmash.csv")
  results <- run_seeds(complete$data, formula, seq_len(as.numeric(option("seeds", 1))), file)
  print(table_1(results), digits = 4, row.names = FALSE)
  cat("done\n")
}

if (sys.nframe() == 0L) main()
