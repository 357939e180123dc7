#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace vm {
namespace {

constexpr uint64_t kGrain = 256;
constexpr uint8_t kAccessible = 0x0f, kInitialised = 0xf0, kAll = 0xff;
constexpr uint32_t kGenerations = 256;  // what the race cells have bits for

uint64_t roundUp(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

void* reserve(uint64_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return p;
}

// giveBack returns the whole pages inside a range to the host; they read as zero afterwards.
void giveBack(void* start, uint64_t bytes) {
  constexpr uint64_t page = 4096;
  uint64_t from = roundUp(reinterpret_cast<uint64_t>(start), page);
  uint64_t to = (reinterpret_cast<uint64_t>(start) + bytes) / page * page;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

// forEachWord calls f(shadow byte, mask of the bytes of that word inside the range, in the low half).
template <class F>
void forEachWord(uint8_t* shadow, uint64_t offset, uint64_t bytes, F f) {
  uint64_t end = offset + bytes;
  for (uint64_t w = offset / 4; w * 4 < end; w++) {
    uint64_t from = std::max(offset, w * 4) - w * 4, to = std::min(end, w * 4 + 4) - w * 4;
    uint8_t mask = uint8_t(((1u << to) - 1) & ~((1u << from) - 1));
    if (!f(w, shadow[w], mask)) return;
  }
}

void setBits(uint8_t* shadow, uint64_t offset, uint64_t bytes, uint8_t clear, uint8_t set) {
  uint64_t firstWhole = roundUp(offset, 4), endWhole = (offset + bytes) / 4 * 4;
  auto edge = [&](uint64_t, uint8_t& s, uint8_t mask) {
    uint8_t both = uint8_t(mask | mask << 4);
    s = uint8_t((s & ~(clear & both)) | (set & both));
    return true;
  };
  if (firstWhole >= endWhole) {
    forEachWord(shadow, offset, bytes, edge);
    return;
  }
  forEachWord(shadow, offset, firstWhole - offset, edge);
  for (uint64_t w = firstWhole / 4; w < endWhole / 4; w++) shadow[w] = uint8_t((shadow[w] & ~clear) | set);
  forEachWord(shadow, endWhole, offset + bytes - endWhole, edge);
}

std::string quoted(const std::string& s) { return "\"" + s + "\""; }

}  // namespace

DeviceMemory::DeviceMemory(const MemoryConfig& config) : config_(config) {
  config_.redZone = roundUp(std::max(config_.redZone, kGrain), kGrain);
  reserved_ = roundUp(2 * config_.capacity + config_.quarantine + (64 << 20), 1 << 20);
  data_ = static_cast<uint8_t*>(reserve(reserved_));
  shadow_ = static_cast<uint8_t*>(reserve(reserved_ / 4));
  writers_ = static_cast<uint64_t*>(reserve(reserved_ * 2));
  readers_ = static_cast<uint64_t*>(reserve(reserved_ * 2));
  gaps_[kBase + config_.redZone] = reserved_ - 2 * config_.redZone;
}

DeviceMemory::~DeviceMemory() {
  munmap(data_, reserved_);
  munmap(shadow_, reserved_ / 4);
  munmap(writers_, reserved_ * 2);
  munmap(readers_, reserved_ * 2);
}

Address DeviceMemory::allocate(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (bytes == 0 || bytes > config_.capacity || used_ + bytes > config_.capacity) return 0;
  uint64_t extent = roundUp(bytes, kGrain) + config_.redZone;
  auto fits = [&] {
    return std::find_if(gaps_.begin(), gaps_.end(), [&](const auto& g) { return g.second >= extent; });
  };
  auto gap = fits();
  while (gap == gaps_.end() && !quarantined_.empty()) {
    retireQuarantine();
    gap = fits();
  }
  if (gap == gaps_.end()) return 0;
  Address address = gap->first;
  uint64_t rest = gap->second - extent;
  gaps_.erase(gap);
  if (rest > 0) gaps_[address + extent] = rest;
  allocations_[address] = Allocation{address, bytes, ++serial_, false};
  used_ += bytes;
  setBits(shadow_, address - kBase, bytes, kAll, kAccessible);
  return address;
}

Fault DeviceMemory::free(Address address) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = allocations_.find(address);
  if (it == allocations_.end()) {
    Fault f = outside(address, 1);
    f.message = "free of an address that is not the start of an allocation: " + placeLocked(address);
    return f;
  }
  Allocation& a = it->second;
  if (a.freed) {
    Fault f;
    f.kind = FaultKind::Freed;
    f.message = "freed twice: " + placeLocked(address);
    return f;
  }
  a.freed = true;
  used_ -= a.bytes;
  setBits(shadow_, address - kBase, a.bytes, kAll, 0);
  giveBack(data_ + (address - kBase), a.bytes);
  dropRanges(address, a.bytes);
  for (auto r = readOnly_.lower_bound(address); r != readOnly_.end() && r->first < address + a.bytes;) {
    r = readOnly_.erase(r);
  }
  quarantined_.push_back(address);
  quarantinedBytes_ += a.bytes;
  while (quarantinedBytes_ > config_.quarantine) retireQuarantine();
  return {};
}

// retireQuarantine makes the addresses of the oldest freed allocation free to be used again.
void DeviceMemory::retireQuarantine() {
  Address address = quarantined_.front();
  quarantined_.pop_front();
  uint64_t bytes = allocations_[address].bytes;
  allocations_.erase(address);
  quarantinedBytes_ -= bytes;
  uint64_t extent = roundUp(bytes, kGrain) + config_.redZone;
  auto next = gaps_.lower_bound(address);
  if (next != gaps_.end() && next->first == address + extent) {
    extent += next->second;
    next = gaps_.erase(next);
  }
  if (next != gaps_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == address) {
      previous->second += extent;
      return;
    }
  }
  gaps_[address] = extent;
}

uint64_t DeviceMemory::used() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return used_;
}

std::vector<Allocation> DeviceMemory::allocations() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Allocation> live;
  for (const auto& [address, a] : allocations_) {
    if (!a.freed) live.push_back(a);
  }
  return live;
}

const Allocation* DeviceMemory::containing(Address address) const {
  auto it = allocations_.upper_bound(address);
  if (it == allocations_.begin()) return nullptr;
  const Allocation& a = std::prev(it)->second;
  return address - a.address < a.bytes ? &a : nullptr;
}

Allocation DeviceMemory::find(Address address) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Allocation* a = containing(address);
  return a ? *a : Allocation{};
}

void DeviceMemory::dropRanges(Address address, uint64_t bytes) {
  auto it = ranges_.lower_bound(address);
  if (it != ranges_.begin() && std::prev(it)->first + std::prev(it)->second.bytes > address) --it;
  while (it != ranges_.end() && it->first < address + bytes) it = ranges_.erase(it);
}

Fault DeviceMemory::nameRange(Address address, uint64_t bytes, const std::string& name, Life life) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Allocation* a = containing(address);
  if (!a || a->freed || address + bytes > a->address + a->bytes) {
    Fault f = outside(address, bytes);
    f.message = "range " + quoted(name) + " of " + std::to_string(bytes) + " bytes is not inside an allocation: " + placeLocked(address);
    return f;
  }
  dropRanges(address, bytes);
  ranges_[address] = Range{bytes, name, life};
  uint64_t offset = address - kBase;
  switch (life) {
    case Life::Live: setBits(shadow_, offset, bytes, 0, kAccessible); break;
    case Life::Dead: setBits(shadow_, offset, bytes, kAll, 0); break;
    case Life::Uninitialised: setBits(shadow_, offset, bytes, kInitialised, kAccessible); break;
  }
  return {};
}

Fault DeviceMemory::forgetRanges(Address allocation) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = allocations_.find(allocation);
  if (it == allocations_.end() || it->second.freed) return explainLocked(allocation, 1, false);
  dropRanges(allocation, it->second.bytes);
  setBits(shadow_, allocation - kBase, it->second.bytes, 0, kAccessible);
  return {};
}

Fault DeviceMemory::checkLocked(Address address, uint64_t bytes, bool reads) const {
  if (bytes == 0) return {};
  if (address < kBase || address - kBase >= reserved_ || bytes > reserved_ - (address - kBase)) return outside(address, bytes);
  bool ok = true;
  uint64_t bad = 0;
  forEachWord(shadow_, address - kBase, bytes, [&](uint64_t word, uint8_t& s, uint8_t mask) {
    uint8_t want = uint8_t(mask | (reads ? mask << 4 : 0));
    if ((s & want) == want) return true;
    ok = false;
    uint8_t missing = uint8_t(want & ~s);
    bad = word * 4 + uint64_t(__builtin_ctz((missing & 15) ? missing & 15 : missing >> 4));
    return false;
  });
  if (ok) return {};
  return explainLocked(kBase + bad, 1, reads);
}

Fault DeviceMemory::checkAccess(Address address, uint64_t bytes, bool reads) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return checkLocked(address, bytes, reads);
}

Fault DeviceMemory::copyToDevice(Address target, const void* source, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Fault f = checkLocked(target, bytes, false)) return f;
  std::memcpy(data_ + (target - kBase), source, bytes);
  setBits(shadow_, target - kBase, bytes, 0, kInitialised);
  return {};
}

Fault DeviceMemory::copyToHost(void* target, Address source, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Fault f = checkLocked(source, bytes, true)) return f;
  std::memcpy(target, data_ + (source - kBase), bytes);
  return {};
}

Fault DeviceMemory::copyWithin(Address target, Address source, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Fault f = checkLocked(source, bytes, false)) return f;
  if (Fault f = checkLocked(target, bytes, false)) return f;
  uint64_t from = source - kBase, to = target - kBase;
  std::memmove(data_ + to, data_ + from, bytes);
  // Whole words first, if both sides are aligned alike to words; then what is left, byte by byte.
  uint64_t words = from % 4 == 0 && to % 4 == 0 ? bytes / 4 : 0;
  // The ranges may overlap: all states are read before any is written.
  std::vector<uint8_t> states(shadow_ + from / 4, shadow_ + from / 4 + words);
  std::vector<bool> written;
  for (uint64_t i = words * 4; i < bytes; i++) written.push_back(shadow_[(from + i) / 4] >> (4 + (from + i) % 4) & 1);
  for (uint64_t i = 0; i < words; i++) {
    uint8_t& s = shadow_[to / 4 + i];
    s = uint8_t((s & kAccessible) | (states[i] & kInitialised));
  }
  for (uint64_t i = words * 4; i < bytes; i++) {
    uint8_t bit = uint8_t(0x10 << (to + i) % 4);
    uint8_t& s = shadow_[(to + i) / 4];
    s = written[i - words * 4] ? s | bit : s & ~bit;
  }
  return {};
}

Fault DeviceMemory::fill(Address target, uint32_t value, unsigned width, uint64_t count) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t bytes = count * width;
  if (Fault f = checkLocked(target, bytes, false)) return f;
  uint8_t* p = data_ + (target - kBase);
  for (uint64_t i = 0; i < count; i++) std::memcpy(p + i * width, &value, width);
  setBits(shadow_, target - kBase, bytes, 0, kInitialised);
  return {};
}

Fault DeviceMemory::poison(Address address, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Fault f = checkLocked(address, bytes, false)) return f;
  setBits(shadow_, address - kBase, bytes, kInitialised, 0);
  return {};
}

void DeviceMemory::setReadOnly(Address address, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  readOnly_[address] = bytes;
  hasReadOnly_ = true;
}

bool DeviceMemory::isReadOnly(Address address, uint64_t bytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = readOnly_.upper_bound(address + bytes - 1);
  if (it == readOnly_.begin()) return false;
  --it;
  return it->first + it->second > address;
}

uint32_t DeviceMemory::nextGeneration() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (++generation_ == kGenerations) {
    giveBack(writers_, reserved_ * 2);
    giveBack(readers_, reserved_ * 2);
    generation_ = 1;
  }
  return generation_;
}

std::string DeviceMemory::placeLocked(Address address) const {
  char hex[32];
  snprintf(hex, sizeof hex, "0x%llx", static_cast<unsigned long long>(address));
  std::string s = hex;
  if (const Allocation* a = containing(address)) {
    s += ", byte " + std::to_string(address - a->address) + " of allocation " + std::to_string(a->serial) + " (" +
         std::to_string(a->bytes) + " bytes" + (a->freed ? ", freed)" : ")");
    auto r = ranges_.upper_bound(address);
    if (r != ranges_.begin() && address - std::prev(r)->first < std::prev(r)->second.bytes) {
      --r;
      s += ", byte " + std::to_string(address - r->first) + " of " + quoted(r->second.name) + " (" + std::to_string(r->second.bytes) + " bytes)";
    }
    return s;
  }
  auto next = allocations_.upper_bound(address);
  if (next != allocations_.begin()) {
    const Allocation& before = std::prev(next)->second;
    uint64_t past = address - before.address - before.bytes;
    if (past < (1 << 20)) {
      s += ", " + std::to_string(past) + " bytes past the end of allocation " + std::to_string(before.serial) + " (" +
           std::to_string(before.bytes) + " bytes)";
    }
  }
  if (next != allocations_.end() && next->first - address <= config_.redZone) {
    s += ", " + std::to_string(next->first - address) + " bytes before allocation " + std::to_string(next->second.serial);
  }
  return s;
}

std::string DeviceMemory::place(Address address) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return placeLocked(address);
}

Fault DeviceMemory::outside(Address address, uint64_t bytes) const {
  Fault f;
  f.kind = FaultKind::OutOfBounds;
  f.message = std::to_string(bytes) + " bytes at " + placeLocked(address);
  return f;
}

Fault DeviceMemory::explainLocked(Address address, uint64_t bytes, bool reads) const {
  Fault f = outside(address, bytes);
  // The first byte that is at fault decides.
  for (uint64_t i = 0; i < bytes; i++) {
    Address at = address + i;
    const Allocation* a = containing(at);
    if (!a) return f;
    if (a->freed) {
      f.kind = FaultKind::Freed;
      return f;
    }
    uint8_t s = shadow_[(at - kBase) / 4] >> (at % 4);
    if (!(s & 1)) {
      f.kind = FaultKind::Dead;
      return f;
    }
    if (reads && !(s & 0x10)) {
      f.kind = FaultKind::Uninitialised;
      return f;
    }
  }
  return f;
}

Fault DeviceMemory::explain(Address address, uint64_t bytes, bool reads) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return explainLocked(address, bytes, reads);
}

}  // namespace vm
