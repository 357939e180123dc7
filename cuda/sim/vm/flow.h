// Control flow of a kernel: where diverged lanes rejoin, and which registers can share a slot.
#pragma once

#include <cstdint>
#include <vector>

#include "ptx.h"

namespace vm {

struct BasicBlock {
  size_t first = 0, end = 0;  // statements [first, end)
  std::vector<int> successors;  // block indices; kExit for the end of the kernel
};

struct Flow {
  static constexpr int kExit = -1;
  std::vector<BasicBlock> blocks;
  std::vector<int> blockOf;           // by statement
  std::vector<int> postDominator;     // immediate, by block; kExit if only the end of the kernel is
};

// Where a label leads: the index of a statement, possibly one past the last. Throws LoadError if the entry has no such label.
size_t labelTarget(const Entry& entry, const std::string& label, int line);

// The first operand of an instruction is its target unless this says otherwise.
bool hasTarget(const Statement& s);

Flow analyseFlow(const Entry& entry);

// A slot for each virtual register, numbered from 0 in its own class (predicate, 32 bits, 64 bits).
struct RegisterMap {
  std::vector<uint32_t> slot;  // by virtual register
  uint32_t predicates = 0, words = 0, doubles = 0;
  uint32_t pressure = 0;  // most 32-bit registers alive at one place
};

RegisterMap allocateRegisters(const Entry& entry, const Flow& flow);

}  // namespace vm
