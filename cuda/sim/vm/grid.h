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
  std::atomic<uint64_t> progress{0};  // blocks finished and slices in which spinning blocks moved
  std::atomic<unsigned> busy{0};      // workers that are not just spinning
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
