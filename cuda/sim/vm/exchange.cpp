// Instructions by which lanes of a warp exchange values: shfl, vote, match, activemask, redux.
#include <algorithm>

#include "block.h"
#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

constexpr uint32_t kUndefined = 0x7fffdead;  // what a lane gets from one that does not take part: a NaN that is easy to recognise

enum : uint32_t { kUp, kDown, kButterfly, kIndex };

uint32_t membermask(Warp& w, const Instr& in, uint32_t slot) {
  const uint32_t* m = w.at<uint32_t>(slot);
  int first = __builtin_ctz(w.mask);
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    if (m[lane] != m[first]) w.fault(in, FaultKind::InvalidOperation, uint32_t(lane), "the membermask differs between lanes");
  }
  return m[first];
}

// depositLanes leaves the values of the executing lanes for the others.
void depositLanes(Warp& w, const uint32_t* values) {
  for (int i = 0; i < kLanes; i++) w.deposit[i] = (w.mask >> i & 1) ? values[i] : w.deposit[i];
}

// shfl.sync: aux the mode; r[0] target, r[1] source, r[2] b, r[3] c, r[4] membermask; extra the slot of the predicate, 0 for none.
void shuffleHandler(Warp& w, const Instr& in) {
  uint32_t members = membermask(w, in, in.r[4]);
  depositLanes(w, w.at<uint32_t>(in.r[1]));
  if (!w.meet(in, members)) return;
  const uint32_t *b = w.at<uint32_t>(in.r[2]), *c = w.at<uint32_t>(in.r[3]);
  uint32_t there = w.met(), inRange = 0;
  uint32_t out[kLanes];
  for (int lane = 0; lane < kLanes; lane++) {
    int by = int(b[lane] & 31), clamp = int(c[lane] & 31), segment = int(c[lane] >> 8 & 31);
    int most = (lane & segment) | (clamp & ~segment), least = lane & segment, from;
    bool inside;
    switch (in.aux) {
      case kUp: from = lane - by; inside = from >= most; break;
      case kDown: from = lane + by; inside = from <= most; break;
      case kButterfly: from = lane ^ by; inside = from <= most; break;
      default: from = least | (by & ~segment); inside = from <= most; break;
    }
    if (!inside) from = lane;
    inRange |= uint32_t(inside) << lane;
    out[lane] = there >> from & 1 ? uint32_t(w.deposit[from]) : kUndefined;
  }
  if (in.r[0]) store<uint32_t>(w, in.r[0], [&](int i) { return out[i]; });
  if (in.extra) store<bool>(w, in.extra, [&](int i) { return inRange >> i & 1; });
}

// vote.sync: aux the mode, bit 2 for a negated source; r[1] predicate, r[2] membermask.
enum : uint32_t { kAll, kAny, kUniform, kBallot, kNegated };

void voteHandler(Warp& w, const Instr& in) {
  uint32_t members = membermask(w, in, in.r[2]);
  uint32_t p = w.predicate(in.r[1]);
  if (in.aux & kNegated) p = ~p;
  uint32_t values[kLanes];
  for (int i = 0; i < kLanes; i++) values[i] = p >> i & 1;
  depositLanes(w, values);
  if (!w.meet(in, members)) return;
  uint32_t ballot = 0;
  for (uint32_t lanes = w.met(); lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    ballot |= uint32_t(w.deposit[lane]) << lane;
  }
  bool all = ballot == w.met(), any = ballot != 0;
  switch (in.aux & 3) {
    case kAll: store<bool>(w, in.r[0], [&](int) { return all; }); break;
    case kAny: store<bool>(w, in.r[0], [&](int) { return any; }); break;
    case kUniform: store<bool>(w, in.r[0], [&](int) { return all || !any; }); break;
    default: store<uint32_t>(w, in.r[0], [&](int) { return ballot; }); break;
  }
}

// match.sync: aux 1 for .all; r[0] mask, r[3] predicate, r[1] value, r[2] membermask.
template <class T>
void matchHandler(Warp& w, const Instr& in) {
  uint32_t members = membermask(w, in, in.r[2]);
  const T* v = w.at<T>(in.r[1]);
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) w.deposit[__builtin_ctz(lanes)] = v[__builtin_ctz(lanes)];
  if (!w.meet(in, members)) return;
  uint32_t same[kLanes] = {};
  for (uint32_t a = w.met(); a; a &= a - 1) {
    int i = __builtin_ctz(a);
    for (uint32_t b = w.met(); b; b &= b - 1) same[i] |= uint32_t(w.deposit[i] == w.deposit[__builtin_ctz(b)]) << __builtin_ctz(b);
  }
  uint32_t there = w.met();
  if (in.aux) {
    bool all = same[__builtin_ctz(there)] == there;
    store<uint32_t>(w, in.r[0], [&](int) { return all ? there : 0u; });
    if (in.r[3]) store<bool>(w, in.r[3], [&](int) { return all; });
  } else {
    store<uint32_t>(w, in.r[0], [&](int i) { return same[i]; });
  }
}

void activeMaskHandler(Warp& w, const Instr& in) {
  uint32_t m = w.mask;
  store<uint32_t>(w, in.r[0], [&](int) { return m; });
}

// redux.sync: aux the operation, bit 3 for signed comparison.
enum : uint32_t { kAdd, kMin, kMax, kAnd, kOr, kXor, kSigned = 8 };

void reduxHandler(Warp& w, const Instr& in) {
  uint32_t members = membermask(w, in, in.r[2]);
  depositLanes(w, w.at<uint32_t>(in.r[1]));
  if (!w.meet(in, members)) return;
  uint32_t lanes = w.met(), result = uint32_t(w.deposit[__builtin_ctz(lanes)]);
  for (lanes &= lanes - 1; lanes; lanes &= lanes - 1) {
    uint32_t v = uint32_t(w.deposit[__builtin_ctz(lanes)]);
    bool less = in.aux & kSigned ? int32_t(v) < int32_t(result) : v < result;
    switch (in.aux & 7) {
      case kAdd: result += v; break;
      case kMin: result = less ? v : result; break;
      case kMax: result = less ? result : v; break;
      case kAnd: result &= v; break;
      case kOr: result |= v; break;
      default: result ^= v; break;
    }
  }
  store<uint32_t>(w, in.r[0], [&](int) { return result; });
}

void decodeShuffle(Decoder& d) {
  if (d.take("up")) d.in.aux = kUp;
  else if (d.take("down")) d.in.aux = kDown;
  else if (d.take("bfly")) d.in.aux = kButterfly;
  else if (d.take("idx")) d.in.aux = kIndex;
  else d.malformed("no mode");
  if (d.takeType() != Type::B32) d.unsupported();
  d.expectOperands(5, 5);
  const Operand& to = d.operand(0);
  const Operand& value = to.kind == Operand::Pair ? to.items[0] : to;
  if (value.kind != Operand::Sink) d.in.r[0] = d.target(value, Type::B32);
  if (to.kind == Operand::Pair && to.items[1].kind != Operand::Sink) d.in.extra = d.target(to.items[1], Type::Pred);
  for (size_t i = 1; i < 5; i++) d.in.r[i] = d.source(i, Type::B32);
  d.in.run = shuffleHandler;
}

void decodeVote(Decoder& d) {
  if (d.take("all")) d.in.aux = kAll;
  else if (d.take("any")) d.in.aux = kAny;
  else if (d.take("uni")) d.in.aux = kUniform;
  else if (d.take("ballot")) d.in.aux = kBallot;
  else d.malformed("no mode");
  Type t = d.takeType();
  d.expectOperands(3, 3);
  d.in.r[0] = d.target(0, d.in.aux == kBallot ? Type::B32 : Type::Pred);
  if ((t == Type::B32) != (d.in.aux == kBallot)) d.malformed("type");
  d.in.r[1] = d.source(1, Type::Pred);
  if (d.operand(1).negated) d.in.aux |= kNegated;
  d.in.r[2] = d.source(2, Type::B32);
  d.in.run = voteHandler;
}

void decodeMatch(Decoder& d) {
  d.in.aux = d.take("all");
  if (!d.in.aux && !d.take("any")) d.malformed("no mode");
  Type t = d.takeType();
  if (t != Type::B32 && t != Type::B64) d.unsupported();
  d.expectOperands(3, 3);
  const Operand& to = d.operand(0);
  d.in.r[0] = d.target(to.kind == Operand::Pair ? to.items[0] : to, Type::B32);
  if (to.kind == Operand::Pair && to.items[1].kind != Operand::Sink) d.in.r[3] = d.target(to.items[1], Type::Pred);
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.source(2, Type::B32);
  d.in.run = t == Type::B64 ? matchHandler<uint64_t> : matchHandler<uint32_t>;
}

void decodeRedux(Decoder& d) {
  Type t = d.takeType();
  static const char* names[] = {"add", "min", "max", "and", "or", "xor"};
  bool found = false;
  for (uint32_t i = 0; i < 6 && !found; i++) {
    found = d.take(names[i]);
    d.in.aux = i;
  }
  if (!found || bitsOf(t) != 32 || isFloat(t)) d.unsupported();
  if (isSigned(t)) d.in.aux |= kSigned;
  d.expectOperands(3, 3);
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.source(2, Type::B32);
  d.in.run = reduxHandler;
}

}  // namespace

void decodeExchange(Decoder& d) {
  d.in.unit = InstructionClass::Warp;
  const std::string& op = d.statement().opcode;
  if (op == "activemask") {
    d.takeType();
    d.expectOperands(1, 1);
    d.in.r[0] = d.target(0, Type::B32);
    d.in.run = activeMaskHandler;
    return;
  }
  if (!d.take("sync")) d.unsupported("without .sync");
  if (op == "shfl") decodeShuffle(d);
  else if (op == "vote") decodeVote(d);
  else if (op == "match") decodeMatch(d);
  else decodeRedux(d);
}

}  // namespace vm
