#include "hostmemory.h"

#include <cstdlib>
#include <cstring>

namespace sim {
namespace {

uint64_t hashOf(const uint8_t* p, uint64_t bytes) {
  uint64_t h = 0xcbf29ce484222325;
  uint64_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word;
    memcpy(&word, p + i, 8);
    h = (h ^ word) * 0x100000001b3;
    h ^= h >> 29;
  }
  for (; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3;
  return h;
}

bool overlap(const uint8_t* a, uint64_t n, const uint8_t* b, uint64_t m) { return a < b + m && b < a + n; }

}  // namespace

void* HostMemory::allocate(uint64_t bytes) {
  uint8_t* p = static_cast<uint8_t*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
  if (p != nullptr) {
    memset(p, kPoison, bytes);
    allocations_[p] = bytes;
  }
  return p;
}

bool HostMemory::free(void* p) {
  if (allocations_.erase(static_cast<uint8_t*>(p)) == 0) return false;
  std::free(p);
  return true;
}

bool HostMemory::pinned(const void* p, uint64_t bytes) const {
  uint8_t* q = static_cast<uint8_t*>(const_cast<void*>(p));
  auto it = allocations_.upper_bound(q);
  if (it == allocations_.begin()) return false;
  --it;
  return uint64_t(q - it->first) <= it->second && bytes <= it->second - uint64_t(q - it->first);
}

bool HostMemory::busy(void* p) const {
  uint8_t* start = static_cast<uint8_t*>(p);
  auto it = allocations_.find(start);
  if (it == allocations_.end()) return false;
  for (const Watch& w : watches_) {
    if (overlap(start, it->second, w->start, w->bytes)) return true;
  }
  return false;
}

HostMemory::Watch HostMemory::expectRead(uint8_t* p, uint64_t bytes) {
  watches_.push_back(std::make_shared<Range>(Range{p, bytes, hashOf(p, bytes), false}));
  return watches_.back();
}

HostMemory::Watch HostMemory::expectWrite(uint8_t* p, uint64_t bytes) {
  bool read = false;
  for (const Watch& w : watches_) read = read || (!w->target && overlap(p, bytes, w->start, w->bytes));
  if (!read) {  // a copy queued earlier still needs the content
    memset(p, kPoison, bytes);
    changed(p, bytes);
  }
  watches_.push_back(std::make_shared<Range>(Range{p, bytes, hashOf(p, bytes), true}));
  return watches_.back();
}

bool HostMemory::expected(const Watch& w) {
  watches_.remove(w);
  return hashOf(w->start, w->bytes) == w->hash;
}

void HostMemory::changed(const uint8_t* p, uint64_t bytes) {
  for (const Watch& w : watches_) {
    if (overlap(p, bytes, w->start, w->bytes)) w->hash = hashOf(w->start, w->bytes);
  }
}

}  // namespace sim
