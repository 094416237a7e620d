# Masked sums by file: a site's answer, and what the centre makes of all.

# ---- at a site -------------------------------------------------------------------------------

# What masks of this exchange are made for: everybody must mean the same message and the same sites.
mask_context <- function(origin, among) {
  c("study", origin$study, "message", origin$request, "among", sort(among, method = "radix"))
}

agreement_key <- function(registry, site) {
  hex_text(public_parts(registry$members$key[match(site, registry$members$site)])$agree)
}

# Seeds that `site` shares with others, by their public keys.
seeds_with <- function(secret, registry, site, others, context) {
  own <- agreement_key(registry, site)
  public <- vapply(others, function(other) agreement_key(registry, other), "")
  stats::setNames(lapply(public, function(other) pair_seed(secret$agree, own, other, context)), public)
}

# Those of the first exchange, else all sites of the registry.
masked_among <- function(model, registry, site) {
  among <- if (is.null(model$rounds)) registry_sites(registry) else model$rounds$sites$site
  unknown <- setdiff(among, registry_sites(registry))
  if (length(unknown)) {
    input_error("Sites of the rounds are not in the registry: {.val {shown_names(unknown)}}.",
      i = "Masks need everybody's key: have the centre register them.")
  }
  if (!site %in% among) input_error("The rounds are without site {.val {shown_names(site)}}.")
  if (length(among) < 2) input_error("Masked sums need two sites or more: of one site the total is its own.")
  among
}

# Whose masks; NULL: none are asked for.
open_masks <- function(masked, key, registry, log, site) {
  if (!check_flag(masked, "masked")) {
    if (!is.null(key) || !is.null(registry)) {
      input_error("{.arg key} and {.arg registry} go with {.code masked = TRUE}; {.fn write_moe} takes them to sign.")
    }
    return(NULL)
  }
  if (is.null(key) || is.null(registry)) {
    input_error("Masks need {.arg key}, the own secret file, and {.arg registry}, which has the keys of the others.")
  }
  trust <- open_trust(registry, log)
  secret <- read_secret(key)
  member <- own_member(secret, trust$registry, key)
  if (member$role != "site") input_error("Sums are sites', and {.arg key} is the centre's.")
  if (!is.null(site) && site != member$site) {
    input_error("{.arg site} is {.val {shown_names(site)}}, and the registry's name for {.arg key} is
      {.val {shown_names(member$site)}}.")
  }
  list(trust = trust, secret = secret, site = member$site)
}

# The answer with masks in the place of sums.
masked_answer <- function(answer, model, who) {
  origin <- attr(answer, "asked")
  if (is.null(origin)) refuse_unasked()
  registry <- who$trust$registry
  among <- masked_among(model, registry, answer$site)
  origin$request <- origin$checksum
  seeds <- seeds_with(who$secret, registry, answer$site, setdiff(among, answer$site), mask_context(origin, among))
  numbers <- if (is.null(answer$moments)) sum_numbers(answer$sums)
    else moment_numbers(answer$moments$moments)
  answer$masked <- list(among = among, dropped = if (is.null(answer$moments)) 0L else answer$moments$dropped,
    values = masked_numbers(numbers, agreement_key(registry, answer$site), seeds))
  answer[c("moments", "sums")] <- list(NULL)
  answer
}

# A second, different answer to one message under the same masks would tell what lies between the two.
check_first_answer <- function(message, sender) {
  if (is.null(message$tree$masked)) return(invisible())
  if (is.null(sender)) {
    input_error("A masked answer is sent signed.", i = "Give {.arg key} and {.arg registry}.")
  }
  if (is.null(sender$trust$log)) {
    input_error("Masked answers need a log: two of them to one message would tell their difference.")
  }
  lines <- sender$trust$lines
  before <- lines$checksum[lines$event == "sent" & lines$site == shown_text(sender$site, 300L) &
    lines$kind == "statistics" & lines$answers == sender$answers]
  if (all(before == message_checksum(message$tree))) return(invisible())
  input_error("This message of the centre was answered before, with other sums: the difference of two masked answers is
    not hidden.", i = "Have the centre send the model anew, with the next exchange, and answer that.")
}

# ---- at the centre ---------------------------------------------------------------------------

agreed_among <- function(messages) {
  masked <- !vapply(messages, function(m) is.null(m$masked), NA)
  if (!all(masked)) {
    bare <- shown_names(names(messages)[!masked])
    input_error("Masked and plain answers do not add; these are not masked: {.val {bare}}.",
      i = "Ask all sites anew, with the next exchange, for answers of one kind.")
  }
  among <- lapply(messages, function(m) sort(m$masked$among, method = "radix"))
  other <- !vapply(among, identical, NA, among[[1]])
  if (any(other)) {
    input_error("Answers are masked among other sites: {.val {shown_names(names(messages)[other])}} and
      {.val {shown_names(names(messages)[1])}} differ.", i = "Have all take the same edition of the registry.")
  }
  among[[1]]
}

# What all sites' answers add up to, with the sites that are missing and were recovered: list(total, lost).
masked_total <- function(model, messages, seeds, registry) {
  among <- agreed_among(messages)
  if (is.null(registry)) input_error("Masked answers are read with the {.arg registry} alone, and from files.")
  missing <- setdiff(among, names(messages))
  left <- list()
  for (site in names(messages)) {
    told <- seeds[[site]]$seeds
    if (length(missing) && !setequal(names(told), missing)) {
      input_error("The masks of {.val {shown_names(missing)}}, of which no answer came, are in the total.",
        x = "{.val {shown_names(site)}} has not revealed the seeds that it shares with {?it/them}.",
        i = "{.fn moe_recovery} asks the sites for them; or wait for the answers that lack.",
        class = "moe_masks_left")
    }
    for (other in missing) {
      left[[agreement_key(registry, other)]][[agreement_key(registry, site)]] <- hex_bytes(told[[other]])
    }
  }
  total <- unmasked_sum(lapply(messages, function(m) m$masked$values), left)
  list(total = checked_total(model, messages, total), lost = missing)
}

# The total is what a message's moments or sums would be, and is checked like these.
checked_total <- function(model, messages, total) {
  schema <- model$schema
  shape <- list(p = length(schema$expert$columns), q = length(schema$gate$columns), K = model$K,
    parts = count_parts(schema), family = model$family$family)
  again <- function(tree) jsonlite::parse_json(json_text(tree))
  n <- sum(vapply(messages, function(m) m$counts$n, 0))
  tryCatch({
    if (is.null(model$rounds)) {
      place <- function(part) max(match("(Intercept)", schema[[part]]$columns), 0L, na.rm = TRUE)
      moments <- c(list(x_intercept = place("expert"), z_intercept = place("gate"), n = n, dropped = 0),
        total_moments(total, shape$p, shape$q))
      return(take_moments(again(fields_tree(moments, "moments")), "moments", shape))
    }
    sums <- total_sums(total, nothing_finite(shape))
    if (sums$log_lik == -Inf) return(nothing_finite(shape))
    out <- take_sums(again(fields_tree(sums, "sums")), "sums", shape)
    if (out$rows < n) bad_field("sums.rows", "must be all rows or more, ", n)
    out
  }, moe_bad_field = function(e) {
    input_error("The masked answers do not add up: some site masked for another message, with another key or other
      sites, or sent what is not true; nothing was changed.", x = "Of the total {.field {e$field}}
      {conditionMessage(e)}.", i = "Send the model anew, with the next exchange.")
  })
}
