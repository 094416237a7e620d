# Messages as trees, and forged ones whose checksum is right.

message_of <- function(fit, site = "A", information = TRUE) {
  jsonlite::parse_json(moe_message(fit, site, information)$text)
}

# `checksum` FALSE: leave the one that the tree has.
forge <- function(tree, file = tempfile(fileext = ".json"), checksum = TRUE) {
  writeLines(if (checksum) message_file_text(tree) else json_text(tree), file, useBytes = TRUE)
  file
}

# The places of all pieces of a tree.
tree_places <- function(tree, at = list()) {
  if (!is.list(tree)) return(list(at))
  keys <- utils::head(seq_along(tree), if (is.null(names(tree))) 2 else Inf)
  c(list(at), unlist(lapply(keys, function(i) tree_places(tree[[i]], c(at, i))), recursive = FALSE))
}

tree_get <- function(tree, at) {
  for (i in at) tree <- tree[[i]]
  tree
}

tree_set <- function(tree, at, value) {
  if (!length(at)) return(value)
  tree[at[[1]]] <- list(tree_set(tree[[at[[1]]]], at[-1], value))
  tree
}

# Environments apart, which can't be the same.
without_environments <- function(model) {
  bare <- function(terms) {
    environment(terms) <- globalenv()
    terms
  }
  s <- model$schema
  if (s$kind == "formula") {
    s$frame <- bare(s$frame)
    s$expert$terms <- bare(s$expert$terms)
    s$gate$terms <- bare(s$gate$terms)
  }
  model$schema <- s
  model[c("family", "call", "rows", "behind")] <- NULL
  model$record$own_knots <- NULL
  model$information$meat <- NULL
  fields <- Filter(Negate(is.null), unclass(model))
  fields[sort(names(fields))]
}
