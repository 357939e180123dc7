// What a launch executed, counted at the level of PTX.
#pragma once

#include <cstdint>
#include <string>

namespace vm {

// InstructionClass groups instructions by the unit that would execute them.
enum class InstructionClass : uint8_t {
  Move,        // mov, selp, cvta, special registers, parameters
  Integer,     // integer arithmetic and logic
  Float,       // float32 and packed half arithmetic
  Double,      // float64
  Special,     // ex2, lg2, rcp, rsqrt, sin, cos, tanh, sqrt, div
  Convert,     // cvt
  Compare,     // setp, set, predicates
  Branch,      // bra, ret, exit
  Global,      // ld, st of global memory
  Shared,      // ld, st, ldmatrix of shared memory
  Local,       // ld, st of local memory
  Atomic,      // atom, red
  Async,       // cp.async and its groups
  Warp,        // shfl, vote, match, activemask
  Tensor,      // mma
  Barrier,     // bar, barrier, fences
  Count,
};

const char* name(InstructionClass c);

struct Counters {
  uint64_t warpInstructions = 0;  // executed by a warp, whatever its mask
  uint64_t laneInstructions = 0;  // the same, counting active lanes
  uint64_t byClass[size_t(InstructionClass::Count)] = {};  // warp instructions

  uint64_t flops = 0;  // a lane's fma is 2, add, mul, special 1; mma 2·m·n·k a warp

  // Requests are warp instructions with at least one active lane; bytes are those the lanes asked for, each distinct byte
  // once a request.
  uint64_t globalLoadRequests = 0, globalLoadSectors = 0, globalLoadBytes = 0;
  uint64_t globalStoreRequests = 0, globalStoreSectors = 0, globalStoreBytes = 0;
  uint64_t sharedLoadRequests = 0, sharedLoadWavefronts = 0, sharedLoadIdeal = 0;
  uint64_t sharedStoreRequests = 0, sharedStoreWavefronts = 0, sharedStoreIdeal = 0;

  uint64_t branches = 0, divergentBranches = 0;  // conditional branches of warps, and those whose lanes disagreed
  uint64_t barriers = 0;                         // arrivals of warps
  uint64_t blocks = 0, warps = 0;

  // Useful bytes over 32 bytes a sector; 1 if there were none.
  double loadEfficiency() const;
  double storeEfficiency() const;
  // Wavefronts over the ideal Σ⌈distinct bytes/128⌉; 1 if there were none.
  double sharedFactor() const;

  void add(const Counters& other);
  // table returns the counters as aligned lines of text.
  std::string table() const;
};

}  // namespace vm
