// Shared, local and parameter memory.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "access.h"
#include "block.h"

namespace vm {
namespace {

constexpr uint32_t kWavefront = 128;  // bytes: 32 banks of four
constexpr uint8_t kAccessible = 0x0f;

[[noreturn]] void refuse(Warp& w, const Request& q, int lane, bool reads) {
  uint64_t a = q.address[lane];
  uint32_t size = w.block().grid().sharedBytes;
  std::string what = std::to_string(q.bytes) + " bytes at ";
  if (a >= size) {
    w.fault(*q.in, FaultKind::OutOfBounds, uint32_t(lane),
            what + (a < (uint64_t(1) << 32) ? w.block().sharedPlace(uint32_t(a)) : "shared address " + std::to_string(int64_t(a))));
  }
  what += w.block().sharedPlace(uint32_t(a));
  if (a % q.bytes != 0) w.fault(*q.in, FaultKind::Misaligned, uint32_t(lane), what + ", no multiple of " + std::to_string(q.bytes));
  for (uint32_t i = 0; i < q.bytes; i++) {
    if (!(w.block().sharedShadow[(a + i) / 4] >> (a + i) % 4 & 1)) w.fault(*q.in, FaultKind::OutOfBounds, uint32_t(lane), what);
  }
  w.fault(*q.in, reads ? FaultKind::Uninitialised : FaultKind::OutOfBounds, uint32_t(lane), what);
}

// representatives drops lanes whose address another lane has too, as far as cheap comparisons find them.
uint32_t representatives(const Request& q) {
  alignas(32) uint32_t padded[kLanes + 16];
  uint32_t* a = padded + 16;
  for (int i = 0; i < kLanes; i++) a[i] = uint32_t(q.address[i]);
  std::fill(padded, padded + 16, ~0u);
  uint32_t duplicates = 0;
  for (int distance : {1, 2, 4, 8, 16}) {
    uint32_t equal = 0;
    for (int i = 0; i < kLanes; i += 8) {
      __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
      __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i - distance));
      equal |= uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(x, y)))) << i;
    }
    duplicates |= equal & (q.mask << distance);
  }
  return q.mask & ~duplicates;
}

// countWavefronts: a request takes as many wavefronts as the busiest bank has distinct words. Accesses of 8 and 16 bytes are aligned,
// so that a unit of that size stands for its banks.
void countWavefronts(const Request& q, uint32_t lanes, uint64_t& requests, uint64_t& wavefronts, uint64_t& ideal) {
  requests++;
  uint32_t unit = std::max(4u, q.bytes), banks = kWavefront / unit;
  uint32_t first = uint32_t(__builtin_ctz(lanes)), number = uint32_t(__builtin_popcount(lanes));
  uint64_t scattered = lanes >> first == ~0u >> (kLanes - number) ? 0 : 1;
  for (uint32_t i = 1; i < number; i++) scattered |= q.address[(first + i) % kLanes] ^ (q.address[first] + i * unit);
  if (scattered == 0 && q.bytes >= 4) {
    // Consecutive units spread evenly over the banks.
    wavefronts += (number + banks - 1) / banks;
    ideal += (number * unit + kWavefront - 1) / kWavefront;
    return;
  }
  uint32_t words[32], count[32] = {}, most = 0, bytes = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint32_t word = uint32_t(q.address[__builtin_ctz(rest)]) / unit, bank = word % banks;
    bytes += q.bytes;
    if (count[bank] > 0 && words[bank] == word) continue;
    words[bank] = word;
    most = std::max(most, ++count[bank]);
  }
  wavefronts += most;
  ideal += (bytes + kWavefront - 1) / kWavefront;
}

class Races {
 public:
  Races(Warp& w, const Request& q, bool atomic) : w_(w), q_(q), block_(w.block()), cells_(block_.cells), clocks_(block_.clocks[w.index()]), atomic_(atomic) {
    on_ = block_.grid().config.races;
    now_ = uint64_t(clocks_.known[w.index()]) << 32;
    // Cells below this were made before now, whoever made them.
    limit_ = uint64_t(clocks_.limit + 1) << 32;
    base_ = now_ | uint64_t(w.index()) << 16 | uint64_t(atomic) << 4;
  }
  bool on() const { return on_; }

  void read(uint32_t word, uint32_t lane, uint32_t bytes) {
    uint64_t writer = cells_.writer[word];
    if (writer >= limit_) checkWriter(writer, word, lane, bytes, false);
    if (atomic_) return;  // as in global memory
    uint64_t readers = cells_.readers[word], me = uint64_t(1) << w_.index();
    uint32_t last = w_.index() << 16 | lane << 8 | bytes;
    if (readers < limit_) {
      cells_.readers[word] = now_ | me;
    } else if (readers >> 32 == now_ >> 32) {
      if (readers & me) last = mergeLast(cells_.last[word], last);
      cells_.readers[word] = readers | me;
    } else {
      cells_.readers[word] = mergeReaders(readers, me);
    }
    cells_.last[word] = last;
  }

  void write(uint32_t word, uint32_t lane, uint32_t bytes) {
    uint64_t writer = cells_.writer[word], readers = cells_.readers[word];
    uint64_t mine = base_ | lane << 8 | bytes;
    if (writer >= limit_) {
      checkWriter(writer, word, lane, bytes, true);
      if ((writer ^ mine) >> 4 == 0) mine |= writer & 15;
    }
    if (readers >= limit_) checkReaders(readers, word, lane, bytes);
    cells_.writer[word] = mine;
  }

 private:
  static uint32_t warpOf(uint64_t cell) { return uint32_t(cell >> 16) & 255; }
  static uint32_t laneOf(uint64_t cell) { return uint32_t(cell >> 8) & 255; }

  // Two lanes of a warp that read at one time become several; bytes add up.
  static uint32_t mergeLast(uint32_t old, uint32_t last) {
    if (warpOf(old) != warpOf(last) || !(old & last & 15)) return last;
    return laneOf(old) == laneOf(last) ? last | (old & 15) : (last | (old & 15) | kManyLanes << 8);
  }

  // Readers at different times that are not ordered only happen with barriers for part of a block. The earlier time is kept, which may
  // miss a race but never invents one.
  uint64_t mergeReaders(uint64_t readers, uint64_t me) const {
    uint64_t time = readers >> 32, left = 0;
    for (uint32_t set = uint32_t(readers); set; set &= set - 1) {
      uint32_t warp = uint32_t(__builtin_ctz(set));
      if (warp != w_.index() && clocks_.known[warp] < time) left |= uint64_t(1) << warp;
    }
    return left ? (std::min(time, now_ >> 32) << 32 | left | me) : (now_ | me);
  }

  void checkWriter(uint64_t writer, uint32_t word, uint32_t lane, uint32_t bytes, bool writes) {
    if (!(writer & bytes & 15) || (atomic_ && (writer >> 4 & 1))) return;
    uint32_t warp = warpOf(writer);
    bool conflict = warp == w_.index() ? (writer >> 32 == now_ >> 32 && laneOf(writer) != lane) : clocks_.known[warp] < writer >> 32;
    if (conflict) report(word, lane, writes, "written", warp, laneOf(writer));
  }

  void checkReaders(uint64_t readers, uint32_t word, uint32_t lane, uint32_t bytes) {
    uint32_t last = cells_.last[word];
    uint64_t time = readers >> 32;
    bool overlap = last & bytes & 15;
    for (uint32_t set = uint32_t(readers); set; set &= set - 1) {
      uint32_t warp = uint32_t(__builtin_ctz(set));
      if (warp == w_.index()) {
        if (warpOf(last) == warp && overlap && time == now_ >> 32 && laneOf(last) != lane) report(word, lane, true, "read", warp, laneOf(last));
      } else if (clocks_.known[warp] < time && (overlap || bytes == 15)) {
        report(word, lane, true, "read", warp, warpOf(last) == warp ? laneOf(last) : kManyLanes);
      }
    }
  }

  [[noreturn]] void report(uint32_t word, uint32_t lane, bool writes, const char* verb, uint32_t warp, uint32_t otherLane) const {
    std::string who = warp == w_.index() ? "this warp" : "warp " + std::to_string(warp);
    if (otherLane != kManyLanes) who += ", lane " + std::to_string(otherLane);
    if (lane == kManyLanes) lane = uint32_t(__builtin_ctz(q_.mask));
    w_.fault(*q_.in, FaultKind::RaceShared, lane,
             std::string(writes ? (atomic_ ? "atomic access to " : "write to ") : "read of ") + block_.sharedPlace(word * 4) +
                 ", which was " + verb + " by " + who + " without an order between them");
  }

  Warp& w_;
  const Request& q_;
  Block& block_;
  SharedCells& cells_;
  const Clocks& clocks_;
  bool atomic_, on_;
  uint64_t now_, limit_, base_;
};

inline __attribute__((always_inline)) void checkLane(Warp& w, const Request& q, int lane, bool reads) {
  uint64_t a = q.address[lane];
  if (a >= w.block().grid().sharedBytes || a % q.bytes != 0) refuse(w, q, lane, reads);
  const uint8_t* s = w.block().sharedShadow.data() + a / 4;
  if (q.bytes == 4) {
    if ((*s & (reads ? 0xff : kAccessible)) != (reads ? 0xff : kAccessible)) refuse(w, q, lane, reads);
  } else if (q.bytes > 4) {
    // Two or four shadow bytes at once.
    uint32_t all = ~0u, want = (reads ? ~0u : kAccessible * 0x01010101u);
    std::memcpy(&all, s, q.bytes == 8 ? 2 : 4);
    if ((all & want) != want) refuse(w, q, lane, reads);
  } else {
    uint8_t bits = uint8_t(((1u << q.bytes) - 1) << a % 4), want = uint8_t(bits | (reads ? bits << 4 : 0));
    if ((*s & want) != want) refuse(w, q, lane, reads);
  }
}

uint32_t byteMask(const Request& q, int lane) { return q.bytes >= 4 ? 15 : ((1u << q.bytes) - 1) << (q.address[lane] % 4); }

}  // namespace

void readShared(Warp& w, const Request& q, uint8_t* data) {
  Block& b = w.block();
  uint32_t beyond = 0;
  for (int lane = 0; lane < kLanes; lane++) beyond |= uint32_t(q.address[lane] >= b.grid().sharedBytes) << lane;
  if (beyond &= q.mask) refuse(w, q, __builtin_ctz(beyond), true);
  uint32_t distinct = representatives(q);
  Counters& c = b.worker().counters;
  countWavefronts(q, distinct, c.sharedLoadRequests, c.sharedLoadWavefronts, c.sharedLoadIdeal);
  Races races(w, q, q.strong);
  bool shared = distinct != q.mask;
  uint32_t words = std::max(1u, q.bytes / 4);
  for (uint32_t lanes = distinct; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    checkLane(w, q, lane, true);
    if (!races.on()) continue;
    uint32_t word = uint32_t(q.address[lane]) / 4, bytes = byteMask(q, lane), who = shared ? kManyLanes : uint32_t(lane);
    for (uint32_t i = 0; i < words; i++) races.read(word + i, who, bytes);
  }
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    // Shared memory is padded, so that sixteen bytes can always be copied.
    std::memcpy(data + lane * kLaneStride, b.shared.data() + q.address[lane], 16);
  }
}

void writeShared(Warp& w, const Request& q, const uint8_t* data) {
  Block& b = w.block();
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) checkLane(w, q, __builtin_ctz(lanes), false);
  Counters& c = b.worker().counters;
  countWavefronts(q, representatives(q), c.sharedStoreRequests, c.sharedStoreWavefronts, c.sharedStoreIdeal);
  Races races(w, q, q.strong);
  uint32_t words = std::max(1u, q.bytes / 4);
  w.stores++;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint32_t at = uint32_t(q.address[lane]), bytes = byteMask(q, lane);
    if (races.on()) {
      for (uint32_t i = 0; i < words; i++) races.write(at / 4 + i, uint32_t(lane), bytes);
    }
    std::memcpy(b.shared.data() + at, data + lane * kLaneStride, q.bytes);
    for (uint32_t i = 0; i < words; i++) b.sharedShadow[at / 4 + i] |= uint8_t(bytes << 4);
  }
}

void* atomicShared(Warp& w, const Request& q, int lane) {
  checkLane(w, q, lane, true);
  Races races(w, q, true);
  uint32_t at = uint32_t(q.address[lane]);
  if (races.on()) {
    for (uint32_t i = 0; i < std::max(1u, q.bytes / 4); i++) races.write(at / 4 + i, uint32_t(lane), byteMask(q, lane));
  }
  return w.block().shared.data() + at;
}

void poisonShared(Warp& w, const Request& q) {
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    checkLane(w, q, lane, false);
    for (uint32_t i = 0; i < q.bytes; i += 4) w.block().sharedShadow[(q.address[lane] + i) / 4] &= uint8_t(~(byteMask(q, lane) << 4));
  }
}

namespace {

// localAt checks a lane's access to its local memory and returns its place in the block's.
size_t localAt(Warp& w, const Request& q, int lane, bool reads) {
  uint32_t size = w.block().program().localBytes;
  uint64_t a = q.address[lane];
  auto fail = [&](FaultKind kind) {
    w.fault(*q.in, kind, uint32_t(lane), std::to_string(q.bytes) + " bytes at local byte " + std::to_string(int64_t(a)) + " of " + std::to_string(size));
  };
  if (a >= size || q.bytes > size - a) fail(FaultKind::OutOfBounds);
  if (a % q.bytes != 0) fail(FaultKind::Misaligned);
  size_t at = size_t(w.index() * kLanes + uint32_t(lane)) * size + size_t(a);
  for (uint32_t i = 0; reads && i < q.bytes; i++) {
    if (!w.block().localWritten[at + i]) fail(FaultKind::Uninitialised);
  }
  return at;
}

}  // namespace

void readLocal(Warp& w, const Request& q, uint8_t* data) {
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    std::memcpy(data + lane * kLaneStride, w.block().local.data() + localAt(w, q, lane, true), q.bytes);
  }
}

void writeLocal(Warp& w, const Request& q, const uint8_t* data) {
  w.stores++;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    size_t at = localAt(w, q, lane, false);
    std::memcpy(w.block().local.data() + at, data + lane * kLaneStride, q.bytes);
    std::memset(w.block().localWritten.data() + at, 1, q.bytes);
  }
}

void readParameters(Warp& w, const Request& q, uint8_t* data) {
  const std::vector<uint8_t>& p = w.block().grid().parameters;
  bool uniform = std::all_of(q.address, q.address + kLanes, [&](uint64_t a) { return a == q.address[0]; });
  if (uniform && q.address[0] % q.bytes == 0 && q.address[0] + q.bytes <= p.size()) {
    uint8_t value[kLaneStride] = {};
    std::memcpy(value, p.data() + q.address[0], q.bytes);
    for (int lane = 0; lane < kLanes; lane++) std::memcpy(data + lane * kLaneStride, value, kLaneStride);
    return;
  }
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint64_t a = q.address[lane];
    bool outside = a >= p.size() || q.bytes > p.size() - a;
    if (outside || a % q.bytes != 0) {
      w.fault(*q.in, outside ? FaultKind::OutOfBounds : FaultKind::Misaligned, uint32_t(lane),
              std::to_string(q.bytes) + " bytes at parameter byte " + std::to_string(int64_t(a)) + " of " + std::to_string(p.size()));
    }
    std::memcpy(data + lane * kLaneStride, p.data() + a, q.bytes);
  }
}

}  // namespace vm
