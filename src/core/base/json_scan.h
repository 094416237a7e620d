// A first look at text that claims to be JSON: one pass, whatever the bytes are, that says what a parser would
// have to work through.
#ifndef DISTMOE_BASE_JSON_SCAN_H
#define DISTMOE_BASE_JSON_SCAN_H

#include <cstddef>

namespace distmoe {

struct JsonScan {
  std::size_t depth = 0;    // brackets within brackets, at most
  std::size_t marks = 0;    // brackets and commas outside strings: values and arrays, about
  std::size_t crowd = 0;    // different strings in one place of the parser's table of strings, at most
  std::size_t escaped = 0;  // strings with \u escapes, whose place is not known here
  bool open = false;        // the text ends within a string
  bool strange = false;     // there is something outside strings that no JSON has: a comment, say, which parsers allow
};

// R keeps all strings in one table of chains, by a hash (Bernstein's, times 33) that anybody can aim at: strings
// that are made to share a chain cost time with the square of their number. `crowd` counts, for every value of the
// hash's last 16 bits, strings that differ from the one before them there.
JsonScan scan_json(const char* text, std::size_t size);

}  // namespace distmoe

#endif
