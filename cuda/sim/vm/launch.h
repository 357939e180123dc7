// Launching a kernel and what comes back.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "counters.h"
#include "fault.h"
#include "memory.h"
#include "module.h"

namespace vm {

struct DeviceLimits {
  uint32_t maxThreadsPerBlock = 1024;
  Dim3 maxBlock{1024, 1024, 64};
  Dim3 maxGrid{0x7fffffff, 65535, 65535};
  uint32_t sharedPerBlock = 48 << 10;        // static, or dynamic without cuFuncSetAttribute
  uint32_t sharedPerBlockOptin = 227 << 10;  // what cuFuncSetAttribute may grant
};

struct LaunchConfig {
  Dim3 grid, block;
  uint32_t dynamicShared = 0;     // bytes
  uint32_t maxDynamicShared = 0;  // what was granted to the function; 0 for what sharedPerBlock leaves
  const void* parameters = nullptr;
  uint64_t parameterBytes = 0;  // must equal Function::parameterBytes
  uint64_t seed = 0;            // order of blocks and warps, and where warps yield; 0 is program order
  unsigned workers = 0;         // host threads; 0 for one a core
  bool races = true;            // detect data races
  uint64_t instructionLimit = uint64_t(1) << 32;  // warp instructions a warp may execute
  DeviceLimits limits;
};

struct Report {
  Fault fault;  // None if the kernel ran to its end
  Counters counters;
};

// launch runs a grid to its end or to its first fault. Memory keeps what was stored before a fault. Launches on one
// DeviceMemory must not overlap in time.
Report launch(const Function& function, const LaunchConfig& config, DeviceMemory& memory);

}  // namespace vm
