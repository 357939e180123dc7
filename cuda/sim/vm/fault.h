// What went wrong and where: the one error type of the machine.
#pragma once

#include <cstdint>
#include <string>

namespace vm {

enum class FaultKind : uint8_t {
  None,
  // Memory.
  OutOfBounds,    // outside every allocation, in a red zone, or outside the block's shared or local memory
  Freed,          // inside an allocation that was freed
  Dead,           // inside a range that was named dead
  Misaligned,     // address is no multiple of the size of the access
  Uninitialised,  // read of bytes that nobody wrote
  ReadOnly,       // store to a constant or to a parameter
  // Races.
  RaceShared,  // two threads of a block, at least one writing, without an order between them
  RaceGlobal,  // two threads of a grid, likewise
  // Progress.
  BarrierDivergent,  // an aligned barrier executed by part of a warp
  BarrierStuck,      // a barrier that part of the block never reaches
  WarpSyncStuck,     // a .sync instruction whose mask names lanes that never come
  Spinning,          // a loop that can no longer make progress, or the limit of instructions
  // Instructions.
  InvalidOperation,  // e.g. a lane outside its own membermask, operands that break the manual's rules
  Trap,              // trap or brkpt was executed
  // Launches.
  ParameterSize,
  TooMuchShared,
  TooManyThreads,
  InvalidGeometry,  // an extent of zero or above the device's limit
  // Modules.
  Syntax,
  Unsupported,  // an instruction, type or directive that the machine does not implement
};

// name returns the kind in words, e.g. "out of bounds".
const char* name(FaultKind kind);

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Fault {
  FaultKind kind = FaultKind::None;
  std::string message;     // what was found and what was expected, without place
  std::string kernel;      // empty outside launches
  int ptxLine = 0;         // line in the PTX text, from 1; 0 if there is none
  std::string sourceFile;  // from .file and .loc; empty if the PTX has none
  int sourceLine = 0;
  Dim3 block{0, 0, 0};   // blockIdx
  Dim3 thread{0, 0, 0};  // threadIdx

  explicit operator bool() const { return kind != FaultKind::None; }

  // text returns one line: kind, message, kernel, source line, PTX line, block and thread.
  std::string text() const;
};

}  // namespace vm
