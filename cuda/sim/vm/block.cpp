#include "block.h"

#include <algorithm>
#include <cstring>

#include "control.h"

namespace vm {

Block::Block(Grid& grid, WorkerState& worker) : grid_(grid), worker_(worker) {
  threads_ = uint32_t(grid.config.block.count());
  uint32_t warps = (threads_ + kLanes - 1) / kLanes;
  warps_ = std::vector<Warp>(warps);
  order_.resize(warps);
  shared.resize(grid.sharedBytes + 16);  // an access that starts in bounds may be read whole
  sharedShadow.resize(grid.sharedBytes / 4 + 8);
  cells.resize(sharedShadow.size());
  local.resize(size_t(grid.program.localBytes) * threads_);
  localWritten.resize(local.size());
  for (uint32_t w = 0; w < warps; w++) {
    uint32_t lanes = std::min<uint32_t>(kLanes, threads_ - w * kLanes);
    warps_[w].init(*this, w, lanes == kLanes ? kAllLanes : (1u << lanes) - 1);
  }
}

Dim3 Block::threadIndex(uint32_t warp, uint32_t lane) const {
  const Dim3& d = grid_.config.block;
  uint32_t t = warp * kLanes + lane;
  return {t % d.x, t / d.x % d.y, t / d.x / d.y};
}

void Block::start(uint64_t index) {
  linear_ = index;
  const Dim3& g = grid_.config.grid;
  blockIndex_ = {uint32_t(index % g.x), uint32_t(index / g.x % g.y), uint32_t(index / g.x / g.y)};

  std::fill(sharedShadow.begin(), sharedShadow.end(), uint8_t(0));
  auto allow = [&](uint32_t offset, uint32_t bytes) {
    for (uint32_t i = offset; i < offset + bytes; i++) sharedShadow[i / 4] |= uint8_t(1 << i % 4);
  };
  for (const SharedVariable& v : grid_.program.shared) allow(v.offset, v.bytes);
  allow(grid_.dynamicStart, grid_.config.dynamicShared);
  std::fill(localWritten.begin(), localWritten.end(), uint8_t(0));

  // Clocks go on from block to block, so that cells need not be cleared: whatever is older is in order. Near the end of their
  // range they start over.
  uint32_t latest = baseClock;
  for (uint32_t w = 0; w < warpCount(); w++) latest = std::max(latest, clocks[w].known[w]);
  if (latest > 0xf0000000u) {
    cells.resize(sharedShadow.size());
    latest = 0;
  }
  baseClock = latest;
  for (uint32_t w = 0; w < warpCount(); w++) {
    clocks[w] = Clocks{};
    std::fill(std::begin(clocks[w].known), std::end(clocks[w].known), baseClock);
    clocks[w].known[w] = baseClock + 1;
    clocks[w].limit = baseClock;
  }
  partialBarriers = false;

  for (Barrier& b : barriers_) b = Barrier{};
  random.seed(uint32_t(grid_.config.seed * 2654435761u + index * 40503u + 1));
  for (uint32_t w = 0; w < warpCount(); w++) order_[w] = w;
  if (grid_.config.seed != 0) std::shuffle(order_.begin(), order_.end(), random);
  for (Warp& w : warps_) w.start();
  worker_.counters.blocks++;
  worker_.counters.warps += warpCount();
}

Block::Outcome Block::run() {
  progressed_ = false;
  for (;;) {
    bool ran = false, spinning = false, done = true;
    for (uint32_t i : order_) {
      Warp& w = warps_[i];
      if (w.status() == Warp::Status::Done) continue;
      done = false;
      if (w.status() == Warp::Status::Blocked) continue;
      uint64_t stores = w.stores;
      bool wasSpinning = w.status() == Warp::Status::Spinning;
      w.run();
      if (grid_.stop) return Outcome::Finished;
      if (wasSpinning && w.status() == Warp::Status::Spinning && w.stores == stores) spinning = true;
      else ran = true;
    }
    if (done) return Outcome::Finished;
    progressed_ |= ran;
    if (ran) continue;
    if (spinning) return Outcome::Spinning;
    reportStuck();
  }
}

void Block::reportStuck() {
  for (const Warp& w : warps_) {
    for (const Fragment& f : w.parked()) {
      if (f.state != Fragment::Meeting) continue;
      uint32_t there = 0;
      for (const Fragment& g : w.parked()) {
        if (g.state == Fragment::Meeting && g.pc->run == f.pc->run && g.members == f.members) there |= g.mask;
      }
      uint32_t missing = f.members & w.live() & ~there;
      w.fault(*f.pc, FaultKind::WarpSyncStuck, uint32_t(__builtin_ctz(f.mask)),
              std::to_string(__builtin_popcount(f.mask)) + " lanes wait for " + std::to_string(__builtin_popcount(missing)) +
                  " others of their mask that never come, lane " + std::to_string(missing ? __builtin_ctz(missing) : 0) + " first");
    }
  }
  for (const Barrier& b : barriers_) {
    if (b.arrivals.empty()) continue;
    uint32_t expected = b.expected;
    // Name the first thread that has not arrived, and whether it has left the kernel.
    std::string missing;
    for (uint32_t w = 0; w < warpCount() && missing.empty(); w++) {
      uint32_t there = 0;
      for (const Arrival& a : b.arrivals) {
        if (a.warp == w) there |= a.lanes;
      }
      uint32_t absent = warps_[w].started() & ~there;
      if (!absent) continue;
      uint32_t lane = uint32_t(__builtin_ctz(absent));
      Dim3 t = threadIndex(w, lane);
      missing = "thread (" + std::to_string(t.x) + "," + std::to_string(t.y) + "," + std::to_string(t.z) + ") " +
                (warps_[w].live() >> lane & 1 ? "waits elsewhere" : "has exited");
    }
    for (const Arrival& a : b.arrivals) {
      const Warp& w = warps_[a.warp];
      for (const Fragment& f : w.parked()) {
        if (f.state != Fragment::Waiting || !(f.mask & a.lanes)) continue;
        w.fault(f.pc[-1], FaultKind::BarrierStuck, uint32_t(__builtin_ctz(f.mask)),
                "barrier " + std::to_string(&b - barriers_) + " has " + std::to_string(b.arrived) + " of " + std::to_string(expected) +
                    " threads" + (missing.empty() ? "" : "; " + missing));
      }
    }
  }
  Fault f;
  f.kind = FaultKind::BarrierStuck;
  f.kernel = program().kernel;
  f.message = "no thread of the block can go on";
  throw KernelFault{f};
}

void Block::arrive(Warp& warp, const Instr& in, uint32_t id, uint32_t expected, bool waits, uint32_t truths) {
  uint32_t lane = uint32_t(__builtin_ctz(warp.mask));
  uint32_t all = warpCount() * kLanes;
  if (id >= 16) warp.fault(in, FaultKind::InvalidOperation, lane, "barrier " + std::to_string(id) + " of 16");
  if (expected % kLanes != 0 || expected > all) {
    warp.fault(in, FaultKind::InvalidOperation, lane,
               "a barrier for " + std::to_string(expected) + " threads, in a block of " + std::to_string(threads_));
  }
  if (expected == 0) expected = all;
  if (expected != all) partialBarriers = true;
  Barrier& b = barriers_[id];
  if (b.arrivals.empty()) {
    b.expected = expected;
  } else if (b.expected != expected) {
    warp.fault(in, FaultKind::InvalidOperation, lane,
               "arrives at barrier " + std::to_string(id) + " for " + std::to_string(expected) + " threads; others arrived for " +
                   std::to_string(b.expected));
  }
  worker_.counters.barriers++;
  // Lanes that the block's last warp lacks count with its first lane.
  uint32_t phantoms = warp.mask & 1 ? kLanes - uint32_t(__builtin_popcount(warp.started())) : 0;
  b.arrived += uint32_t(__builtin_popcount(warp.mask)) + phantoms;
  b.truths += truths;
  b.arrivals.push_back({warp.index(), warp.mask, waits, &in});
  if (b.arrived > b.expected) {
    warp.fault(in, FaultKind::InvalidOperation, lane,
               "barrier " + std::to_string(id) + " for " + std::to_string(b.expected) + " threads was reached by more");
  }
  if (b.arrived == b.expected) {
    complete(b);
    uint32_t present = 0;
    for (const Arrival& a : b.arrivals) present += uint32_t(__builtin_popcount(a.lanes));
    for (const Arrival& a : b.arrivals) {
      barrierResult(warps_[a.warp], *a.in, a.lanes, b.truths, present);
      if (a.waits && (a.warp != warp.index() || a.lanes != warp.mask)) warps_[a.warp].release(a.lanes);
    }
    b.arrivals.clear();
    b.arrived = b.truths = 0;
  } else if (waits) {
    warp.wait();
  }
}

// complete orders what came before the arrivals before what comes after the waits.
void Block::complete(Barrier& b) {
  uint32_t n = warpCount();
  if (b.expected == n * kLanes) {
    uint32_t latest = 0;
    for (uint32_t w = 0; w < n; w++) latest = std::max(latest, clocks[w].known[w]);
    bool others = false;
    for (uint32_t w = 0; w < n; w++) others |= !clocks[w].acquired.empty();
    if (others) {
      Knowledge all;
      for (uint32_t w = 0; w < n; w++) joinKnowledge(all, clocks[w].acquired);
      for (uint32_t w = 0; w < n; w++) clocks[w].acquired = all;
    }
    for (uint32_t w = 0; w < n; w++) {
      std::fill(clocks[w].known, clocks[w].known + n, latest);
      clocks[w].known[w] = latest + 1;
      clocks[w].limit = latest;
    }
    return;
  }
  uint32_t joined[kMaxWarps] = {};
  Knowledge all;
  for (const Arrival& a : b.arrivals) {
    for (uint32_t w = 0; w < n; w++) joined[w] = std::max(joined[w], clocks[a.warp].known[w]);
    joinKnowledge(all, clocks[a.warp].acquired);
  }
  for (const Arrival& a : b.arrivals) {
    Clocks& c = clocks[a.warp];
    if (a.waits) {
      for (uint32_t w = 0; w < n; w++) c.known[w] = std::max(c.known[w], joined[w]);
      joinKnowledge(c.acquired, all);
    }
  }
  for (const Arrival& a : b.arrivals) tick(a.warp);
}

void Block::tick(uint32_t warp) {
  Clocks& c = clocks[warp];
  c.known[warp]++;
  c.limit = *std::min_element(c.known, c.known + warpCount());
}

Knowledge Block::knowledge(uint32_t warp) const {
  Knowledge k = clocks[warp].acquired;
  std::vector<uint32_t>& own = k[linear_];
  for (uint32_t w = 0; w < warpCount(); w++) own.push_back(clocks[warp].known[w] - baseClock);
  return k;
}

void Block::acquire(uint32_t warp, const Knowledge& k) {
  Clocks& c = clocks[warp];
  joinKnowledge(c.acquired, k);
  auto own = c.acquired.find(linear_);
  if (own != c.acquired.end()) {
    for (uint32_t w = 0; w < own->second.size(); w++) {
      if (w != warp) c.known[w] = std::max(c.known[w], own->second[w] + baseClock);
    }
    c.acquired.erase(own);
  }
  c.limit = *std::min_element(c.known, c.known + warpCount());
}

void Block::faultSpinning() const {
  for (const Warp& w : warps_) {
    for (const Fragment& f : w.parked()) {
      if (f.state != Fragment::Spinning) continue;
      w.fault(*f.pc, FaultKind::Spinning, uint32_t(__builtin_ctz(f.mask)),
              std::to_string(__builtin_popcount(f.mask)) + " lanes go around a loop in which nothing changes any more");
    }
  }
  Fault f;
  f.kind = FaultKind::Spinning;
  f.kernel = program().kernel;
  f.message = "a block waits for something that no other block does";
  throw KernelFault{f};
}

std::string Block::sharedPlace(uint32_t offset) const {
  std::string s = "shared byte " + std::to_string(offset);
  const SharedVariable* before = nullptr;
  for (const SharedVariable& v : program().shared) {
    if (offset >= v.offset && offset - v.offset < v.bytes) {
      return s + ", byte " + std::to_string(offset - v.offset) + " of " + v.name + " (" + std::to_string(v.bytes) + " bytes)";
    }
    if (offset >= v.offset) before = &v;
  }
  if (offset >= grid_.dynamicStart && grid_.config.dynamicShared > 0) {
    return s + ", byte " + std::to_string(offset - grid_.dynamicStart) + " of dynamic shared memory (" +
           std::to_string(grid_.config.dynamicShared) + " bytes)";
  }
  if (before) {
    s += ", " + std::to_string(offset - before->offset - before->bytes) + " bytes past the end of " + before->name + " (" +
         std::to_string(before->bytes) + " bytes)";
  }
  return s;
}

}  // namespace vm
