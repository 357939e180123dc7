// A kernel decoded for execution.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "counters.h"
#include "fault.h"

namespace vm {

class Warp;
struct Instr;

// A handler executes one instruction for the lanes in Warp::mask, which is never empty.
using Handler = void (*)(Warp&, const Instr&);

// Operands are byte offsets into the warp's file: 32 values of 4 or 8 bytes each, or one word of 32 bits for a predicate. Registers of
// 8 and 16 bits use 4-byte slots whose upper half is zero. Constants and special registers have slots of their own.
struct Instr {
  Handler run = nullptr;
  uint32_t r[5] = {};
  int32_t target = -1;  // branches: index of the instruction
  int64_t imm = 0;      // offset of an address, or what the handler says
  uint32_t aux = 0;     // what the handler says
  uint32_t extra = 0;   // index into Program::extra for instructions with more operands
  uint32_t guard = 0;   // predicate, 0 for none
  bool guardNegated = false;
  InstructionClass unit = InstructionClass::Move;
  uint16_t flops = 0;  // a lane, or 1/32 of a warp's
  uint32_t statement = 0;  // index into Program::places
};

struct Place {
  int ptxLine = 0;
  int file = -1;  // index into Program::files
  int line = 0;
};

// Special registers that depend on the thread, or on the block.
enum class Special : uint8_t {
  TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaidX, CtaidY, CtaidZ, NctaidX, NctaidY, NctaidZ,
  LaneId, WarpId, NwarpId, GridId, SmId, NsmId, LanemaskEq, LanemaskLe, LanemaskLt, LanemaskGe, LanemaskGt,
  DynamicSmemSize, TotalSmemSize,
};

struct FileConstant {
  uint32_t offset = 0;
  uint8_t bits = 32;
  uint64_t value = 0;
};

struct FileSpecial {
  uint32_t offset = 0;
  uint8_t bits = 32;
  Special special = Special::TidX;
};

struct SharedVariable {
  std::string name;
  uint32_t offset = 0, bytes = 0;
};

struct Program {
  std::string kernel;
  std::vector<Instr> code;
  std::vector<Place> places;
  std::vector<std::string> files;
  std::vector<uint32_t> extra;

  uint32_t fileBytes = 0;  // of one warp
  std::vector<FileConstant> constants;
  std::vector<FileSpecial> specials;

  // The machine lays shared variables out with gaps, so that an overrun hits one.
  std::vector<SharedVariable> shared;
  uint32_t sharedBytes = 0;     // with gaps; dynamic shared memory starts here
  uint32_t localBytes = 0;      // a thread
  uint32_t parameterBytes = 0;
};

}  // namespace vm
