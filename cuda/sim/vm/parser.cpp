// From PTX text to the syntax tree.
#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <unordered_map>

#include "lexer.h"
#include "ptx.h"

namespace vm {

void failLoad(FaultKind kind, int line, const std::string& message) {
  Fault f;
  f.kind = kind;
  f.ptxLine = line;
  f.message = message;
  throw LoadError{f};
}

namespace {

constexpr uint64_t kMaxVariableBytes = uint64_t(1) << 32;
constexpr size_t kMaxRegisters = 1 << 16;
constexpr size_t kMaxScopes = 64;

// bytesOf returns the size of a fundamental type such as "u32", 0 if there is none of that name.
uint32_t bytesOf(std::string_view type) {
  static const std::unordered_map<std::string_view, uint32_t> sizes = {
      {"b8", 1},  {"u8", 1},  {"s8", 1},  {"b16", 2}, {"u16", 2}, {"s16", 2},   {"f16", 2},    {"bf16", 2},
      {"b32", 4}, {"u32", 4}, {"s32", 4}, {"f32", 4}, {"f16x2", 4}, {"bf16x2", 4}, {"tf32", 4},
      {"b64", 8}, {"u64", 8}, {"s64", 8}, {"f64", 8},
  };
  auto it = sizes.find(type);
  return it == sizes.end() ? 0 : it->second;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  ParsedModule run() {
    while (peek().kind != Token::End) topLevel();
    if (module_.version == 0) failLoad(FaultKind::Syntax, 1, "no .version");
    return std::move(module_);
  }

 private:
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& t = peek();
    if (pos_ < tokens_.size() - 1) pos_++;
    return t;
  }
  [[noreturn]] void wrong(const std::string& expected) const {
    const Token& t = peek();
    std::string found = t.kind == Token::End ? "the end" : t.kind == Token::String ? "a string" : "\"" + std::string(t.text) + "\"";
    failLoad(FaultKind::Syntax, t.line, "found " + found + ", expected " + expected);
  }
  bool accept(char c) {
    if (!peek().is(c)) return false;
    take();
    return true;
  }
  bool accept(std::string_view s) {
    if (!peek().is(s)) return false;
    take();
    return true;
  }
  void expect(char c) {
    if (!accept(c)) wrong(std::string("'") + c + "'");
  }
  uint64_t integer() {
    bool negative = accept('-');
    if (peek().kind != Token::Integer) wrong("an integer");
    uint64_t v = take().value;
    return negative ? 0 - v : v;
  }
  std::string word() {
    if (peek().kind != Token::Word) wrong("a name");
    return std::string(take().text);
  }

  void topLevel() {
    const Token t = peek();
    if (t.kind != Token::Directive) wrong("a directive");
    if (accept(".version")) {
      std::string v = word();
      size_t dot = v.find('.');
      if (dot == std::string::npos || v.size() > 6) failLoad(FaultKind::Syntax, t.line, "malformed .version " + v);
      module_.version = std::atoi(v.c_str()) * 10 + std::atoi(v.c_str() + dot + 1);
    } else if (accept(".target")) {
      module_.target = word();
      while (accept(',')) word();
    } else if (accept(".address_size")) {
      if (integer() != 64) failLoad(FaultKind::Unsupported, t.line, ".address_size other than 64");
    } else if (accept(".file")) {
      file();
    } else if (accept(".section")) {
      skipSection();
    } else {
      bool external = false;
      for (;;) {
        if (accept(".extern")) external = true;
        else if (!accept(".visible") && !accept(".weak") && !accept(".common")) break;
      }
      if (accept(".entry")) entry();
      else if (peek().is(".func")) failLoad(FaultKind::Unsupported, peek().line, ".func: device functions that are not inlined");
      else if (peek().is(".global") || peek().is(".const") || peek().is(".shared")) variable(module_.symbols, external);
      else failLoad(FaultKind::Unsupported, peek().line, "directive " + std::string(peek().text));
    }
  }

  void file() {
    SourceFile f;
    f.number = int(integer());
    if (peek().kind != Token::String) wrong("a file name");
    f.name = take().unquoted;
    while (accept(',')) integer();
    module_.files.push_back(f);
  }

  // skipSection passes over debug sections, which hold nothing that executes.
  void skipSection() {
    take();
    if (peek().kind == Token::Word) take();
    expect('{');
    while (!peek().is('}')) {
      if (peek().kind == Token::End) wrong("'}'");
      take();
    }
    take();
  }

  static Space spaceOf(std::string_view directive) {
    if (directive == ".global") return Space::Global;
    if (directive == ".const") return Space::Constant;
    if (directive == ".shared") return Space::Shared;
    if (directive == ".local") return Space::Local;
    return Space::Parameter;
  }

  std::string type() {
    if (peek().kind != Token::Directive) wrong("a type");
    return std::string(take().text.substr(1));
  }

  // declared parses what follows the state space of a variable: alignment, type, name, extents.
  Symbol declared(Space space) {
    Symbol s;
    s.space = space;
    s.line = peek().line;
    uint32_t align = 0;
    uint64_t vector = 1;
    std::string element;
    for (;;) {
      if (accept(".align")) align = uint32_t(integer());
      else if (accept(".ptr") || accept(".global") || accept(".const") || accept(".shared") || accept(".local")) continue;
      else if (accept(".v2")) vector = 2;
      else if (accept(".v4")) vector = 4;
      else if (element.empty()) element = type();
      else break;
      if (peek().kind != Token::Directive) break;
    }
    uint64_t bytes = bytesOf(element) * vector;
    if (bytes == 0) failLoad(FaultKind::Unsupported, s.line, "type ." + element);
    if (align & (align - 1)) failLoad(FaultKind::Syntax, s.line, "alignment is no power of two");
    s.align = align ? align : uint32_t(bytes);
    elementBytes_ = uint32_t(bytesOf(element));
    s.name = word();
    s.bytes = bytes;
    while (accept('[')) {
      uint64_t n = peek().is(']') ? 0 : integer();
      if (n != 0 && s.bytes > kMaxVariableBytes / n) failLoad(FaultKind::Syntax, s.line, "variable " + s.name + " is too large");
      s.bytes *= n;
      expect(']');
    }
    return s;
  }

  void variable(std::vector<Symbol>& into, bool external) {
    Space space = spaceOf(take().text);
    do {
      Symbol s = declared(space);
      s.external = external;
      if (external && space != Space::Shared) {
        failLoad(FaultKind::Unsupported, s.line, ".extern variable " + s.name + " outside shared memory");
      }
      if (accept('=')) {
        s.initial.reserve(s.bytes);
        initialiser(s);
        if (s.bytes == 0) s.bytes = s.initial.size();
        if (s.initial.size() > s.bytes) failLoad(FaultKind::Syntax, s.line, "too many initial values for " + s.name);
        s.initial.resize(s.bytes);
      }
      into.push_back(std::move(s));
    } while (accept(','));
    expect(';');
  }

  void initialiser(Symbol& s) {
    if (accept('{')) {
      if (accept('}')) return;
      do initialiser(s);
      while (accept(','));
      expect('}');
      return;
    }
    uint64_t value;
    if (peek().kind == Token::Float32 || peek().kind == Token::Float64) value = take().value;
    else if (peek().kind == Token::Word) failLoad(FaultKind::Unsupported, peek().line, "address as initial value of " + s.name);
    else value = integer();
    uint8_t bytes[8];
    std::memcpy(bytes, &value, 8);
    s.initial.insert(s.initial.end(), bytes, bytes + elementBytes_);
  }

  void entry() {
    entry_ = Entry{};
    entry_.line = peek().line;
    entry_.name = word();
    scopes_.assign(1, {});
    place_ = -1;
    if (accept('(')) {
      while (!accept(')')) {
        if (!accept(".param")) wrong("'.param'");
        entry_.parameters.push_back(declared(Space::Parameter));
        if (!peek().is(')')) expect(',');
      }
    }
    while (!peek().is('{')) performance();
    take();
    block();
    uint64_t offset = 0;
    for (Symbol& p : entry_.parameters) {
      offset = (offset + p.align - 1) / p.align * p.align;
      p.offset = offset;
      offset += p.bytes;
    }
    module_.entries.push_back(std::move(entry_));
  }

  void performance() {
    const Token t = take();
    auto numbers = [&](uint32_t (&n)[3]) {
      for (int i = 0; i < 3; i++) {
        n[i] = uint32_t(integer());
        if (!accept(',')) return;
      }
    };
    uint32_t n[3] = {1, 1, 1};
    if (t.is(".maxntid")) {
      numbers(n);
      entry_.maxThreads = n[0] * n[1] * n[2];
    } else if (t.is(".reqntid")) {
      numbers(n);
      entry_.maxThreads = n[0] * n[1] * n[2];
      entry_.requiredBlock = {n[0], n[1], n[2]};
    } else if (t.is(".minnctapersm") || t.is(".maxnreg")) {
      integer();
    } else {
      failLoad(FaultKind::Unsupported, t.line, "directive " + std::string(t.text));
    }
  }

  // block parses statements up to the '}' that closes the scope; its '{' has been taken.
  void block() {
    for (;;) {
      if (accept('}')) return;
      if (accept('{')) {
        scopes_.emplace_back();
        if (scopes_.size() > kMaxScopes) failLoad(FaultKind::Unsupported, peek().line, "more than 64 nested scopes");
        block();
        scopes_.pop_back();
      } else if (accept(';')) {
        continue;
      } else if (peek().kind == Token::Directive) {
        directive();
      } else if (peek().kind == Token::Word && peek(1).is(':')) {
        label();
      } else {
        statement();
      }
    }
  }

  void label() {
    std::string name = word();
    take();
    if (accept(".branchtargets")) {
      TargetList list{name, {}};
      do list.labels.push_back(word());
      while (accept(','));
      expect(';');
      entry_.targetLists.push_back(std::move(list));
      return;
    }
    entry_.labels.push_back({name, entry_.statements.size()});
  }

  void directive() {
    const Token t = peek();
    if (accept(".reg")) {
      registers();
    } else if (t.is(".shared") || t.is(".local")) {
      variable(entry_.symbols, false);
    } else if (accept(".loc")) {
      location();
    } else if (accept(".pragma")) {
      while (!accept(';')) take().kind == Token::End ? wrong("';'") : void();
    } else {
      failLoad(FaultKind::Unsupported, t.line, "directive " + std::string(t.text) + " inside a kernel");
    }
  }

  // location keeps the place in the kernel's own file (number 1) from which code was inlined, if the PTX tells it: that line is the one
  // its author knows. Through several levels the callers are found among earlier .loc directives.
  void location() {
    SourcePlace p{int(integer()), 0};
    p.line = int(integer());
    int column = int(integer());
    SourcePlace outer = p;
    while (accept(',')) {
      if (accept("function_name")) {
        word();
        if (accept('+')) integer();
      } else if (accept("inlined_at")) {
        SourcePlace caller{int(integer()), 0};
        caller.line = int(integer());
        auto known = callers_.find({caller.file, caller.line, int(integer())});
        if (caller.file == 1) outer = caller;
        else if (known != callers_.end()) outer = known->second;
      } else {
        wrong("function_name or inlined_at");
      }
    }
    callers_[{p.file, p.line, column}] = outer;
    // Line 0 marks code that belongs to no line: the one before stays.
    if (outer.line == 0 && place_ >= 0) return;
    entry_.places.push_back(outer);
    place_ = int(entry_.places.size()) - 1;
  }

  void registers() {
    int line = peek().line;
    std::string t = type();
    uint32_t bytes = bytesOf(t);
    if (t != "pred" && bytes == 0) failLoad(FaultKind::Unsupported, line, "register type ." + t);
    uint8_t bits = t == "pred" ? 1 : bytes <= 2 ? 16 : uint8_t(bytes * 8);
    do {
      std::string name = word();
      if (accept('<')) {
        uint64_t n = integer();
        expect('>');
        if (n > kMaxRegisters) failLoad(FaultKind::Unsupported, line, "more than 65536 registers");
        for (uint64_t i = 0; i < n; i++) declareRegister(name + std::to_string(i), bits, line);
      } else {
        declareRegister(name, bits, line);
      }
    } while (accept(','));
    expect(';');
  }

  void declareRegister(const std::string& name, uint8_t bits, int line) {
    if (entry_.registers.size() >= kMaxRegisters) failLoad(FaultKind::Unsupported, line, "more than 65536 registers");
    scopes_.back()[name] = int(entry_.registers.size());
    entry_.registers.push_back({name, bits});
  }

  int findRegister(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto it = scope->find(name);
      if (it != scope->end()) return it->second;
    }
    return -1;
  }

  void statement() {
    Statement s;
    s.line = peek().line;
    s.place = place_;
    if (accept('@')) {
      s.guardNegated = accept('!');
      std::string name = word();
      s.guard = findRegister(name);
      if (s.guard < 0 || entry_.registers[size_t(s.guard)].bits != 1) {
        failLoad(FaultKind::Syntax, s.line, "guard " + name + " is no predicate register");
      }
    }
    std::string full = word();
    for (size_t from = 0;;) {
      size_t dot = full.find('.', from);
      std::string part = full.substr(from, dot == std::string::npos ? dot : dot - from);
      if (from == 0) s.opcode = part;
      else s.modifiers.push_back(part);
      if (dot == std::string::npos) break;
      from = dot + 1;
    }
    if (!peek().is(';')) {
      do s.operands.push_back(operand());
      while (accept(','));
    }
    expect(';');
    entry_.statements.push_back(std::move(s));
  }

  Operand operand() {
    Operand o = simpleOperand();
    if (!peek().is('|')) return o;
    take();
    Operand pair;
    pair.kind = Operand::Pair;
    pair.items.push_back(std::move(o));
    pair.items.push_back(simpleOperand());
    return pair;
  }

  Operand simpleOperand() {
    Operand o;
    if (accept('{')) {
      o.kind = Operand::Vector;
      do o.items.push_back(simpleOperand());
      while (accept(','));
      expect('}');
    } else if (accept('[')) {
      o.kind = Operand::Memory;
      if (peek().kind == Token::Word) o.items.push_back(named());
      o.value = offset(o.items.empty());
      expect(']');
    } else if (accept('!')) {
      o = named();
      o.negated = true;
    } else if (peek().kind == Token::Float32) {
      o.kind = Operand::Float32;
      o.value = int64_t(take().value);
    } else if (peek().kind == Token::Float64) {
      o.kind = Operand::Float64;
      o.value = int64_t(take().value);
    } else if (peek().kind == Token::Word) {
      o = named();
      if (o.kind == Operand::Name && peek().is('+')) o.value = offset(false);
    } else {
      o.kind = Operand::Immediate;
      o.value = int64_t(integer());
    }
    return o;
  }

  // offset parses the rest of an address: "+4", "+-4" or nothing; a number alone if it is absolute.
  int64_t offset(bool absolute) {
    if (absolute) return int64_t(integer());
    if (!accept('+')) return peek().is('-') ? int64_t(integer()) : 0;
    return int64_t(integer());
  }

  Operand named() {
    Operand o;
    std::string name = word();
    o.index = findRegister(name);
    if (o.index >= 0) o.kind = Operand::Register;
    else if (name == "_") o.kind = Operand::Sink;
    else if (name[0] == '%' || name == "WARP_SZ") o.kind = Operand::Special;
    else o.kind = Operand::Name;
    o.name = std::move(name);
    return o;
  }

  std::vector<Token> tokens_;
  size_t pos_ = 0;
  uint32_t elementBytes_ = 0;
  ParsedModule module_;
  Entry entry_;
  int place_ = -1;
  std::map<std::tuple<int, int, int>, SourcePlace> callers_;  // by file, line and column
  std::vector<std::unordered_map<std::string, int>> scopes_;
};

}  // namespace

ParsedModule parse(std::string_view text) { return Parser(text).run(); }

}  // namespace vm
