// What the blocks of a launch share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "launch.h"
#include "program.h"
#include "race.h"
#include "warp.h"

namespace vm {

struct Grid {
  const Function& function;
  const Program& program;
  const LaunchConfig& config;
  DeviceMemory& memory;
  uint32_t generation = 0;
  uint32_t sharedBytes = 0;  // of a block, static with gaps and dynamic
  uint32_t dynamicStart = 0;
  std::vector<uint8_t> parameters;

  std::atomic<uint64_t> nextBlock{0};
  // Blocks finished and slices in which waiting blocks moved. Every worker notes the number at which it went through all its blocks in
  // vain: when all have noted the present one, nothing can happen any more.
  std::atomic<uint64_t> progress{0};
  std::vector<std::atomic<uint64_t>> idleAt;
  std::atomic<bool> stop{false};
  std::mutex faultMutex;
  Fault fault;
  SyncTable sync;
};

// WorkerState belongs to one host thread.
struct WorkerState {
  Counters counters;
  std::vector<InstrCount> counts;
};

}  // namespace vm
