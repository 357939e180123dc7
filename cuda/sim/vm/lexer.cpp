#include "lexer.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "ptx.h"

namespace vm {
namespace {

bool startsWord(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%'; }
bool continuesWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    tokens.reserve(text_.size() / 4);
    for (;;) {
      skipBlanks();
      tokens.push_back(next());
      if (tokens.back().kind == Token::End) return tokens;
    }
  }

 private:
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  void skipBlanks() {
    while (pos_ < text_.size()) {
      char c = text_[pos_];
      if (c == '\n') line_++, pos_++;
      else if (std::isspace(static_cast<unsigned char>(c))) pos_++;
      else if (c == '/' && at(pos_ + 1) == '/') while (pos_ < text_.size() && text_[pos_] != '\n') pos_++;
      else if (c == '/' && at(pos_ + 1) == '*') skipComment();
      else return;
    }
  }

  void skipComment() {
    int start = line_;
    for (pos_ += 2; !(at(pos_) == '*' && at(pos_ + 1) == '/'); pos_++) {
      if (pos_ >= text_.size()) failLoad(FaultKind::Syntax, start, "comment without end");
      if (text_[pos_] == '\n') line_++;
    }
    pos_ += 2;
  }

  Token next() {
    Token t;
    t.line = line_;
    if (pos_ >= text_.size()) return t;
    size_t start = pos_;
    char c = text_[pos_];
    if (startsWord(c)) {
      t.kind = Token::Word;
      word();
    } else if (c == '.' && startsWord(at(pos_ + 1))) {
      t.kind = Token::Directive;
      pos_++;
      while (continuesWord(at(pos_))) pos_++;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      return number();
    } else if (c == '"') {
      return string();
    } else if (std::strchr("{}()[]<>,;:@!|+-=*.~&^?/", c)) {
      t.kind = Token::Mark;
      pos_++;
    } else {
      failLoad(FaultKind::Syntax, line_, std::string("unexpected character '") + c + "'");
    }
    t.text = text_.substr(start, pos_ - start);
    return t;
  }

  // word takes an identifier and the .modifiers (or .x of a special register, ::x of cp.async) attached to it.
  void word() {
    pos_++;
    for (;;) {
      if (continuesWord(at(pos_))) pos_++;
      else if (at(pos_) == '.' && (continuesWord(at(pos_ + 1)))) pos_ += 2;
      else if (at(pos_) == ':' && at(pos_ + 1) == ':' && continuesWord(at(pos_ + 2))) pos_ += 3;
      else return;
    }
  }

  Token number() {
    Token t;
    t.line = line_;
    size_t start = pos_;
    while (std::isalnum(static_cast<unsigned char>(at(pos_)))) pos_++;
    bool real = at(pos_) == '.' && std::isdigit(static_cast<unsigned char>(at(pos_ + 1)));
    t.text = text_.substr(start, pos_ - start);
    std::string s(t.text);
    char* end = nullptr;
    if (real) {  // only in .version
      while (std::isdigit(static_cast<unsigned char>(at(pos_))) || at(pos_) == '.') pos_++;
      t.text = text_.substr(start, pos_ - start);
      t.kind = Token::Word;
      return t;
    }
    if (s.size() == 10 && s[0] == '0' && (s[1] == 'f' || s[1] == 'F')) {
      t.kind = Token::Float32;
      t.value = std::strtoull(s.c_str() + 2, &end, 16);
    } else if (s.size() == 18 && s[0] == '0' && (s[1] == 'd' || s[1] == 'D')) {
      t.kind = Token::Float64;
      t.value = std::strtoull(s.c_str() + 2, &end, 16);
    } else {
      t.kind = Token::Integer;
      if (s.back() == 'U') s.pop_back();
      bool binary = s.size() > 2 && s[0] == '0' && (s[1] == 'b' || s[1] == 'B');
      t.value = binary ? std::strtoull(s.c_str() + 2, &end, 2) : std::strtoull(s.c_str(), &end, 0);
    }
    if (*end != '\0') failLoad(FaultKind::Syntax, line_, "malformed number " + std::string(t.text));
    return t;
  }

  Token string() {
    Token t;
    t.line = line_;
    t.kind = Token::String;
    for (pos_++; at(pos_) != '"'; pos_++) {
      if (pos_ >= text_.size() || text_[pos_] == '\n') failLoad(FaultKind::Syntax, line_, "string without end");
      t.unquoted += text_[pos_];
    }
    pos_++;
    return t;
  }

  std::string_view text_;
  size_t pos_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace vm
