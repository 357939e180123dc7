// ld and st of every space, scalar and vector.
#include <xmmintrin.h>

#include <cstring>

#include "access.h"
#include "block.h"
#include "decoder.h"
#include "lanes.h"
#include "order.h"

namespace vm {

void fillAddresses(Warp& w, Request& q, size_t slot, bool narrow) {
  uint64_t offset = uint64_t(q.in->imm);
  if (narrow) {
    const uint32_t* base = w.at<uint32_t>(q.in->r[slot]);
    for (int i = 0; i < kLanes; i++) q.address[i] = uint64_t(base[i]) + offset;
  } else {
    const uint64_t* base = w.at<uint64_t>(q.in->r[slot]);
    for (int i = 0; i < kLanes; i++) q.address[i] = base[i] + offset;
  }
  q.mask = w.mask;
}

namespace {

// Instr::aux of ld and st. Registers are r[0] to r[3], the address r[4].
struct Shape {
  uint8_t elementBytes;  // 1, 2, 4 or 8
  uint8_t elements;      // 1, 2 or 4
  bool narrow;           // the address register has 32 bits
  bool signExtend;
  bool wideRegisters;  // registers have 64 bits
  Order order;
};
uint32_t pack(const Shape& s) {
  return s.elementBytes | uint32_t(s.elements) << 4 | uint32_t(s.narrow) << 8 | uint32_t(s.signExtend) << 9 | uint32_t(s.wideRegisters) << 10 |
         uint32_t(s.order) << 11;
}
Shape unpack(uint32_t v) {
  return {uint8_t(v & 15), uint8_t(v >> 4 & 15), bool(v >> 8 & 1), bool(v >> 9 & 1), bool(v >> 10 & 1), Order(v >> 11 & 3)};
}

using Read = void (*)(Warp&, const Request&, uint8_t*);
using Write = void (*)(Warp&, const Request&, const uint8_t*);

template <class T>
T element(const uint8_t* data, int lane, uint32_t index) {
  T v;
  std::memcpy(&v, data + lane * kLaneStride + index * sizeof(T), sizeof(T));
  return v;
}

template <class Slot, class T>
void unpackElements(Warp& w, const Instr& in, const uint8_t* data, uint32_t count) {
  for (uint32_t e = 0; e < count; e++) {
    if (in.r[e] == 0) continue;
    store<Slot>(w, in.r[e], [&](int lane) { return Slot(element<T>(data, lane, e)); });
  }
}

// Four words a lane, all lanes: transposed four lanes at a time.
void unpackFourWords(Warp& w, const Instr& in, const uint8_t* data) {
  float* d[4];
  for (int e = 0; e < 4; e++) d[e] = w.at<float>(in.r[e]);
  for (int lane = 0; lane < kLanes; lane += 4) {
    const float* from = reinterpret_cast<const float*>(data + lane * kLaneStride);
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + 4), c = _mm_loadu_ps(from + 8), e = _mm_loadu_ps(from + 12);
    _MM_TRANSPOSE4_PS(a, b, c, e);
    _mm_store_ps(d[0] + lane, a);
    _mm_store_ps(d[1] + lane, b);
    _mm_store_ps(d[2] + lane, c);
    _mm_store_ps(d[3] + lane, e);
  }
}

void unpackLoad(Warp& w, const Instr& in, const Shape& s, const uint8_t* data) {
  if (s.elementBytes == 4 && !s.wideRegisters) {
    if (s.elements == 4 && w.mask == kAllLanes && in.r[0] && in.r[1] && in.r[2] && in.r[3]) return unpackFourWords(w, in, data);
    return unpackElements<uint32_t, uint32_t>(w, in, data, s.elements);
  }
  if (s.elementBytes == 8) return unpackElements<uint64_t, uint64_t>(w, in, data, s.elements);
  if (s.elementBytes == 4) {
    s.signExtend ? unpackElements<int64_t, int32_t>(w, in, data, s.elements) : unpackElements<uint64_t, uint32_t>(w, in, data, s.elements);
  } else if (s.wideRegisters) {
    if (s.elementBytes == 2) s.signExtend ? unpackElements<int64_t, int16_t>(w, in, data, s.elements) : unpackElements<uint64_t, uint16_t>(w, in, data, s.elements);
    else s.signExtend ? unpackElements<int64_t, int8_t>(w, in, data, s.elements) : unpackElements<uint64_t, uint8_t>(w, in, data, s.elements);
  } else if (s.elementBytes == 2) {
    // aux bit 13: the register has 16 bits, so that its slot keeps an empty upper half.
    bool extend = s.signExtend && !(in.aux >> 13 & 1);
    extend ? unpackElements<int32_t, int16_t>(w, in, data, s.elements) : unpackElements<uint32_t, uint16_t>(w, in, data, s.elements);
  } else if (s.signExtend) {
    in.aux >> 13 & 1 ? unpackElements<int16_t, int8_t>(w, in, data, s.elements) : unpackElements<int32_t, int8_t>(w, in, data, s.elements);
  } else {
    unpackElements<uint32_t, uint8_t>(w, in, data, s.elements);
  }
}

template <Read read>
void loadHandler(Warp& w, const Instr& in) {
  Shape s = unpack(in.aux);
  Request q;
  q.in = &in;
  q.bytes = uint32_t(s.elementBytes) * s.elements;
  q.strong = s.order != Order::Weak;
  fillAddresses(w, q, 4, s.narrow);
  alignas(32) LaneData data;
  read(w, q, data);
  unpackLoad(w, in, s, data);
  if (s.order != Order::Weak) acquireAt(w, q, s.order);
}

template <Write write>
void storeHandler(Warp& w, const Instr& in) {
  Shape s = unpack(in.aux);
  Request q;
  q.in = &in;
  q.bytes = uint32_t(s.elementBytes) * s.elements;
  q.strong = s.order != Order::Weak;
  fillAddresses(w, q, 4, s.narrow);
  alignas(32) LaneData data;
  for (uint32_t e = 0; e < s.elements; e++) {
    uint32_t size = s.elementBytes;
    uint8_t* to = data + e * size;
    if (s.wideRegisters) {
      const uint64_t* from = w.at<uint64_t>(in.r[e]);
      for (int lane = 0; lane < kLanes; lane++) std::memcpy(to + lane * kLaneStride, &from[lane], size);
    } else if (size == 4) {
      const uint32_t* from = w.at<uint32_t>(in.r[e]);
      for (int lane = 0; lane < kLanes; lane++) std::memcpy(to + lane * kLaneStride, &from[lane], 4);
    } else {
      const uint32_t* from = w.at<uint32_t>(in.r[e]);
      for (int lane = 0; lane < kLanes; lane++) std::memcpy(to + lane * kLaneStride, &from[lane], size);
    }
  }
  if (s.order != Order::Weak) releaseAt(w, q, s.order);
  write(w, q, data);
}

// Modifiers that say where to cache change nothing here.
void dropHints(Decoder& d) {
  std::vector<std::string> hints;
  for (const std::string& m : d.left()) {
    static const char* known[] = {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"};
    bool hint = m.rfind("L1::", 0) == 0 || m.rfind("L2::", 0) == 0;
    for (const char* k : known) hint |= m == k;
    if (hint) hints.push_back(m);
  }
  for (const std::string& m : hints) d.take(m);
}

Order takeOrder(Decoder& d) {
  Order order = Order::Weak;
  if (d.take("acquire")) order = Order::Acquire;
  else if (d.take("release")) order = Order::Release;
  else if (d.take("relaxed")) order = Order::Relaxed;
  if (order != Order::Weak && !d.take("cta") && !d.take("gpu") && !d.take("sys")) d.malformed("no scope");
  d.take("weak");
  // Volatile orders nothing between threads.
  d.take("volatile");
  return order;
}

Space takeSpace(Decoder& d, InstructionClass& unit) {
  unit = InstructionClass::Global;
  if (d.take("global")) return Space::Global;
  if (d.take("const")) return Space::Constant;
  if (d.take("shared") || d.take("shared::cta")) {
    unit = InstructionClass::Shared;
    return Space::Shared;
  }
  if (d.take("local")) {
    unit = InstructionClass::Local;
    return Space::Local;
  }
  if (d.take("param") || d.take("param::entry")) {
    unit = InstructionClass::Move;
    return Space::Parameter;
  }
  return Space::Generic;
}

// decodeShape fills registers and address of ld and st; the data operand is number `data`, the address `address`.
Space decodeShape(Decoder& d, size_t data, size_t address, bool loads) {
  Shape s{};
  s.order = takeOrder(d);
  Space space = takeSpace(d, d.in.unit);
  dropHints(d);
  s.elements = d.take("v4") ? 4 : d.take("v2") ? 2 : 1;
  Type t = d.takeType();
  unsigned bits = bitsOf(t);
  if (bits < 8 || bits > 64) d.unsupported();
  s.elementBytes = uint8_t(bits / 8);
  if (s.elementBytes * s.elements > kLaneStride) d.unsupported("more than 16 bytes a lane");
  s.signExtend = isSigned(t);
  const Operand& o = d.operand(data);
  std::vector<Operand> items = o.kind == Operand::Vector ? o.items : std::vector<Operand>{o};
  if (items.size() != s.elements) d.malformed("number of registers");
  bool first = true, shortRegisters = false;
  for (size_t i = 0; i < items.size(); i++) {
    if (items[i].kind == Operand::Sink && loads) continue;
    unsigned width = d.width(items[i], t);
    if (width < bits) d.malformed("register " + items[i].name + " is smaller than ." + name(t));
    if (!first && (width == 64) != s.wideRegisters) d.unsupported("registers of different sizes");
    first = false;
    s.wideRegisters = width == 64;
    shortRegisters |= width == 16;
    Type container = width == 64 ? Type::B64 : width == 32 ? Type::B32 : Type::B16;
    d.in.r[i] = loads ? d.target(items[i], container) : d.source(items[i], container);
  }
  s.narrow = d.address(d.operand(address), 4);
  d.in.aux = pack(s) | uint32_t(shortRegisters) << 13;
  return space;
}

}  // namespace

void decodeLoad(Decoder& d) {
  d.expectOperands(2, 3);  // a third would be a cache policy
  if (d.operands() == 3) d.take("L2::cache_hint");
  switch (decodeShape(d, 0, 1, true)) {
    case Space::Global: case Space::Constant: d.in.run = loadHandler<readGlobal>; break;
    case Space::Shared: d.in.run = loadHandler<readShared>; break;
    case Space::Local: d.in.run = loadHandler<readLocal>; break;
    case Space::Parameter: d.in.run = loadHandler<readParameters>; break;
    case Space::Generic: d.in.run = loadHandler<readGeneric>; break;
  }
}

void decodeStore(Decoder& d) {
  d.expectOperands(2, 3);
  switch (decodeShape(d, 1, 0, false)) {
    case Space::Global: d.in.run = storeHandler<writeGlobal>; break;
    case Space::Shared: d.in.run = storeHandler<writeShared>; break;
    case Space::Local: d.in.run = storeHandler<writeLocal>; break;
    case Space::Generic: d.in.run = storeHandler<writeGeneric>; break;
    default: d.unsupported();
  }
}

void decodePrefetch(Decoder& d) {
  // Nothing to do but to be there.
  std::vector<std::string> all = d.left();
  for (const std::string& m : all) d.take(m);
  d.in.unit = InstructionClass::Global;
  d.in.run = [](Warp&, const Instr&) {};
}

}  // namespace vm
