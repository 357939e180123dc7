// Global memory: bounds, state, races and sectors of every access.
#include <algorithm>
#include <cstring>

#include "access.h"
#include "block.h"

namespace vm {
namespace {

constexpr uint32_t kSector = 32;
constexpr uint8_t kAccessible = 0x0f;

[[noreturn]] void refuse(Warp& w, const Request& q, int lane, bool reads) {
  Address a = q.address[lane];
  const DeviceMemory& memory = w.block().grid().memory;
  if (a % q.bytes != 0) {
    w.fault(*q.in, FaultKind::Misaligned, uint32_t(lane), std::to_string(q.bytes) + " bytes at " + memory.place(a) + ", no multiple of " + std::to_string(q.bytes));
  }
  throw KernelFault{w.placed(*q.in, memory.explain(a, q.bytes, reads), uint32_t(lane))};
}

uint64_t load(const uint64_t& cell) { return __atomic_load_n(&cell, __ATOMIC_RELAXED); }
void put(uint64_t& cell, uint64_t v) { __atomic_store_n(&cell, v, __ATOMIC_RELAXED); }

// Races checks and updates the cells of one word at a time, for one warp instruction.
class Races {
 public:
  Races(Warp& w, const Request& q, bool atomic)
      : w_(w), q_(q), block_(w.block()), memory_(w.block().grid().memory), atomic_(atomic), warp_(w.index()) {
    const Grid& g = block_.grid();
    uint32_t time = block_.globalTime(warp_);
    on_ = g.config.races && time < GlobalCell::kClockMax;
    generation_ = uint64_t(g.generation) << 56;
    cell_ = GlobalCell::make(g.generation, time, block_.globalWarp(warp_), 0, 0, 0);
    writers_ = memory_.writers();
    readers_ = memory_.readers();
  }
  bool on() const { return on_; }

  void read(uint64_t word, uint32_t lane, uint32_t bytes) {
    uint64_t writer = load(writers_[word]);
    if (writer >= generation_) checkWriter(writer, word, lane, bytes, false);
    // Strong reads leave no trace: a later weak write would race, but a later strong one would not.
    if (atomic_) return;
    uint64_t mine = cell_ | uint64_t(lane) << GlobalCell::kLaneShift | bytes;
    uint64_t reader = load(readers_[word]);
    if (reader < generation_) put(readers_[word], mine);
    else if (reader != mine) put(readers_[word], mergeReader(reader, mine));
  }

  // readRun and writeRun are read and write for consecutive whole words, `each` a lane, in the common case that only this warp's same
  // lanes have touched them in this launch; false if that is not so and nothing was done. Written to become vector instructions.
  bool readRun(uint64_t first, uint32_t each) {
    if (atomic_) return false;
    const uint64_t* writers = writers_ + first;
    uint64_t* readers = readers_ + first;
    uint32_t words = each * kLanes;
    uint64_t touched = 0;
    for (uint32_t i = 0; i < words; i++) touched |= uint64_t(writers[i] >= generation_) | uint64_t(readers[i] >= generation_);
    if (touched) return false;
    mark(readers, each, 0);
    return true;
  }
  bool writeRun(uint64_t first, uint32_t each) {
    uint64_t *writers = writers_ + first, *readers = readers_ + first;
    uint64_t mine = cell_ | 15, touched = 0;
    for (uint32_t lane = 0; lane < kLanes; lane++, mine += uint64_t(1) << GlobalCell::kLaneShift) {
      for (uint32_t i = lane * each; i < (lane + 1) * each; i++) {
        touched |= uint64_t(writers[i] >= generation_ && writers[i] != mine) | uint64_t(readers[i] >= generation_ && readers[i] != mine);
      }
    }
    if (touched) return false;
    mark(writers, each, uint64_t(atomic_) << GlobalCell::kKindShift);
    return true;
  }

  void write(uint64_t word, uint32_t lane, uint32_t bytes) {
    uint64_t writer = load(writers_[word]), reader = load(readers_[word]);
    if (writer >= generation_) checkWriter(writer, word, lane, bytes, true);
    if (reader >= generation_) checkReader(reader, word, lane, bytes);
    uint64_t mine = cell_ | uint64_t(lane) << GlobalCell::kLaneShift | uint64_t(atomic_) << GlobalCell::kKindShift | bytes;
    // Bytes of one word written by one thread belong together.
    if ((writer ^ mine) >> GlobalCell::kKindShift == 0) mine |= writer & 15;
    put(writers_[word], mine);
  }

 private:
  void mark(uint64_t* cells, uint32_t each, uint64_t kind) {
    uint64_t mine = cell_ | kind | 15;
    for (uint32_t lane = 0; lane < kLanes; lane++, mine += uint64_t(1) << GlobalCell::kLaneShift) {
      for (uint32_t i = lane * each; i < (lane + 1) * each; i++) cells[i] = mine;
    }
  }

  // ordered tells whether what a warp did at a time happened before now.
  bool ordered(uint32_t warp, uint32_t time) const {
    uint32_t n = block_.warpCount(), first = block_.globalWarp(0);
    const Clocks& c = block_.clocks[warp_];
    if (warp - first < n) return c.known[warp - first] - block_.baseClock >= time;
    auto other = c.acquired.find(warp / n);
    return other != c.acquired.end() && warp % n < other->second.size() && other->second[warp % n] >= time;
  }
  bool sameBlock(uint32_t warp) const { return warp - block_.globalWarp(0) < block_.warpCount(); }

  // within tells whether two accesses of this warp at one time belong to different lanes.
  bool lanesConflict(uint64_t cell, uint32_t lane) const {
    return GlobalCell::clock(cell) == GlobalCell::clock(cell_) && GlobalCell::lane(cell) != lane;
  }

  void checkWriter(uint64_t writer, uint64_t word, uint32_t lane, uint32_t bytes, bool writes) {
    if (!(GlobalCell::bytes(writer) & bytes) || (atomic_ && GlobalCell::kind(writer) == 1)) return;
    uint32_t warp = GlobalCell::warp(writer);
    bool own = warp == GlobalCell::warp(cell_);
    if (own ? !lanesConflict(writer, lane) : ordered(warp, GlobalCell::clock(writer))) return;
    report(word, lane, writes, "written", writer);
  }

  void checkReader(uint64_t reader, uint64_t word, uint32_t lane, uint32_t bytes) {
    if (!(GlobalCell::bytes(reader) & bytes)) return;
    uint32_t warp = GlobalCell::warp(reader), time = GlobalCell::clock(reader);
    const Clocks& c = block_.clocks[warp_];
    bool race;
    if (GlobalCell::kind(reader) == 2) {
      // Several blocks have read it. Which ones is not kept: a warp that synchronised with other blocks is given the benefit.
      race = c.acquired.empty();
    } else if (GlobalCell::kind(reader) == 1) {
      race = sameBlock(warp) ? !block_.partialBarriers && othersUnordered(time) : !ordered(warp, time);
    } else if (warp == GlobalCell::warp(cell_)) {
      race = lanesConflict(reader, lane);
    } else {
      race = !ordered(warp, time);
    }
    if (race) report(word, lane, true, "read", reader);
  }

  bool othersUnordered(uint32_t time) const {
    const Clocks& c = block_.clocks[warp_];
    for (uint32_t w = 0; w < block_.warpCount(); w++) {
      if (w != warp_ && c.known[w] - block_.baseClock < time) return true;
    }
    return false;
  }

  uint64_t mergeReader(uint64_t reader, uint64_t mine) const {
    constexpr uint64_t kind = uint64_t(3) << GlobalCell::kKindShift;
    if (!(GlobalCell::bytes(reader) & GlobalCell::bytes(mine))) return mine;
    if (GlobalCell::kind(reader) == 2) return reader | GlobalCell::bytes(mine);
    uint32_t warp = GlobalCell::warp(reader), time = GlobalCell::clock(reader);
    uint64_t both = mine | (reader & 15);
    if (!sameBlock(warp)) return ordered(warp, time) ? mine : ((both & ~kind) | uint64_t(2) << GlobalCell::kKindShift);
    if (GlobalCell::kind(reader) == 0) {
      if (warp == GlobalCell::warp(cell_)) {
        return time == GlobalCell::clock(cell_) ? both | uint64_t(kManyLanes) << GlobalCell::kLaneShift : mine;
      }
      if (ordered(warp, time)) return mine;
    } else if (!othersUnordered(time)) {
      return mine;
    }
    uint64_t latest = std::max(time, GlobalCell::clock(mine));
    uint64_t clockMask = uint64_t(GlobalCell::kClockMax) << GlobalCell::kClockShift;
    return (both & ~kind & ~clockMask) | latest << GlobalCell::kClockShift | uint64_t(1) << GlobalCell::kKindShift;
  }

  [[noreturn]] void report(uint64_t word, uint32_t lane, bool writes, const char* verb, uint64_t cell) const {
    uint32_t warp = GlobalCell::warp(cell), n = block_.warpCount();
    std::string who = "warp " + std::to_string(warp % n) + (sameBlock(warp) ? " of this block" : " of block " + std::to_string(warp / n));
    if (GlobalCell::lane(cell) != kManyLanes) who += ", lane " + std::to_string(GlobalCell::lane(cell));
    if (GlobalCell::kind(cell) == 2 && *verb == 'r') who = "several blocks";
    if (lane == kManyLanes) lane = uint32_t(__builtin_ctz(q_.mask));
    Address at = DeviceMemory::kBase + word * 4;
    w_.fault(*q_.in, FaultKind::RaceGlobal, lane,
             std::string(writes ? (atomic_ ? "atomic access to " : "write to ") : "read of ") + memory_.place(at) + ", which was " + verb +
                 " by " + who + " without an order between them");
  }

  Warp& w_;
  const Request& q_;
  Block& block_;
  DeviceMemory& memory_;
  bool atomic_, on_;
  uint32_t warp_;
  uint64_t generation_, cell_;
  uint64_t *writers_, *readers_;
};

// Sectors counts the sectors of a request and its distinct bytes.
struct Sectors {
  uint64_t number[kLanes * 2];
  uint32_t bytes[kLanes * 2];
  size_t count = 0;

  void add(uint64_t address, uint32_t size) {
    uint64_t sector = address / kSector;
    uint32_t from = uint32_t(address % kSector);
    uint32_t mask = uint32_t(((uint64_t(1) << size) - 1) << from);
    for (size_t i = count; i-- > 0;) {
      if (number[i] != sector) continue;
      bytes[i] |= mask;
      return;
    }
    number[count] = sector;
    bytes[count++] = mask;
  }
  uint64_t useful() const {
    uint64_t n = 0;
    for (size_t i = 0; i < count; i++) n += uint64_t(__builtin_popcount(bytes[i]));
    return n;
  }
};

bool contiguous(const Request& q) {
  if (q.mask != kAllLanes) return false;
  uint64_t wrong = 0;
  for (int i = 0; i < kLanes; i++) wrong |= q.address[i] ^ (q.address[0] + uint64_t(i) * q.bytes);
  return wrong == 0;
}

// wholeRange tells whether an aligned run of words may be accessed.
bool wholeRange(const uint8_t* shadow, uint64_t words, uint8_t want) {
  uint8_t all = 0xff;
  for (uint64_t i = 0; i < words; i++) all &= shadow[i];
  return (all & want) == want;
}

void checkLane(Warp& w, const Request& q, int lane, bool reads) {
  const DeviceMemory& m = w.block().grid().memory;
  uint64_t offset = q.address[lane] - DeviceMemory::kBase;
  if (q.address[lane] % q.bytes != 0 || offset >= m.reserved() - 16) refuse(w, q, lane, reads);
  const uint8_t* s = m.shadow() + offset / 4;
  if (q.bytes >= 4) {
    uint8_t want = reads ? 0xff : kAccessible;
    for (uint32_t i = 0; i < q.bytes / 4; i++) {
      if ((s[i] & want) != want) refuse(w, q, lane, reads);
    }
  } else {
    uint8_t bits = uint8_t(((1u << q.bytes) - 1) << (offset % 4));
    uint8_t want = uint8_t(bits | (reads ? bits << 4 : 0));
    if ((*s & want) != want) refuse(w, q, lane, reads);
  }
}

void checkReadOnly(Warp& w, const Request& q) {
  const DeviceMemory& m = w.block().grid().memory;
  if (!m.hasReadOnly()) return;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    if (m.isReadOnly(q.address[lane], q.bytes)) {
      w.fault(*q.in, FaultKind::ReadOnly, uint32_t(lane), std::to_string(q.bytes) + " bytes at " + m.place(q.address[lane]));
    }
  }
}

// The bytes of a word that lane's access touches, for accesses below four bytes.
uint32_t byteMask(const Request& q, int lane) {
  return q.bytes >= 4 ? 15 : ((1u << q.bytes) - 1) << (q.address[lane] % 4);
}

template <bool reads>
void races(Warp& w, const Request& q, bool run) {
  Races r(w, q, q.strong);
  if (!r.on()) return;
  uint32_t words = std::max(1u, q.bytes / 4);
  if (run && q.bytes >= 4) {
    uint64_t first = (q.address[0] - DeviceMemory::kBase) / 4;
    if (reads ? r.readRun(first, words) : r.writeRun(first, words)) return;
  }
  bool uniform = reads && q.mask == kAllLanes &&
                 std::all_of(q.address, q.address + kLanes, [&](uint64_t a) { return a == q.address[0]; });
  for (uint32_t lanes = uniform ? 1 : q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint64_t word = (q.address[lane] - DeviceMemory::kBase) / 4;
    uint32_t bytes = byteMask(q, lane), who = uniform ? kManyLanes : uint32_t(lane);
    for (uint32_t i = 0; i < words; i++) reads ? r.read(word + i, who, bytes) : r.write(word + i, who, bytes);
  }
}

void countSectors(const Request& q, bool contiguousRange, uint64_t& requests, uint64_t& sectors, uint64_t& bytes) {
  requests++;
  if (contiguousRange) {
    uint64_t first = q.address[0], last = first + uint64_t(q.bytes) * kLanes - 1;
    sectors += last / kSector - first / kSector + 1;
    bytes += uint64_t(q.bytes) * kLanes;
    return;
  }
  Sectors s;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) s.add(q.address[__builtin_ctz(lanes)], q.bytes);
  sectors += s.count;
  bytes += s.useful();
}

}  // namespace

namespace {

// check refuses what may not be accessed; it tells whether the request is one run of consecutive, aligned elements of four bytes or more.
bool check(Warp& w, const Request& q, bool consecutive, bool reads) {
  const DeviceMemory& m = w.block().grid().memory;
  uint64_t offset = q.address[0] - DeviceMemory::kBase, total = uint64_t(q.bytes) * kLanes;
  bool run = consecutive && q.bytes >= 4 && offset % q.bytes == 0 && offset < m.reserved() - total &&
             wholeRange(m.shadow() + offset / 4, total / 4, reads ? 0xff : kAccessible);
  if (run) return true;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) checkLane(w, q, __builtin_ctz(lanes), reads);
  return false;
}

template <uint32_t bytes>
void spread(uint8_t* data, const uint8_t* from) {
  for (int lane = 0; lane < kLanes; lane++) std::memcpy(data + lane * kLaneStride, from + uint32_t(lane) * bytes, bytes);
}

template <uint32_t bytes>
void gather(uint8_t* to, const uint8_t* data) {
  for (int lane = 0; lane < kLanes; lane++) std::memcpy(to + uint32_t(lane) * bytes, data + lane * kLaneStride, bytes);
}

}  // namespace

void readGlobal(Warp& w, const Request& q, uint8_t* data) {
  const DeviceMemory& m = w.block().grid().memory;
  Counters& c = w.block().worker().counters;
  bool consecutive = contiguous(q), run = check(w, q, consecutive, true);
  countSectors(q, consecutive, c.globalLoadRequests, c.globalLoadSectors, c.globalLoadBytes);
  races<true>(w, q, run);
  if (run) {
    const uint8_t* from = m.data() + (q.address[0] - DeviceMemory::kBase);
    if (q.bytes == 4) spread<4>(data, from);
    else if (q.bytes == 8) spread<8>(data, from);
    else spread<16>(data, from);
    return;
  }
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    const uint8_t* from = m.data() + (q.address[lane] - DeviceMemory::kBase);
    if (q.bytes == 4) std::memcpy(data + lane * kLaneStride, from, 4);
    else std::memcpy(data + lane * kLaneStride, from, q.bytes);
  }
}

void writeGlobal(Warp& w, const Request& q, const uint8_t* data) {
  const DeviceMemory& m = w.block().grid().memory;
  Counters& c = w.block().worker().counters;
  bool consecutive = contiguous(q), run = check(w, q, consecutive, false);
  checkReadOnly(w, q);
  countSectors(q, consecutive, c.globalStoreRequests, c.globalStoreSectors, c.globalStoreBytes);
  races<false>(w, q, run);
  w.stores++;
  if (run) {
    uint64_t offset = q.address[0] - DeviceMemory::kBase;
    if (q.bytes == 4) gather<4>(m.data() + offset, data);
    else if (q.bytes == 8) gather<8>(m.data() + offset, data);
    else gather<16>(m.data() + offset, data);
    std::memset(m.shadow() + offset / 4, 0xff, q.bytes / 4 * kLanes);
    return;
  }
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint64_t offset = q.address[lane] - DeviceMemory::kBase;
    std::memcpy(m.data() + offset, data + lane * kLaneStride, q.bytes);
    uint8_t* s = m.shadow() + offset / 4;
    if (q.bytes >= 4) {
      std::memset(s, 0xff, q.bytes / 4);
      continue;
    }
    // Other blocks may write the other bytes of this word at the same time.
    uint8_t bits = uint8_t(byteMask(q, lane) << 4);
    if ((__atomic_load_n(s, __ATOMIC_RELAXED) & bits) != bits) __atomic_fetch_or(s, bits, __ATOMIC_RELAXED);
  }
}

void* atomicGlobal(Warp& w, const Request& q, int lane) {
  DeviceMemory& m = w.block().grid().memory;
  checkLane(w, q, lane, true);
  if (m.hasReadOnly() && m.isReadOnly(q.address[lane], q.bytes)) {
    w.fault(*q.in, FaultKind::ReadOnly, uint32_t(lane), std::to_string(q.bytes) + " bytes at " + m.place(q.address[lane]));
  }
  Races r(w, q, true);
  uint64_t offset = q.address[lane] - DeviceMemory::kBase;
  if (r.on()) {
    for (uint32_t i = 0; i < std::max(1u, q.bytes / 4); i++) r.write(offset / 4 + i, uint32_t(lane), byteMask(q, lane));
  }
  return m.data() + offset;
}

}  // namespace vm
