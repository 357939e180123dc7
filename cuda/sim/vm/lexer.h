// Tokens of PTX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vm {

struct Token {
  enum Kind : uint8_t { End, Word, Directive, Integer, Float32, Float64, String, Mark };
  Kind kind = End;
  int line = 0;
  std::string_view text;  // Word: opcodes with all their modifiers, registers, names; Directive: with its dot
  uint64_t value = 0;     // numbers: two's complement or bits
  std::string unquoted;   // String
  bool is(char c) const { return kind == Mark && text[0] == c; }
  bool is(std::string_view s) const { return (kind == Word || kind == Directive) && text == s; }
};

// tokenize throws LoadError on characters and numbers that PTX does not have. The result ends with an End token.
std::vector<Token> tokenize(std::string_view text);

}  // namespace vm
