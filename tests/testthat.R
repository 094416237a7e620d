library(testthat)
library(distmoe)

test_check("distmoe")
