// Liveness and linear scan. nvcc writes a fresh virtual register for almost every value; sharing slots keeps a warp's file in the
// first-level cache. Each lane has its own element of a slot, so that liveness along a single thread's flow is enough even when lanes diverge.
#include <algorithm>
#include <functional>

#include "flow.h"

namespace vm {
namespace {

using Bits = std::vector<uint64_t>;

void set(Bits& b, int i) { b[size_t(i) / 64] |= uint64_t(1) << (i % 64); }
void reset(Bits& b, int i) { b[size_t(i) / 64] &= ~(uint64_t(1) << (i % 64)); }

void forEachRegister(const Operand& o, const std::function<void(int)>& f) {
  if (o.kind == Operand::Register) f(o.index);
  for (const Operand& item : o.items) forEachRegister(item, f);
}

void forEachUse(const Statement& s, const std::function<void(int)>& f) {
  if (s.guard >= 0) f(s.guard);
  for (size_t i = hasTarget(s) ? 1 : 0; i < s.operands.size(); i++) forEachRegister(s.operands[i], f);
}

void forEachTarget(const Statement& s, const std::function<void(int)>& f) {
  if (hasTarget(s)) forEachRegister(s.operands[0], f);
}

// step moves a set of live registers from after a statement to before it. A guarded statement may leave its target as it was.
void step(const Statement& s, Bits& live) {
  if (s.guard < 0) forEachTarget(s, [&](int r) { reset(live, r); });
  forEachUse(s, [&](int r) { set(live, r); });
}

struct Interval {
  int reg = 0;
  size_t from = SIZE_MAX, to = 0;
};

class Liveness {
 public:
  Liveness(const Entry& entry, const Flow& flow) : entry_(entry), flow_(flow) {
    size_t words = entry.registers.size() / 64 + 1;
    out_.assign(flow.blocks.size(), Bits(words, 0));
    std::vector<Bits> in(flow.blocks.size(), Bits(words, 0));
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t b = flow.blocks.size(); b-- > 0;) {
        for (int s : flow.blocks[b].successors) {
          if (s == Flow::kExit) continue;
          for (size_t w = 0; w < words; w++) out_[b][w] |= in[size_t(s)][w];
        }
        Bits live = out_[b];
        for (size_t i = flow.blocks[b].end; i-- > flow.blocks[b].first;) step(entry.statements[i], live);
        if (live != in[b]) {
          in[b] = std::move(live);
          changed = true;
        }
      }
    }
  }

  // intervals covers every place where a register is alive or written; it also finds the greatest pressure.
  std::vector<Interval> intervals(uint32_t& pressure) const {
    std::vector<Interval> all(entry_.registers.size());
    for (size_t r = 0; r < all.size(); r++) all[r].reg = int(r);
    auto touch = [&](int r, size_t at) {
      all[size_t(r)].from = std::min(all[size_t(r)].from, at);
      all[size_t(r)].to = std::max(all[size_t(r)].to, at);
    };
    pressure = 0;
    for (size_t b = 0; b < flow_.blocks.size(); b++) {
      Bits live = out_[b];
      // Positions 2i and 2i+1 are before and after statement i, so that a target may take the slot of a last use.
      auto extend = [&](size_t at) {
        uint32_t units = 0;
        for (size_t w = 0; w < live.size(); w++) {
          for (uint64_t bits = live[w]; bits; bits &= bits - 1) {
            int r = int(w * 64) + __builtin_ctzll(bits);
            touch(r, at);
            units += entry_.registers[size_t(r)].bits == 64 ? 2 : entry_.registers[size_t(r)].bits == 1 ? 0 : 1;
          }
        }
        pressure = std::max(pressure, units);
      };
      for (size_t i = flow_.blocks[b].end; i-- > flow_.blocks[b].first;) {
        extend(2 * i + 1);
        const Statement& s = entry_.statements[i];
        // Instructions with several targets write one before they have read all sources: keep those apart.
        bool severalTargets = hasTarget(s) && !s.operands[0].items.empty();
        forEachTarget(s, [&](int r) {
          touch(r, 2 * i + 1);
          if (severalTargets) touch(r, 2 * i);
        });
        step(s, live);
        extend(2 * i);
      }
    }
    return all;
  }

 private:
  const Entry& entry_;
  const Flow& flow_;
  std::vector<Bits> out_;
};

}  // namespace

RegisterMap allocateRegisters(const Entry& entry, const Flow& flow) {
  RegisterMap map;
  map.slot.assign(entry.registers.size(), 0);
  std::vector<Interval> intervals = Liveness(entry, flow).intervals(map.pressure);
  intervals.erase(std::remove_if(intervals.begin(), intervals.end(), [](const Interval& i) { return i.from == SIZE_MAX; }),
                  intervals.end());
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.from < b.from; });

  struct Pool {
    std::vector<uint32_t> free;
    uint32_t count = 0;
  };
  Pool pools[3];
  auto poolOf = [&](int reg) -> Pool& {
    uint8_t bits = entry.registers[size_t(reg)].bits;
    return pools[bits == 1 ? 0 : bits == 64 ? 2 : 1];
  };
  std::vector<Interval> active;  // a heap, the earliest end on top
  auto later = [](const Interval& a, const Interval& b) { return a.to > b.to; };
  for (const Interval& i : intervals) {
    while (!active.empty() && active.front().to < i.from) {
      poolOf(active.front().reg).free.push_back(map.slot[size_t(active.front().reg)]);
      std::pop_heap(active.begin(), active.end(), later);
      active.pop_back();
    }
    Pool& pool = poolOf(i.reg);
    if (pool.free.empty()) {
      map.slot[size_t(i.reg)] = pool.count++;
    } else {
      map.slot[size_t(i.reg)] = pool.free.back();
      pool.free.pop_back();
    }
    active.push_back(i);
    std::push_heap(active.begin(), active.end(), later);
  }
  map.predicates = pools[0].count;
  map.words = pools[1].count;
  map.doubles = pools[2].count;
  return map;
}

}  // namespace vm
