// Data races by vector clocks. A thread's time is its warp's clock, which advances when the warp synchronises in any way; lanes of one
// warp are ordered only by that.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace vm {

constexpr uint32_t kMaxWarps = 32;

// What a warp knows of the warps of other blocks, by block: clock for each of its warps.
using Knowledge = std::map<uint64_t, std::vector<uint32_t>>;

// Clocks of one warp. `known[own]` is its own time; known[w] is the last time of warp w that happened before now.
struct Clocks {
  uint32_t known[kMaxWarps] = {};
  uint32_t limit = 0;  // every warp of the block is known up to here
  // Other blocks.
  Knowledge acquired;
  // Between fences: what the last fence may release, and what atomics have seen that the next fence will acquire.
  bool fenced = false;
  Knowledge released, pending;
};

// Cells of shared memory: writer = clock<<32 | warp<<16 | lane<<8 | atomic<<4 | bytes; readers = clock<<32 | set of warps;
// last = warp<<16 | lane<<8 | bytes. Lane kManyLanes stands for several.
constexpr uint32_t kManyLanes = 63;

struct SharedCells {
  std::vector<uint64_t> writer, readers;
  std::vector<uint32_t> last;
  void resize(size_t words);
};

// Cells of global memory, for writers and readers alike, from the top: generation 8, clock 21, warp of the grid 23, lane 6, kind 2, bytes 4.
// Kind of a writer: 1 for atomics. Kind of readers: 1 for several warps of one block, 2 for several blocks.
struct GlobalCell {
  static constexpr int kClockShift = 35, kWarpShift = 12, kLaneShift = 6, kKindShift = 4;
  static constexpr uint32_t kClockMax = (1u << 21) - 1, kWarpMask = (1u << 23) - 1;
  static uint64_t make(uint32_t generation, uint32_t clock, uint32_t warp, uint32_t lane, uint32_t kind, uint32_t bytes) {
    return uint64_t(generation) << 56 | uint64_t(clock) << kClockShift | uint64_t(warp & kWarpMask) << kWarpShift |
           uint64_t(lane) << kLaneShift | uint64_t(kind) << kKindShift | bytes;
  }
  static uint32_t generation(uint64_t c) { return uint32_t(c >> 56); }
  static uint32_t clock(uint64_t c) { return uint32_t(c >> kClockShift) & kClockMax; }
  static uint32_t warp(uint64_t c) { return uint32_t(c >> kWarpShift) & kWarpMask; }
  static uint32_t lane(uint64_t c) { return uint32_t(c >> kLaneShift) & 63; }
  static uint32_t kind(uint64_t c) { return uint32_t(c >> kKindShift) & 3; }
  static uint32_t bytes(uint64_t c) { return uint32_t(c) & 15; }
};

// Releases by atomics and release stores, by address.
class SyncTable {
 public:
  void release(Address address, const Knowledge& knowledge);
  // acquire joins what was released at the address into the knowledge; false if nothing was.
  bool acquire(Address address, Knowledge& into);

 private:
  std::mutex mutex_;
  std::unordered_map<Address, Knowledge> released_;
};

void joinKnowledge(Knowledge& into, const Knowledge& from);

}  // namespace vm
