// Branches, exits, barriers and fences.
#include "control.h"

#include "block.h"
#include "decoder.h"
#include "lanes.h"
#include "order.h"

namespace vm {

void joinHandler(Warp& w, const Instr& in) { w.joinHere(in); }
void exitHandler(Warp& w, const Instr&) { w.exitLanes(w.mask); }

namespace {

void branchHandler(Warp& w, const Instr& in) { w.branch(in, w.mask); }

// brx.idx: aux targets in extra, the index in r[0].
void indexedHandler(Warp& w, const Instr& in) {
  const std::vector<uint32_t>& extra = w.block().program().extra;
  const uint32_t* index = w.at<uint32_t>(in.r[0]);
  std::vector<uint32_t> masks(in.aux, 0);
  std::vector<int32_t> targets(in.aux);
  for (uint32_t i = 0; i < in.aux; i++) targets[i] = int32_t(extra[uint32_t(in.imm) + i]);
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    if (index[lane] >= in.aux) {
      w.fault(in, FaultKind::InvalidOperation, uint32_t(lane), "index " + std::to_string(index[lane]) + " of " + std::to_string(in.aux) + " targets");
    }
    masks[index[lane]] |= 1u << lane;
  }
  w.branchMany(in, masks.data(), targets.data(), masks.size());
}

void trapHandler(Warp& w, const Instr& in) { w.fault(in, FaultKind::Trap, uint32_t(__builtin_ctz(w.mask)), "the kernel executed a trap"); }

// Instr::aux of barriers. r[1] barrier, r[2] thread count (0: all), r[3] predicate of bar.red, r[0] its target.
enum : uint32_t { kAligned = 1, kWaits = 2, kRed = 4, kNegated = 8, kPopc = 16, kAnd = 32, kOr = 64 };

uint32_t uniform(Warp& w, const Instr& in, uint32_t slot, const char* what) {
  const uint32_t* v = w.at<uint32_t>(slot);
  int first = __builtin_ctz(w.mask);
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    if (v[lane] != v[first]) w.fault(in, FaultKind::InvalidOperation, uint32_t(lane), std::string(what) + " differs between lanes");
  }
  return v[first];
}

void barrierHandler(Warp& w, const Instr& in) {
  if ((in.aux & kAligned) && w.mask != w.live()) {
    uint32_t missing = w.live() & ~w.mask;
    w.fault(in, FaultKind::BarrierDivergent, uint32_t(__builtin_ctz(missing)),
            "an aligned barrier is executed by " + std::to_string(__builtin_popcount(w.mask)) + " of " + std::to_string(__builtin_popcount(w.live())) +
                " threads of warp " + std::to_string(w.index()) + "; the named thread is not there");
  }
  uint32_t id = uniform(w, in, in.r[1], "the barrier"), count = in.r[2] ? uniform(w, in, in.r[2], "the thread count") : 0;
  uint32_t truths = 0;
  if (in.aux & kRed) {
    uint32_t p = w.predicate(in.r[3]);
    truths = uint32_t(__builtin_popcount((in.aux & kNegated ? ~p : p) & w.mask));
  }
  w.block().arrive(w, in, id, count, in.aux & kWaits, truths);
}

void warpBarrierHandler(Warp& w, const Instr& in) {
  uint32_t members = uniform(w, in, in.r[1], "the membermask");
  if (!w.meet(in, members)) return;
  w.block().tick(w.index());
}

void fenceHandler(Warp& w, const Instr&) { fence(w); }

}  // namespace

void barrierResult(Warp& w, const Instr& in, uint32_t lanes, uint32_t truths, uint32_t threads) {
  if (!(in.aux & kRed)) return;
  uint32_t saved = w.mask;
  w.mask = lanes;
  bool all = truths == threads, any = truths > 0;
  if (in.aux & kPopc) store<uint32_t>(w, in.r[0], [&](int) { return truths; });
  else store<bool>(w, in.r[0], [&](int) { return in.aux & kAnd ? all : any; });
  w.mask = saved;
}

void decodeControl(Decoder& d) {
  d.in.unit = InstructionClass::Branch;
  const std::string& op = d.statement().opcode;
  // What is said to be uniform is checked like any other branch.
  d.take("uni");
  if (op == "bra") {
    d.expectOperands(1, 1);
    d.in.target = d.branchTarget(d.operand(0).name);
    d.in.extra = d.joinOf();
    d.in.run = branchHandler;
  } else if (op == "brx") {
    if (!d.take("idx")) d.unsupported();
    d.expectOperands(2, 2);
    if (d.statement().guard >= 0) d.unsupported("guarded");
    d.in.r[0] = d.source(0, Type::U32);
    std::vector<uint32_t> targets;
    for (const std::string& label : d.targetList(d.operand(1).name)) targets.push_back(uint32_t(d.branchTarget(label)));
    d.in.aux = uint32_t(targets.size());
    d.in.imm = d.addExtra(targets);
    d.in.extra = d.joinOf();
    d.in.run = indexedHandler;
  } else if (op == "trap" || op == "brkpt") {
    d.in.run = trapHandler;
  } else if (op == "nanosleep") {
    d.takeType();
    d.in.run = [](Warp&, const Instr&) {};
  } else {
    d.in.run = exitHandler;
  }
}

void decodeBarrier(Decoder& d) {
  d.in.unit = InstructionClass::Barrier;
  const std::string& op = d.statement().opcode;
  if (op == "membar" || op == "fence") {
    for (const char* m : {"sc", "acq_rel", "cta", "gl", "gpu", "sys"}) d.take(m);
    d.in.run = fenceHandler;
    return;
  }
  if (d.take("warp")) {
    d.take("sync");
    d.expectOperands(1, 1);
    d.in.r[1] = d.source(0, Type::B32);
    d.in.run = warpBarrierHandler;
    return;
  }
  d.take("cta");
  bool aligned = d.take("aligned") || op == "bar";
  if (aligned) d.in.aux = kAligned;
  bool arrives = d.take("arrive"), reduces = d.take("red");
  if (!arrives && !reduces) d.take("sync");
  if (!arrives) d.in.aux |= kWaits;
  size_t first = 0;
  if (reduces) {
    d.in.aux |= kRed;
    if (d.take("popc")) d.in.aux |= kPopc;
    else if (d.take("and")) d.in.aux |= kAnd;
    else if (d.take("or")) d.in.aux |= kOr;
    else d.malformed("no operation");
    Type t = d.takeType();
    d.in.r[0] = d.target(0, t);
    first = 1;
    const Operand& p = d.operand(d.operands() - 1);
    d.in.r[3] = d.source(p, Type::Pred);
    if (p.negated) d.in.aux |= kNegated;
  }
  size_t plain = d.operands() - first - (reduces ? 1 : 0);
  if (plain < 1 || plain > 2 || (arrives && plain != 2)) d.malformed(std::to_string(d.operands()) + " operands");
  d.in.r[1] = d.source(first, Type::U32);
  if (plain == 2) d.in.r[2] = d.source(first + 1, Type::U32);
  d.in.run = barrierHandler;
}

}  // namespace vm
