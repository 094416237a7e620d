# The site's own policy: what may leave it, in a file that whoever calls the package can't relax.

#' What may leave a site: its policy
#'
#' A policy says what a site's messages may tell: how many rows must stand behind each number, which formulas and
#' sums are allowed, how often it answers. It is the site's own: a file of text (JSON) that the person in charge of
#' the data writes once. Whoever calls [write_moe()] or the command line can be stricter, and not less strict.
#'
#' @section Where it is found:
#' A file named by the environment variable `DISTMOE_POLICY`; one named by the option `distmoe.policy`; and
#' `distmoe-policy.json` in the folder of the data, where these are files ([moe_source()], `distmoe fit --data`).
#' Where several are found, of each field the strictest holds. Without any the defaults below hold for what is written,
#' and the arguments of [write_moe()] may set other limits. With one, it also holds for what [moe_sites()] and
#' [moe_refine()] give from rows in the session or worker that sees the file: a site that fails it has the status
#' `"failed"`, with the reasons.
#'
#' @section Rules:
#' All reasons are said at once. A number that is 0 or 1 (`parameters_per_row`: `Inf`) asks for nothing.
#' * `rows`: rows of weight above 0.
#' * `effective_rows`: with case weights w, their effective number \eqn{(\sum w)^2 / \sum w^2} (Kish).
#' * `expert_rows`: rows behind each expert, \eqn{(\sum w r)^2 / \sum w^2 r} with r the responsibilities: without
#'   weights their sum.
#' * `column_rows`: rows behind each column, level and class. Of a column these are the rows whose value is not about
#'   the usual one (outside of the fullest two of 128 equal parts of its range): of a 0/1 column those of the rarer
#'   value. A column or level of no row at all tells of nobody and is allowed. Nor may a combination of columns be one
#'   row's: leverages \eqn{w_i x_i' (X'WX)^{-1} x_i} stay below 0.99, and below 0.5 over the columns of two values
#'   (factors, comparisons).
#' * `parameters_per_row`: parameters, divided by rows; 0.33 as in DataSHIELD.
#' * `floor_experts`: may an expert's variance be held at the floor, or the expert be degenerate? Its rows lie on its
#'   line.
#' * `own_knots`: may `ns()` and `bs()` have boundary knots that the site's own rows decided? They are the smallest and
#'   the largest value. `ns(age, 3, Boundary.knots = c(20, 90))` or a common start avoid that.
#' * `rare_levels`: `"refuse"`, or the name of a level, such as `"other"`, that rows of levels with fewer than
#'   `column_rows` rows at the site are put into before [moe_sites()] and [moe_statistics()] see them (a factor of a
#'   start must have it).
#' * `round_rows`: numbers of rows are rounded up to multiples of this in the messages of models. Sums (`share`,
#'   `information`, rounds) still tell them.
#' * `formulas`, `functions`: NULL (all), or the formulas of experts and gates that may be fitted, as text, and the
#'   functions that may be in one (`"log"`, `":"`, `"+"`, ...).
#' * `share`: what may go with a model: `"x"`, `"moments"`, `"gates"` (see [moe_sites()]), `"information"`, and
#'   `"rounds"`, sums for rounds ([moe_statistics()], [moe_refine()]).
#' * `exchanges`: messages that may leave about the same rows; counted in the ledger.
#' * `ledger`: a file, in the policy's folder if it has no other: see [moe_ledger()]. NULL: none.
#' * `id`: NULL, or the column of the data that says which rows are one person's, for the ledger.
#' * `ask`: must a person say yes to each message? They are shown it and asked at the terminal; where there is none,
#'   nothing is written.
#'
#' @param file NULL, or the name of a policy file to be read.
#' @param rows,effective_rows,expert_rows,column_rows,parameters_per_row,floor_experts,own_knots,rare_levels,round_rows
#'   See the rules.
#' @param formulas,functions,share,exchanges,ledger,id,ask See the rules.
#' @param write NULL, or the name of a file to write the policy to.
#' @param overwrite TRUE: an existing file is replaced.
#' @param x A policy.
#' @param ... Not used.
#' @return A list of class `moe_policy` with these fields, and `files`, where it was found. `moe_policy()` without
#'   arguments gives the policy in force, or the defaults. Errors name file and field.
#' @seealso [write_moe()], [moe_ledger()]
#' @examples
#' file <- file.path(tempdir(), "distmoe-policy.json")
#' moe_policy(rows = 100, formulas = "log(stay) ~ age + sex", write = file, overwrite = TRUE)
#' moe_policy(file)
#' # In force for this session, as DISTMOE_POLICY in the environment would make it for all:
#' old <- options(distmoe.policy = file)
#' moe_policy()$rows
#' options(old)
#' @export
moe_policy <- function(file = NULL, rows = 50, effective_rows = 30, expert_rows = 10, column_rows = 10,
                       parameters_per_row = 0.33, floor_experts = FALSE, own_knots = FALSE, rare_levels = "refuse",
                       round_rows = 1, formulas = NULL, functions = NULL,
                       share = c("x", "moments", "gates", "information", "rounds"), exchanges = 100,
                       ledger = "distmoe-ledger.txt", id = NULL, ask = FALSE, write = NULL, overwrite = FALSE) {
  if (!nargs()) return(policy_in_force())
  if (!is.null(file)) return(read_policy(file))
  policy <- new_policy(mget(names(policy_fields)), "the arguments")
  if (is.null(write)) return(policy)
  write_policy(policy, write, check_flag(overwrite, "overwrite"))
  read_policy(write)
}

#' @rdname moe_policy
#' @export
print.moe_policy <- function(x, ...) {
  shown <- vapply(names(policy_fields), function(name) {
    v <- x[[name]]
    if (is.null(v)) if (name %in% c("formulas", "functions")) "all" else "none"
    else if (is.logical(v)) if (v) "yes" else "no"
    else toString(v)
  }, "")
  cat("Policy of the site", if (length(x$files)) paste0(" (", paste(shown_names(x$files), collapse = ", "), ")")
    else " (no file: the package's defaults)", "\n", sep = "")
  words <- vapply(policy_fields, function(f) f$words, "")
  cat(paste0("  ", format(names(policy_fields)), "  ", format(words), "  ", shown, "\n"), sep = "")
  invisible(x)
}
