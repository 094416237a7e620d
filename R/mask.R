# Masks that cancel: every two sites add and subtract the same random numbers, so that of what a site sends nothing is
# known, and of the sum all. Numbers are integers of 256 bits (src/core/base/fixed_point.h), 32 bytes each.

bytes_a_number <- 32

# Beyond, sums of many sites might not fit.
largest_masked <- 2^112

# HKDF of RFC 5869 on SHA-256, one block.
hkdf_bytes <- function(secret, salt, info) {
  key <- hmac_bytes(secret, salt)
  hmac_bytes(c(info, as.raw(1)), key)
}

hmac_bytes <- function(bytes, key) as.raw(unclass(openssl::sha256(bytes, key = key)))

# The order of two keys, whatever the language of the machine.
comes_first <- function(a, b) {
  differ <- which(utf8ToInt(a) != utf8ToInt(b))
  length(differ) > 0 && utf8ToInt(a)[differ[1]] < utf8ToInt(b)[differ[1]]
}

# What two sites know and nobody else, for one exchange alone. `secret`: own key of agreement; `own`, `other`: the
# public ones, 64 hexadecimal digits; `context` says of which exchange.
pair_seed <- function(secret, own, other, context) {
  shared <- openssl::x25519_diffie_hellman(secret, openssl::read_x25519_pubkey(hex_bytes(other)))
  pair <- if (comes_first(own, other)) c(own, other) else c(other, own)
  hkdf_bytes(shared, charToRaw("distmoe mask 1"), charToRaw(enc2utf8(paste(c(pair, context), collapse = "\n"))))
}

# `count` numbers that the seed stands for: AES-256 in counter mode. `number`: other ones for each.
mask_bytes <- function(seed, count, number = 0) {
  start <- c(as.raw(number %/% 256^(3:0) %% 256), raw(12))
  openssl::aes_ctr_encrypt(raw(bytes_a_number * count), seed, start)
}

# `values`: a matrix whose rows are numbers, each the sum of its columns. `seeds`: by the other sites' public keys.
masked_numbers <- function(values, own, seeds, number = 0) {
  out <- cpp_fixed_encode(values)
  if (is.null(out)) {
    input_error("A sum is not finite, or larger than 2^112 = {format(largest_masked)}: it can't be masked.",
      i = "Scale the columns, or divide the weights by a number.")
  }
  others <- names(seeds)
  masks <- lapply(seeds, mask_bytes, nrow(values), number)
  cpp_fixed_sum(c(list(out), masks), c(FALSE, !vapply(others, function(other) comes_first(own, other), NA)))
}

# The sum of what sites sent, as a matrix with a number a row, exact to twice a double's digits. `left`: of every site
# that is missing a list of the seeds that it shares with those that sent, by their public keys.
unmasked_sum <- function(sent, left = list()) {
  out <- cpp_fixed_sum(unname(sent), logical(length(sent)))
  for (missing in names(left)) for (own in names(left[[missing]])) {
    mask <- mask_bytes(left[[missing]][[own]], length(out) / bytes_a_number)
    out <- cpp_fixed_sum(list(out, mask), c(FALSE, comes_first(own, missing)))
  }
  cpp_fixed_decode(out)
}
