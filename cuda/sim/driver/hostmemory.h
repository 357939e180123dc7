// Pinned memory, and what the host does to it while copies are queued.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace sim {

class HostMemory {
 public:
  struct Range {
    uint8_t* start;
    uint64_t bytes;
    uint64_t hash;
    bool target;
  };
  using Watch = std::shared_ptr<Range>;

  // allocate returns null if the host has no memory left.
  void* allocate(uint64_t bytes);
  // free is false for what allocate did not return.
  bool free(void* p);
  bool pinned(const void* p, uint64_t bytes) const;
  // busy tells whether a queued copy uses the allocation at p.
  bool busy(void* p) const;
  const std::map<uint8_t*, uint64_t>& allocations() const { return allocations_; }

  // expectRead watches the source of a queued copy; expectWrite poisons the target of one, and watches it.
  Watch expectRead(uint8_t* p, uint64_t bytes);
  Watch expectWrite(uint8_t* p, uint64_t bytes);
  // expected ends a watch. It is false if the host wrote to the memory meanwhile.
  bool expected(const Watch& w);
  // changed tells that a copy of this driver wrote to the memory.
  void changed(const uint8_t* p, uint64_t bytes);
  void forgetWatches() { watches_.clear(); }

  // What the target of a copy holds before the copy has run: a NaN in every float32.
  static constexpr uint8_t kPoison = 0xff;

 private:
  std::map<uint8_t*, uint64_t> allocations_;
  std::list<Watch> watches_;
};

}  // namespace sim
