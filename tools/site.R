# Builds the web site into _build/site, without internet: reference, articles, news. Run by `make site`, with the
# package installed. Formulas become MathML, which browsers draw without a script.

options(pkgdown.internet = FALSE)
site <- "_build/site"
unlink(site, recursive = TRUE)

# TeX to MathML, all of it in one call of pandoc. `display`: in a line of its own?
mathml <- function(tex, display) {
  mark <- ifelse(display, "$$", "$")
  input <- tempfile(fileext = ".md")
  writeLines(paste0(mark, trimws(tex), mark, "\n"), input)
  html <- paste(system2("pandoc", c("--from", "markdown", "--to", "html", "--mathml", shQuote(input)), stdout = TRUE),
    collapse = "\n")
  out <- regmatches(html, gregexpr("(?s)<math.*?</math>", html, perl = TRUE))[[1]]
  if (length(out) != length(tex)) stop("pandoc gave ", length(out), " formulas for ", length(tex), ".")
  out
}

plain_text <- function(html) {
  for (pair in list(c("&lt;", "<"), c("&gt;", ">"), c("&quot;", "\""), c("&#39;", "'"), c("&amp;", "&"))) {
    html <- gsub(pair[1], pair[2], html, fixed = TRUE)
  }
  html
}

# Formulas as pkgdown leaves them: \( \), \[ \] in spans (articles), \( \) and $$ $$ in the text (reference). Code is
# not looked at.
formula_pattern <- paste0("(?s)<(pre|code|script|style|math)\\b.*?</\\g1>(*SKIP)(*FAIL)|",
  "<span class=\"math (?:inline|display)\">.*?</span>|\\\\\\(.*?\\\\\\)|\\$\\$.*?\\$\\$")

write_formulas <- function(file) {
  html <- paste(readLines(file, encoding = "UTF-8", warn = FALSE), collapse = "\n")
  at <- gregexpr(formula_pattern, html, perl = TRUE)
  found <- regmatches(html, at)[[1]]
  if (!length(found)) return(0)
  inner <- sub("(?s)^<span[^>]*>(.*)</span>$", "\\1", found, perl = TRUE)
  display <- grepl("^(\\$\\$|\\\\\\[)", inner)
  regmatches(html, at) <- list(mathml(plain_text(gsub("^(\\$\\$|\\\\[[(])|(\\$\\$|\\\\[])])$", "", inner)), display))
  writeLines(html, file, useBytes = TRUE)
  length(found)
}

pkgdown::build_site(".", preview = FALSE, install = FALSE, new_process = FALSE, devel = FALSE)

file.copy("vignettes/math.css", site)
files <- list.files(site, "[.]html$", recursive = TRUE, full.names = TRUE)
count <- vapply(files, write_formulas, 0)
cat(sum(count), "formulas in", sum(count > 0), "of", length(files), "pages\n")

# Nothing may be loaded from elsewhere.
text <- vapply(files, function(f) paste(readLines(f, warn = FALSE), collapse = "\n"), "")
loads <- grepl("<(script|img|iframe)[^>]*src=\"(https?:)?//|<link[^>]*href=\"(https?:)?//", text, perl = TRUE)
loads <- loads | grepl("class=\"math ", text, fixed = TRUE)
if (any(loads)) stop("Pages that need the internet: ", paste(files[loads], collapse = ", "))
cat("The site is in ", site, "/index.html\n", sep = "")
