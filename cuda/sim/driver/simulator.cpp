// What this driver can do beyond NVIDIA's. package cuda/driver finds these functions by name.
#include <cstring>

#include "api.h"

using namespace sim;

#define SIMULATOR extern "C" __attribute__((visibility("default")))

SIMULATOR CUresult foveaSimNameRange(CUdeviceptr address, size_t bytes, const char* name, int life) {
  return inContext([&](Context& c) {
    if (life < 0 || life > 2) return CUDA_ERROR_INVALID_VALUE;
    if (vm::Fault f = c.memory.nameRange(address, bytes, name, vm::Life(life))) throw Failure{CUDA_ERROR_INVALID_VALUE, f.text()};
    return CUDA_SUCCESS;
  });
}

SIMULATOR CUresult foveaSimForgetRanges(CUdeviceptr allocation) {
  return inContext([&](Context& c) {
    if (vm::Fault f = c.memory.forgetRanges(allocation)) throw Failure{CUDA_ERROR_INVALID_VALUE, f.text()};
    return CUDA_SUCCESS;
  });
}

// foveaSimText writes a text and returns its length; it fits if that is below size. What 0 is the counters, one line a kernel with
// fields parted by tabs; what 1 is what was not freed when contexts were released, one line each; what 2 forgets both.
SIMULATOR size_t foveaSimText(int what, char* text, size_t size) {
  Driver& d = driver();
  std::lock_guard<std::recursive_mutex> lock(d.mutex);
  std::string s;
  if (what == 0) {
    for (auto& [name, k] : d.counts) {
      const vm::Counters& c = k.counters;
      s += name;
      for (uint64_t n : {k.launches, c.blocks, c.warps, c.warpInstructions, c.laneInstructions, c.flops, c.globalLoadRequests, c.globalLoadSectors,
                         c.globalLoadBytes, c.globalStoreRequests, c.globalStoreSectors, c.globalStoreBytes, c.sharedLoadRequests,
                         c.sharedLoadWavefronts, c.sharedLoadIdeal, c.sharedStoreRequests, c.sharedStoreWavefronts, c.sharedStoreIdeal,
                         c.branches, c.divergentBranches, c.barriers}) {
        s += "\t" + std::to_string(n);
      }
      s += "\n";
    }
  } else if (what == 1) {
    s = d.leaks;
  } else {
    d.counts.clear();
    d.leaks.clear();
  }
  if (text != nullptr && size > 0) {
    size_t n = std::min(size - 1, s.size());
    memcpy(text, s.data(), n);
    text[n] = 0;
  }
  return s.size();
}
