# The reader of the MMASH data (inst/paper/mmash.R), on small files in exactly the published format.

mmash <- function() {
  file <- system.file("paper", "mmash.R", package = "distmoe")
  skip_if(file == "", "inst/paper is not installed")
  env <- new.env(parent = globalenv())
  sys.source(file, env)
  env
}

actigraph_head <- paste0(",Axis1,Axis2,Axis3,Steps,HR,Inclinometer Off,Inclinometer Standing,",
  "Inclinometer Sitting,Inclinometer Lying,Vector Magnitude,day,time")
sleep_head <- paste0(",In Bed Date,In Bed Time,Out Bed Date,Out Bed Time,Onset Date,Onset Time,Latency,Efficiency,",
  "Total Minutes in Bed,Total Sleep Time (TST),Wake After Sleep Onset (WASO),Number of Awakenings,",
  "Average Awakening Length,Movement Index,Fragmentation Index,Sleep Fragmentation Index")
questionnaire_head <- paste0(",MEQ,STAI1,STAI2,Pittsburgh,Daily_stress,BISBAS_bis,BISBAS_reward,BISBAS_drive,",
  "BISBAS_fun,panas_pos_10,panas_pos_14,panas_pos_18,panas_pos_22,panas_pos_9+1,panas_neg_10,panas_neg_14,",
  "panas_neg_18,panas_neg_22,panas_neg_9+1")

# A folder as it is unpacked: MMASH/DataPaper/user_<n>. Changes: list(file = lines), NULL removes the file.
mmash_folder <- function(users, env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  for (name in names(users)) {
    path <- file.path(folder, "MMASH", "DataPaper", name)
    dir.create(path, recursive = TRUE)
    files <- users[[name]]
    for (file in names(files)) if (!is.null(files[[file]])) writeLines(files[[file]], file.path(path, file))
  }
  folder
}

# Seconds 23:59:58 of the first day to 00:00:02 of the second.
usual_user <- function(second_day = "2", ...) {
  files <- list(
    RR.csv = c(",ibi_s,day,time", "0,0.5,1,23:59:58", "1,0.7,1,23:59:58", "2,9.9,1,23:59:59", "3,0.8,1,23:59:59",
      paste0("4,1.25,", second_day, ",00:00:01"), paste0("5,0.1,", second_day, ",00:00:01")),
    Actigraph.csv = c(actigraph_head, "0,157,464,496,3,79,0,1,0,0,697.0,1,23:59:58",
      "1,0,0,0,0,80,0,0,0,1,0.0,1,23:59:59",
      paste0("2,5,6,7,0,81,1,0,0,0,10.49,", second_day, ",00:00:00"),
      paste0("3,5,6,7,0,81,0,0,1,0,10.49,", second_day, ",00:00:01"),
      paste0("4,5,6,7,0,81,0,0,1,0,10.49,", second_day, ",00:00:02")),
    sleep.csv = c(sleep_head, paste0("0,1,23:50,", second_day, ",07:30,", second_day,
      ",00:00,10,88.06,460,405,55,13,4.23,10.1,7.69,17.8")),
    saliva.csv = c(",SAMPLES,Cortisol NORM,Melatonin NORM", "0,before sleep,0.0447,1.74e-08",
      "1,wake up,0.1566,6.74e-09"),
    questionnaire.csv = c(questionnaire_head, "0,47,27,36,5,20,15,14,9,6,35,36,30,29,33,14,13,10,11,12"),
    user_info.csv = c(",Gender,Weight,Height,Age", "0,M,65,169,29"),
    Activity.csv = c(",Activity,Start,End,Day", "0,3,10:00,23:59,1", "1,4,23:59,24:00,1", "2,8,23:59,00:01,1",
      "3,7,,,1"))
  utils::modifyList(files, list(...))
}

test_that("heads are those of the published files", {
  # Sizes of published files that hold the header alone, or the header and a row.
  expect_equal(nchar(sleep_head) + 1L, 273L)
  expect_equal(sum(nchar(usual_user()$user_info.csv) + 1L), 40L)
})

test_that("times are seconds from the first midnight; the second day may have a negative number", {
  env <- mmash()
  expect_equal(env$mmash_clock(c(1, 2, -29, 1, 1), c("00:00:01", "00:01", "10:00:00", "24:00", " 9:05:07"), "f"),
    c(1, 86460, 86400 + 36000, 86400, 9 * 3600 + 307))
  expect_equal(env$mmash_clock(numeric(), character(), "f"), numeric())
  expect_error(env$mmash_clock(c(1, 3), c("10:00", "10:00"), "x/RR.csv"), "x/RR.csv', row 2: day '3', time '10:00'")
  expect_error(env$mmash_clock(1, "10.30", "f"), "time '10.30'")
  expect_error(env$mmash_clock(1, "24:01", "f"), "'24:01' is after 24:00")
})

test_that("heart rate is 60 over the mean interval of a second; long intervals cover the second before", {
  env <- mmash()
  user <- env$mmash_users(mmash_folder(list(user_1 = usual_user())))
  heart <- env$mmash_heart_rate(user)
  midnight <- 86400
  expect_equal(heart$table$second, midnight + c(-2, -1, 0, 1))
  expect_equal(heart$table$heart_rate, 60 / c(0.6, 0.8, 1.25, 1.25))
  expect_equal(heart$artefacts, 2L)
})

test_that("a user's rows join heart, movement, diary, sleep and person by the second", {
  env <- mmash()
  for (second_day in c("2", "-29")) {
    user <- env$mmash_users(mmash_folder(list(user_1 = usual_user(second_day))))
    read <- env$mmash_user(user)
    d <- read$data
    expect_equal(d$second, 86400 + c(-2, -1, 0, 1))
    expect_equal(as.character(d$posture), c("standing", "lying", "off", "sitting"))
    expect_equal(d$magnitude, c(697, 0, 10.49, 10.49))
    expect_equal(d$steps, c(3, 0, 0, 0))
    expect_equal(d$asleep, c(FALSE, FALSE, TRUE, TRUE))
    # Light movement ends at 24:00, the screen goes on until 00:01 of the next day.
    expect_equal(as.character(d$effort), c("light", "light", "none", "none"))
    expect_equal(d$screen, rep(TRUE, 4))
    expect_false(any(d$eating))
    expect_equal(unique(d$age), 29)
    expect_equal(unique(d$stai1), 27)
    expect_equal(unique(d$cortisol_wake), 0.1566)
    expect_equal(read$account$undated, 1L)
    expect_equal(read$account$asleep_from, "sleep.csv")
  }
})

test_that("users without sleep or saliva, and with unknown age, are read, and the account says so", {
  env <- mmash()
  folder <- mmash_folder(list(user_10 = usual_user(), user_2 = usual_user(saliva.csv = NULL, sleep.csv = sleep_head,
    user_info.csv = c(",Gender,Weight,Height,Age", "0,M,65,169,0"),
    Activity.csv = c(",Activity,Start,End,Day", "0,1,23:59,00:10,1"))))
  read <- env$read_mmash(folder)
  expect_equal(read$account$user, c("user_2", "user_10"))
  expect_equal(read$account$asleep_from, c("diary", "sleep.csv"))
  expect_true(all(read$data$asleep[read$data$user == "user_2"]))
  expect_true(all(is.na(read$data$melatonin_wake[read$data$user == "user_2"])))
  complete <- env$mmash_complete(read$data, env$mmash_formula)
  expect_equal(unique(complete$data$user), "user_10")
  expect_equal(complete$lacking, data.frame(user = "user_2", variable = "age", rows = 4))
  expect_equal(nrow(complete$data) + 4, nrow(read$data))
})

test_that("rows of no or two postures have none; repeated seconds count once", {
  env <- mmash()
  lines <- c(actigraph_head, "0,1,2,3,0,79,0,0,0,0,5.0,1,23:59:58", "1,1,2,3,0,79,1,0,1,0,5.0,1,23:59:59",
    "2,9,9,9,0,79,0,1,0,0,5.0,1,23:59:59")
  movement <- env$mmash_movement(env$mmash_users(mmash_folder(list(user_1 = usual_user(Actigraph.csv = lines)))))
  expect_true(all(is.na(movement$table$posture)))
  expect_equal(movement$table$axis1, c(1, 1))
  expect_equal(movement$repeated, 1L)
})

test_that("what is wrong with a folder or a file is named", {
  env <- mmash()
  expect_error(env$mmash_users(withr::local_tempdir()), "No folder user_1")
  read <- function(...) env$read_mmash(mmash_folder(list(user_1 = usual_user(...))))
  expect_error(read(RR.csv = NULL), "user_1/RR.csv' is missing")
  expect_error(read(RR.csv = c(",ibi,day,time", "0,0.5,1,10:00:00")),
    "has no column 'ibi_s'; it has 'ibi', 'day', 'time'")
  expect_error(read(Activity.csv = c(",Activity,Start,End,Day", "0,3,10:00,25:00,1")), "Activity.csv', row 1.*25:00")
})

test_that("the whole way from files to Table 1", {
  env <- mmash()
  withr::local_options(width = 80, warn = 0, distmoe.threads = 1L)
  withr::local_seed(1)
  users <- lapply(1:6, function(u) {
    n <- 250
    time <- sprintf("10:%02d:%02d", seq_len(n) %/% 60, seq_len(n) %% 60)
    lying <- stats::runif(n) < 0.5
    force <- round(ifelse(lying, 5, 300) * stats::rexp(n))
    ibi <- round(60 / (60 + 5 * u + ifelse(lying, 0, 10 + 5 * log1p(force)) + stats::rnorm(n, 0, 3)), 3)
    files <- usual_user()
    files$RR.csv <- c(files$RR.csv[1], paste(seq_len(n), ibi, 1, time, sep = ","))
    files$Actigraph.csv <- c(actigraph_head, paste(seq_len(n), force, round(force * stats::runif(n)),
      round(force * stats::runif(n)), stats::rpois(n, 1), 70, 0, 1 - lying, 0, 1 * lying, force, 1, time, sep = ","))
    files$user_info.csv[2] <- paste0("0,M,", 60 + 3 * u, ",", 170 + u^2, ",", 20 + u)
    files
  })
  names(users) <- paste0("user_", 1:6)
  # tools.R reads the command line and sets options: all in an environment of its own.
  suppressWarnings({
    sys.source(system.file("paper", "tools.R", package = "distmoe"), env)
    sys.source(system.file("paper", "real-data.R", package = "distmoe"), env)
  })
  data <- env$read_mmash(mmash_folder(users))$data
  expect_equal(nrow(data), 1500L)
  formula <- heart_rate ~ log1p(magnitude) + axis2 + axis3 + steps + posture + weight
  data$posture <- droplevels(data$posture)
  table <- suppressWarnings(env$real_table(data, formula, 1, K = 2, machines = 2, stamp = "test"))
  expect_setequal(table$estimator, c("G", "lm", "R_pointwise", "R_component", "R_round"))
  expect_true(all(table$error == ""))
  expect_equal(table$N, rep(1200, nrow(table)))
  one <- table[table$estimator == "lm", ]
  parts <- env$split_rows(data, 1)
  error <- parts$test$heart_rate - stats::predict(stats::lm(formula, parts$train), parts$test)
  expect_equal(one$rpe, sum(error^2) / sum(parts$test$heart_rate^2))
  expect_equal(one$si, sqrt(mean(error^2)) / mean(parts$test$heart_rate))
  expect_true(all(table$rmse < 1.1 * one$rmse))
})
