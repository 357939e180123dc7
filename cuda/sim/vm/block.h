// A block of threads: its warps, its shared memory and its barriers.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "grid.h"
#include "race.h"
#include "warp.h"

namespace vm {

class Block {
 public:
  enum class Outcome : uint8_t { Finished, Spinning };

  Block(Grid& grid, WorkerState& worker);
  // start takes on the block of that linear index.
  void start(uint64_t index);
  // run executes until the block is finished or nothing changes any more. Throws KernelFault.
  Outcome run();

  Grid& grid() { return grid_; }
  WorkerState& worker() { return worker_; }
  const Program& program() const { return grid_.program; }
  Dim3 blockIndex() const { return blockIndex_; }
  uint64_t linearIndex() const { return linear_; }
  uint32_t warpCount() const { return uint32_t(warps_.size()); }
  Dim3 threadIndex(uint32_t warp, uint32_t lane) const;
  bool progressed() const { return progressed_; }

  std::minstd_rand random;  // seeded for this block

  // Shared memory and its shadow, of the form of device memory's.
  std::vector<uint8_t> shared, sharedShadow;
  SharedCells cells;
  std::string sharedPlace(uint32_t offset) const;

  // Local memory: bytes and whether they were written, a thread after the other.
  std::vector<uint8_t> local, localWritten;

  Clocks clocks[kMaxWarps];
  uint32_t baseClock = 0;        // clocks of this block start above; cells with less belong to the past
  bool partialBarriers = false;  // a barrier for part of the block was used
  // tick advances a warp's clock.
  void tick(uint32_t warp);
  // globalTime and globalWarp are what cells of global memory hold for a warp.
  uint32_t globalTime(uint32_t warp) const { return clocks[warp].known[warp] - baseClock; }
  uint32_t globalWarp(uint32_t warp) const { return uint32_t(linear_ * warpCount() + warp); }
  // everything a warp knows, own block included.
  Knowledge knowledge(uint32_t warp) const;
  void acquire(uint32_t warp, const Knowledge& k);

  // arrive lets lanes of a warp arrive at a barrier for `expected` threads (0: all of the block). If waits, the warp's current fragment
  // is parked unless the barrier completes. reduction counts lanes whose predicate holds.
  void arrive(Warp& warp, const Instr& in, uint32_t id, uint32_t expected, bool waits, uint32_t truths = 0);
  uint32_t threads() const { return threads_; }

  // faultSpinning ends the launch on behalf of a lane that spins.
  [[noreturn]] void faultSpinning() const;

 private:
  struct Arrival {
    uint32_t warp, lanes;
    bool waits;
    const Instr* in;
  };
  struct Barrier {
    uint32_t expected = 0, arrived = 0, truths = 0;
    std::vector<Arrival> arrivals;
  };

  void complete(Barrier& b);
  [[noreturn]] void reportStuck();

  Grid& grid_;
  WorkerState& worker_;
  std::vector<Warp> warps_;
  std::vector<uint32_t> order_;  // in which warps take turns
  Barrier barriers_[16];
  uint32_t threads_ = 0;
  uint64_t linear_ = 0;
  Dim3 blockIndex_{0, 0, 0};
  bool progressed_ = false;
};

}  // namespace vm
