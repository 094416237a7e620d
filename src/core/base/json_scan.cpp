#include "base/json_scan.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace distmoe {

namespace {

struct Chain {
  const char* text = nullptr;
  std::size_t size = static_cast<std::size_t>(-1);
  std::uint32_t count = 0;
};

struct StringEnd {
  std::size_t at;      // of the closing quote, or the end of the text
  std::uint32_t hash;  // of what the string means
  bool unicode;        // the hash is not known
};

// What the character after a backslash means.
char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    default: return c;
  }
}

StringEnd string_end(const char* text, std::size_t from, std::size_t size) {
  StringEnd out{from, 5381, false};
  for (; out.at < size && text[out.at] != '"'; ++out.at) {
    char c = text[out.at];
    if (c == '\\') {
      if (++out.at == size) break;
      out.unicode = out.unicode || text[out.at] == 'u';
      c = unescaped(text[out.at]);
    }
    out.hash = 33 * out.hash + static_cast<std::uint32_t>(static_cast<signed char>(c));
  }
  return out;
}

}  // namespace

JsonScan scan_json(const char* text, std::size_t size) {
  JsonScan out;
  std::size_t depth = 0;
  std::vector<Chain> chains(1 << 16);
  for (std::size_t i = 0; i < size; ++i) {
    const char c = text[i];
    if (c == '"') {
      const StringEnd end = string_end(text, i + 1, size);
      if (end.at >= size) {
        out.open = true;
        return out;
      }
      const std::size_t length = end.at - i - 1;
      Chain& chain = chains[end.hash & 0xffff];
      if (end.unicode) {
        ++out.escaped;
      } else if (length != chain.size || std::memcmp(text + i + 1, chain.text, length) != 0) {
        chain.text = text + i + 1;
        chain.size = length;
        out.crowd = std::max<std::size_t>(out.crowd, ++chain.count);
      }
      i = end.at;
    } else if (c == '[' || c == '{') {
      ++out.marks;
      out.depth = std::max(out.depth, ++depth);
    } else if (c == ']' || c == '}') {
      ++out.marks;
      if (depth > 0) --depth;
    } else if (c == ',') {
      ++out.marks;
    } else if (c == 0 || std::strchr(": \t\r\n0123456789+-.eEtrufalsn", c) == nullptr) {
      out.strange = true;
      return out;
    }
  }
  return out;
}

}  // namespace distmoe
