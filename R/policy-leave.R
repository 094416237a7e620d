# The one gate by which numbers about a site's rows leave it: the check, the ledger, a person's yes.

# `messages`: a list of moe_message; `policies`: one for each. All are checked before any leaves.
let_leave <- function(messages, policies, what = "The model") {
  faults <- Map(function(m, policy) c(disclosure_faults(m$counts, policy), ledger_faults(m$counts, policy)),
    messages, policies)
  bad <- which(lengths(faults) > 0)
  if (length(bad)) refuse_disclosure(faults[[bad[1]]], policies[[bad[1]]], what(bad))
  for (i in seq_along(messages)) {
    m <- messages[[i]]
    if (policies[[i]]$ask) ask_person(m)
    note_in_ledger(m$counts, policies[[i]], m$tree$kind, m$tree$site)
  }
}

ask_person <- function(message) {
  print(message)
  answer <- person_says("Shall this leave the site? Write yes or no: ")
  if (is.null(answer)) {
    input_error("The policy of the site asks for a person's yes, and there is no terminal to ask at.",
      i = "Write the message in a session of R, or by the command line at a terminal.")
  }
  if (identical(tolower(trimws(answer)), "yes")) return(invisible())
  input_error("A person was asked, and did not say yes: nothing is written.")
}

# NULL: nobody is there.
person_says <- function(question) {
  if (interactive()) return(readline(question))
  if (!isatty(stdin())) return(NULL)
  cat(question)
  from <- file("stdin")
  on.exit(close(from))
  readLines(from, 1)
}

# What goes from a site to who called, without a message: held to the policy only where the site has a file.
# `counts`: a function, as it costs passes over the rows.
pass_policy <- function(counts, policy, what, site = "") {
  faults <- c(disclosure_faults(counts, policy), ledger_faults(counts, policy))
  refuse_disclosure(faults, policy, what)
  if (policy$ask) {
    input_error("The policy of the site asks for a person's yes to each message, so it answers by files alone.",
      i = "Use {.fn write_moe} at the site.")
  }
  note_in_ledger(counts, policy, "answer", site)
}

# The fingerprints of the rows of weight above 0 of a data frame, or of a source that is read in chunks. `frame`: the
# model frame, which says by its row names what rows of a data frame were used. NULL where the site keeps no ledger.
rows_told <- function(schema, data, frame, weights, folder) {
  if (schema$kind != "formula" || !site_has_policy(folder)) return(NULL)
  policy <- policy_in_force(folder = folder)
  if (is.null(policy$ledger)) return(NULL)
  key <- ledger_key(policy$ledger)
  names <- sort(unique(c(schema$response_variables, schema$needs, weights)))
  if (is_source(data)) {
    found <- NULL
    source_visit(data, function(chunk) found <<- add_prints(found, prints_of(chunk, names, weights, policy$id, key)),
      unique(c(names, policy$id)))
  } else {
    if (!is.null(frame)) data <- data[match(attr(frame, "row.names"), attr(data, "row.names")), , drop = FALSE]
    found <- prints_of(data, names, weights, policy$id, key)
  }
  found
}
