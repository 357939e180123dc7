// mov, selp, slct, cvta.
#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

template <class T> VM_INLINE T same(T a) { return a; }
VM_INLINE uint64_t offsetBy(uint64_t a, uint64_t b) { return a + b; }
template <class T> VM_INLINE T select(T a, T b, bool c) { return c ? a : b; }
template <class T> VM_INLINE T selectByInt(T a, T b, int32_t c) { return c >= 0 ? a : b; }
template <class T> VM_INLINE T selectByFloat(T a, T b, float c) { return c >= 0 ? a : b; }

VM_INLINE uint32_t join16(uint16_t a, uint16_t b) { return uint32_t(b) << 16 | a; }
VM_INLINE uint64_t join32(uint32_t a, uint32_t b) { return uint64_t(b) << 32 | a; }
VM_INLINE uint64_t joinFour(uint16_t a, uint16_t b, uint16_t c, uint16_t d) { return join32(join16(a, b), join16(c, d)); }

// Takes a slot apart into aux parts of imm bits each.
void splitHandler(Warp& w, const Instr& in) {
  unsigned bits = unsigned(in.imm);
  bool wide = bits * in.aux == 64;
  uint64_t from[kLanes];
  for (int i = 0; i < kLanes; i++) from[i] = wide ? w.at<uint64_t>(in.r[4])[i] : w.at<uint32_t>(in.r[4])[i];
  for (uint32_t part = 0; part < in.aux; part++) {
    if (in.r[part] == 0) continue;
    store<uint32_t>(w, in.r[part], [&](int i) { return uint32_t(from[i] >> (part * bits) & ((uint64_t(1) << bits) - 1)); });
  }
}

Type partType(Decoder& d, Type whole, size_t parts) {
  unsigned bits = bitsOf(whole) / unsigned(parts);
  if (bitsOf(whole) % parts != 0 || (bits != 16 && bits != 32)) d.unsupported();
  return bits == 16 ? Type::B16 : Type::B32;
}

void decodeVectorMove(Decoder& d, Type t) {
  const Operand &to = d.operand(0), &from = d.operand(1);
  if (to.kind == Operand::Vector) {
    Type part = partType(d, t, to.items.size());
    if (to.items.size() > 4) d.unsupported();
    for (size_t i = 0; i < to.items.size(); i++) {
      if (to.items[i].kind != Operand::Sink) d.in.r[i] = d.target(to.items[i], part);
    }
    d.in.r[4] = d.source(1, t);
    d.in.aux = uint32_t(to.items.size());
    d.in.imm = bitsOf(part);
    d.in.run = splitHandler;
    return;
  }
  Type part = partType(d, t, from.items.size());
  d.in.r[0] = d.target(0, t);
  for (size_t i = 0; i < from.items.size(); i++) d.in.r[1 + i] = d.source(from.items[i], part);
  if (bitsOf(t) == 32) d.in.run = apply<join16>;
  else if (from.items.size() == 2) d.in.run = apply<join32>;
  else d.in.run = apply<joinFour>;
}

}  // namespace

void decodeMove(Decoder& d) {
  Type t = d.takeType();
  d.expectOperands(2, 2);
  if (d.operand(0).kind == Operand::Vector || d.operand(1).kind == Operand::Vector) return decodeVectorMove(d, t);
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  switch (bitsOf(t)) {
    case 1: d.in.run = apply<same<bool>>; break;
    case 16: d.in.run = apply<same<uint16_t>>; break;
    case 32: d.in.run = apply<same<uint32_t>>; break;
    case 64: d.in.run = apply<same<uint64_t>>; break;
    default: d.unsupported();
  }
}

void decodeSelect(Decoder& d) {
  d.expectOperands(4, 4);
  bool slct = d.statement().opcode == "slct";
  d.take("ftz");
  Type t = d.takeType(), by = slct ? d.takeType() : Type::Pred;
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.source(2, t);
  d.in.r[3] = d.source(3, by);
  if (d.operand(3).negated) std::swap(d.in.r[1], d.in.r[2]);
  unsigned bits = bitsOf(t);
  if (!slct) {
    if (bits == 16) d.in.run = apply<select<uint16_t>>;
    else if (bits == 32) d.in.run = apply<select<uint32_t>>;
    else if (bits == 64) d.in.run = apply<select<uint64_t>>;
    else d.unsupported();
  } else if (by == Type::S32) {
    d.in.run = bits == 64 ? apply<selectByInt<uint64_t>> : bits == 32 ? apply<selectByInt<uint32_t>> : apply<selectByInt<uint16_t>>;
  } else if (by == Type::F32) {
    d.in.run = bits == 64 ? apply<selectByFloat<uint64_t>> : bits == 32 ? apply<selectByFloat<uint32_t>> : apply<selectByFloat<uint16_t>>;
  } else {
    d.unsupported();
  }
}

// cvta: global addresses are generic ones already, the other spaces are windows of the generic space.
void decodeAddress(Decoder& d) {
  bool toSpace = d.take("to");
  Address window = 0;
  if (d.take("shared") || d.take("shared::cta")) window = kSharedWindow;
  else if (d.take("local")) window = kLocalWindow;
  else if (d.take("param")) window = kParameterWindow;
  else if (!d.take("global") && !d.take("const")) d.malformed("no state space");
  Type t = d.takeType();
  if (t != Type::U64) d.unsupported();
  d.expectOperands(2, 2);
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.constant(toSpace ? 0 - window : window, 64);
  d.in.run = apply<offsetBy>;
}

}  // namespace vm
