# A measured table in place of the paper's Table 1, on data that everybody has: the flights that left New York
# City in 2013, joined with the hourly weather at their airport (package nycflights13, about 320,000 flights).
#
#   Rscript flights-weather.R [quick] [results=FOLDER] [seeds=5]
#
# The response is the time in the air (minutes), given distance, hour, season, airport and weather. As in Table 1 it
# is far from 0 and its error (SI) is less than a tenth of its mean, so that RPE and SI can be read as there.
# Rows: results/flights-weather.csv, columns as in real-data.R. `quick`: of 5,000 flights, one split, M = 2 and 4.

flights_formula <- air_time ~ poly(miles, 2) + hour + origin + season_cos + season_sin + temp + dewp +
  wind_east + wind_north + precip + visib

# Flights with their weather: those that arrived and whose hour has complete weather. Wind of no direction counts
# as calm where its speed is 0; other hours with an unknown direction ("variable") are left out.
flights_weather <- function(flights = nycflights13::flights) {
  flights <- as.data.frame(flights)
  weather <- as.data.frame(nycflights13::weather)
  hours <- c("origin", "month", "day", "hour")
  data <- merge(flights[!is.na(flights$air_time), c(hours, "air_time", "distance")],
    weather[c(hours, "temp", "dewp", "wind_dir", "wind_speed", "precip", "visib")], by = hours)
  direction <- ifelse(data$wind_speed == 0, 0, data$wind_dir) * pi / 180
  angle <- 2 * pi * (data$month - 0.5) / 12
  out <- data.frame(air_time = data$air_time, miles = data$distance / 1000, hour = data$hour,
    origin = factor(data$origin), season_cos = cos(angle), season_sin = sin(angle), temp = data$temp,
    dewp = data$dewp, wind_east = -data$wind_speed * sin(direction),
    wind_north = -data$wind_speed * cos(direction), precip = data$precip, visib = data$visib)
  out[stats::complete.cases(out), ]
}

main <- function() {
  here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
  sys.source(file.path(here, "tools.R"), globalenv())
  sys.source(file.path(here, "real-data.R"), globalenv())
  one_thread()
  flights <- nycflights13::flights
  if (quick) {
    set.seed(1)
    flights <- flights[sample(nrow(flights), 5000), ]
  }
  data <- flights_weather(flights)
  cat(format(nrow(data), big.mark = ","), "flights with weather\n")
  file <- file.path(option("results", file.path(here, "results")), "flights-weather.csv")
  seeds <- seq_len(as.numeric(option("seeds", if (quick) 1 else 5)))
  results <- run_seeds(data, flights_formula, seeds, file, machines = if (quick) c(2, 4) else c(64, 128))
  print(table_1(results), digits = 4, row.names = FALSE)
  cat("done\n")
}

if (sys.nframe() == 0L) main()
