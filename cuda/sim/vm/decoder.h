// From the syntax tree of a kernel to its Program.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flow.h"
#include "memory.h"
#include "numbers.h"
#include "program.h"
#include "ptx.h"
#include "types.h"

namespace vm {

// Generic addresses of memory that is not global. A thread's local memory starts at the same address in every thread.
constexpr Address kSharedWindow = Address(0x7d) << 40;
constexpr Address kLocalWindow = Address(0x7c) << 40;
constexpr Address kParameterWindow = Address(0x7b) << 40;
constexpr Address kWindowBytes = Address(1) << 32;

class Decoder {
 public:
  Decoder(const ParsedModule& module, const Entry& entry, const std::unordered_map<std::string, Address>& addresses);

  Program run();
  uint32_t staticShared() const { return staticShared_; }
  uint32_t pressure() const { return registers_.pressure; }

  // What follows is for the functions that decode one family of instructions each.

  Instr in;  // the instruction at hand; the family fills it in
  const Statement& statement() const { return *statement_; }

  // take removes a modifier and tells whether it was there.
  bool take(std::string_view modifier);
  // takeType removes the first modifier that is a type; a missing one is an error, unless optional.
  Type takeType(bool optional = false);
  Rounding takeRounding();
  // peekLast returns modifiers not taken yet.
  const std::vector<std::string>& left() const { return left_; }

  [[noreturn]] void unsupported(const std::string& why = "") const;
  [[noreturn]] void malformed(const std::string& why) const;

  size_t operands() const { return statement_->operands.size(); }
  const Operand& operand(size_t i) const;
  void expectOperands(size_t least, size_t most) const;

  // source and target return the slot of an operand that has exactly the size of the type. A sink gets a slot nobody reads.
  uint32_t source(const Operand& o, Type t);
  uint32_t source(size_t i, Type t) { return source(operand(i), t); }
  uint32_t target(const Operand& o, Type t);
  uint32_t target(size_t i, Type t) { return target(operand(i), t); }
  // bits of the register an operand names; 32 or 64 for constants, by the type.
  unsigned width(const Operand& o, Type t) const;
  uint32_t constant(uint64_t value, unsigned bits);
  uint32_t predicate(bool value) { return constant(value ? 1 : 0, 1); }
  // address fills r[slot] with the 64-bit (or 32-bit) slot of the base of a memory operand, and imm with the offset; true if the base is 32 bits wide.
  bool address(const Operand& o, size_t slot);
  uint32_t addExtra(const std::vector<uint32_t>& list);
  int32_t branchTarget(const std::string& label);
  const std::vector<std::string>& targetList(const std::string& name) const;
  // joinOf returns the index of the join instruction where the lanes of the branch at hand rejoin, ~0 if they only do at the end.
  uint32_t joinOf() const;
  // symbol returns the value of a variable's name: its offset in its own space, or its global address.
  int64_t symbolValue(const std::string& name) const;

 private:
  void layOut();
  void decode(size_t index);
  uint32_t slotOf(int reg) const;
  uint32_t special(const std::string& name, unsigned bits);

  const ParsedModule& module_;
  const Entry& entry_;
  const std::unordered_map<std::string, Address>& addresses_;
  Flow flow_;
  RegisterMap registers_;
  Program program_;
  const Statement* statement_ = nullptr;
  size_t index_ = 0;
  std::vector<std::string> left_;
  std::vector<uint32_t> instrOf_;   // by statement, plus one for the end
  std::vector<uint32_t> joinAt_;    // by basic block: index of its join instruction, ~0 for none
  std::unordered_map<std::string, int64_t> symbols_;
  std::map<std::pair<unsigned, uint64_t>, uint32_t> constants_;
  std::map<std::string, uint32_t> specials_;
  uint32_t staticShared_ = 0;
  uint32_t wordsAt_ = 0, doublesAt_ = 0, predicatesAt_ = 0, sink_ = 0;
};

// Families, each in the file of its name. A family fills Decoder::in or throws.
using Family = void (*)(Decoder&);
Family findFamily(const std::string& opcode);  // null if there is none

void decodeMove(Decoder& d);        // mov
void decodeSelect(Decoder& d);      // selp, slct
void decodeAddress(Decoder& d);     // cvta
void decodeArithmetic(Decoder& d);  // add, sub, mul, mad, fma, div, rem, abs, neg, min, max, sad, copysign, testp
void decodeInteger(Decoder& d);
void decodeFloat(Decoder& d);
void decodeHalf(Decoder& d);
void decodeLogic(Decoder& d);    // and, or, xor, not, cnot, lop3, shl, shr, shf
void decodeBits(Decoder& d);     // popc, clz, bfind, brev, bfe, bfi, prmt, dp4a
void decodeSpecial(Decoder& d);  // ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh
void decodeConvert(Decoder& d);  // cvt
void decodeCompare(Decoder& d);  // setp, set
void decodeLoad(Decoder& d);
void decodeStore(Decoder& d);
void decodeAtomic(Decoder& d);   // atom, red
void decodeAsync(Decoder& d);    // cp.async
void decodePrefetch(Decoder& d);
void decodeControl(Decoder& d);  // bra, brx, ret, exit, trap
void decodeBarrier(Decoder& d);  // bar, barrier, membar, fence
void decodeExchange(Decoder& d); // shfl, vote, match, activemask, redux
void decodeTensor(Decoder& d);   // mma, ldmatrix

}  // namespace vm
