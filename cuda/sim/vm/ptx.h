// The syntax tree of a PTX module, as the parser leaves it for the decoder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fault.h"

namespace vm {

// LoadError ends the loading of a module.
struct LoadError {
  Fault fault;
};

[[noreturn]] void failLoad(FaultKind kind, int line, const std::string& message);

enum class Space : uint8_t { Generic, Global, Constant, Shared, Local, Parameter };

// A variable of a module or of a kernel. Shared, local and parameter variables get an offset, the others an address at load.
struct Symbol {
  std::string name;
  Space space = Space::Generic;
  uint64_t bytes = 0;
  uint32_t align = 1;
  uint64_t offset = 0;
  bool external = false;  // .extern .shared x[]: begins where static shared memory ends
  int line = 0;
  std::vector<uint8_t> initial;  // empty if it has no initialiser
};

struct VirtualRegister {
  std::string name;
  uint8_t bits = 32;  // 1 for predicates, 16, 32 or 64
};

struct Operand {
  enum Kind : uint8_t {
    Register,   // index; also a special register, then special is not empty
    Special,    // name
    Immediate,  // value, two's complement
    Float32,    // value holds the bits
    Float64,    // value holds the bits
    Name,       // name of a variable or label, plus value
    Memory,     // [item + value]; items[0] is a Register or Name, or absent for an absolute address
    Vector,     // {items}
    Pair,       // items[0] | items[1]
    Sink,       // _
  };
  Kind kind = Immediate;
  int index = -1;
  int64_t value = 0;
  bool negated = false;  // !p
  std::string name;
  std::vector<Operand> items;
};

struct Statement {
  int line = 0;
  int place = -1;   // index into Entry::places, -1 before the first .loc
  int guard = -1;   // register, -1 for none
  bool guardNegated = false;
  std::string opcode;                  // up to the first dot
  std::vector<std::string> modifiers;  // the rest
  std::vector<Operand> operands;
};

struct Label {
  std::string name;
  size_t statement = 0;  // index of the statement that follows it
};

// A .branchtargets list.
struct TargetList {
  std::string name;
  std::vector<std::string> labels;
};

struct SourcePlace {
  int file = 0;
  int line = 0;
};

struct Entry {
  std::string name;
  int line = 0;
  std::vector<Symbol> parameters;
  std::vector<Symbol> symbols;  // shared and local variables of the kernel
  std::vector<VirtualRegister> registers;
  std::vector<Statement> statements;
  std::vector<Label> labels;
  std::vector<TargetList> targetLists;
  std::vector<SourcePlace> places;
  uint32_t maxThreads = 0;
  Dim3 requiredBlock{0, 0, 0};
};

struct SourceFile {
  int number = 0;
  std::string name;
};

struct ParsedModule {
  int version = 0;
  std::string target;
  std::vector<SourceFile> files;
  std::vector<Symbol> symbols;
  std::vector<Entry> entries;
};

// parse throws LoadError.
ParsedModule parse(std::string_view text);

}  // namespace vm
