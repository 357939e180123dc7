// Logic, shifts and bit fields.
#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

template <class T> VM_INLINE T bitAnd(T a, T b) { return T(a & b); }
template <class T> VM_INLINE T bitOr(T a, T b) { return T(a | b); }
template <class T> VM_INLINE T bitXor(T a, T b) { return T(a ^ b); }
template <class T> VM_INLINE T bitNot(T a) {
  if constexpr (std::is_same_v<T, bool>) return !a;
  else return T(~a);
}
template <class T> VM_INLINE T logicalNot(T a) { return a == 0 ? 1 : 0; }

// Shifts by more than the width act like shifts by the width.
template <class T> VM_INLINE T shiftLeft(T a, uint32_t n) { return n >= 8 * sizeof(T) ? T(0) : T(a << n); }
template <class T> VM_INLINE T shiftRight(T a, uint32_t n) {
  constexpr uint32_t width = 8 * sizeof(T);
  if (std::is_signed_v<T>) return T(a >> (n >= width ? width - 1 : n));
  return n >= width ? T(0) : T(a >> n);
}

VM_INLINE uint32_t funnelLeftWrap(uint32_t a, uint32_t b, uint32_t c) {
  return uint32_t(((uint64_t(b) << 32 | a) << (c & 31)) >> 32);
}
VM_INLINE uint32_t funnelLeftClamp(uint32_t a, uint32_t b, uint32_t c) {
  return c >= 32 ? a : funnelLeftWrap(a, b, c);
}
VM_INLINE uint32_t funnelRightWrap(uint32_t a, uint32_t b, uint32_t c) { return uint32_t((uint64_t(b) << 32 | a) >> (c & 31)); }
VM_INLINE uint32_t funnelRightClamp(uint32_t a, uint32_t b, uint32_t c) {
  return c >= 32 ? b : funnelRightWrap(a, b, c);
}

// lop3 looks up each bit of (a, b, c) in a table of eight bits.
void lop3Handler(Warp& w, const Instr& in) {
  const uint32_t *a = w.at<uint32_t>(in.r[1]), *b = w.at<uint32_t>(in.r[2]), *c = w.at<uint32_t>(in.r[3]);
  uint32_t table[8];
  for (int i = 0; i < 8; i++) table[i] = (in.imm >> i & 1) ? ~0u : 0u;
  store<uint32_t>(w, in.r[0], [&](int i) {
    uint32_t low = (~b[i] & ((~c[i] & table[0]) | (c[i] & table[1]))) | (b[i] & ((~c[i] & table[2]) | (c[i] & table[3])));
    uint32_t high = (~b[i] & ((~c[i] & table[4]) | (c[i] & table[5]))) | (b[i] & ((~c[i] & table[6]) | (c[i] & table[7])));
    return (~a[i] & low) | (a[i] & high);
  });
}

VM_INLINE uint32_t popCount32(uint32_t a) { return uint32_t(__builtin_popcount(a)); }
VM_INLINE uint32_t popCount64(uint64_t a) { return uint32_t(__builtin_popcountll(a)); }
VM_INLINE uint32_t leadingZeros32(uint32_t a) { return a ? uint32_t(__builtin_clz(a)) : 32; }
VM_INLINE uint32_t leadingZeros64(uint64_t a) { return a ? uint32_t(__builtin_clzll(a)) : 64; }
VM_INLINE uint32_t reverse32(uint32_t a) {
  a = (a >> 1 & 0x55555555u) | (a & 0x55555555u) << 1;
  a = (a >> 2 & 0x33333333u) | (a & 0x33333333u) << 2;
  a = (a >> 4 & 0x0f0f0f0fu) | (a & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(a);
}
VM_INLINE uint64_t reverse64(uint64_t a) { return uint64_t(reverse32(uint32_t(a))) << 32 | reverse32(uint32_t(a >> 32)); }

// bfind: position of the most significant bit that differs from the sign, all ones if there is none; .shiftamt counts from the top.
template <class T, bool ShiftAmount> VM_INLINE uint32_t findBit(T a) {
  constexpr uint32_t top = 8 * sizeof(T) - 1;
  std::make_unsigned_t<T> v = std::is_signed_v<T> && a < 0 ? ~std::make_unsigned_t<T>(a) : std::make_unsigned_t<T>(a);
  if (v == 0) return ~0u;
  uint32_t at = top - (sizeof(T) == 8 ? leadingZeros64(v) : leadingZeros32(uint32_t(v)));
  return ShiftAmount ? top - at : at;
}

// bfe: len bits from pos, sign-extended for signed types. Bits beyond the top repeat the sign (or zero); len 0 gives 0.
template <class T> VM_INLINE T extractField(T a, uint32_t pos, uint32_t len) {
  constexpr uint32_t top = 8 * sizeof(T) - 1;
  pos &= 255;
  len &= 255;
  if (len == 0) return 0;
  using U = std::make_unsigned_t<T>;
  bool sign = std::is_signed_v<T> && (U(a) >> (pos + len - 1 > top ? top : pos + len - 1) & 1);
  U v = pos > top ? 0 : U(a) >> pos;
  uint32_t have = pos > top ? 0 : top + 1 - pos;  // bits of v that come from a
  uint32_t keep = len < have ? len : have;
  U mask = keep > top ? ~U(0) : (U(1) << keep) - 1;
  return T((v & mask) | (sign ? ~mask : U(0)));
}

// bfi: len low bits of a go into b at pos.
template <class T> VM_INLINE T insertField(T a, T b, uint32_t pos, uint32_t len) {
  constexpr uint32_t width = 8 * sizeof(T);
  pos &= 255;
  len &= 255;
  if (len == 0 || pos >= width) return b;
  T mask = (len >= width ? ~T(0) : (T(1) << len) - 1) << pos;
  return (b & ~mask) | (a << pos & mask);
}

// prmt picks four bytes of (b, a); bit 3 of a selector repeats that byte's sign instead.
VM_INLINE uint32_t permute(uint32_t a, uint32_t b, uint32_t c) {
  uint64_t both = uint64_t(b) << 32 | a;
  uint32_t d = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t selector = c >> (4 * i) & 15;
    uint32_t byte = uint32_t(both >> (8 * (selector & 7))) & 255;
    if (selector & 8) byte = byte & 128 ? 255 : 0;
    d |= byte << (8 * i);
  }
  return d;
}

template <bool SignedA, bool SignedB> VM_INLINE uint32_t dot4(uint32_t a, uint32_t b, uint32_t c) {
  for (int i = 0; i < 4; i++) {
    int32_t x = SignedA ? int32_t(int8_t(a >> (8 * i))) : int32_t(a >> (8 * i) & 255);
    int32_t y = SignedB ? int32_t(int8_t(b >> (8 * i))) : int32_t(b >> (8 * i) & 255);
    c += uint32_t(x * y);
  }
  return c;
}

template <template <class> class Op>
Handler bySize(Decoder& d, Type t) {
  switch (bitsOf(t)) {
    case 1: return Op<bool>::run;
    case 16: return Op<uint16_t>::run;
    case 32: return Op<uint32_t>::run;
    case 64: return Op<uint64_t>::run;
    default: d.unsupported();
  }
}
template <class T> struct And { static constexpr Handler run = apply<bitAnd<T>>; };
template <class T> struct Or { static constexpr Handler run = apply<bitOr<T>>; };
template <class T> struct Xor { static constexpr Handler run = apply<bitXor<T>>; };
template <class T> struct Not { static constexpr Handler run = apply<bitNot<T>>; };

void decodeShift(Decoder& d, Type t) {
  d.expectOperands(3, 3);
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.source(2, Type::U32);
  bool left = d.statement().opcode == "shl";
  switch (t) {
    case Type::B16: case Type::U16: d.in.run = left ? apply<shiftLeft<uint16_t>> : apply<shiftRight<uint16_t>>; break;
    case Type::S16: d.in.run = left ? apply<shiftLeft<uint16_t>> : apply<shiftRight<int16_t>>; break;
    case Type::B32: case Type::U32: d.in.run = left ? apply<shiftLeft<uint32_t>> : apply<shiftRight<uint32_t>>; break;
    case Type::S32: d.in.run = left ? apply<shiftLeft<uint32_t>> : apply<shiftRight<int32_t>>; break;
    case Type::B64: case Type::U64: d.in.run = left ? apply<shiftLeft<uint64_t>> : apply<shiftRight<uint64_t>>; break;
    case Type::S64: d.in.run = left ? apply<shiftLeft<uint64_t>> : apply<shiftRight<int64_t>>; break;
    default: d.unsupported();
  }
}

void decodeFunnel(Decoder& d) {
  bool left = d.take("l");
  if (!left && !d.take("r")) d.malformed("neither .l nor .r");
  bool clamp = d.take("clamp");
  if (!clamp && !d.take("wrap")) d.malformed("neither .wrap nor .clamp");
  Type t = d.takeType();
  if (t != Type::B32) d.unsupported();
  d.expectOperands(4, 4);
  d.in.r[0] = d.target(0, t);
  for (size_t i = 1; i < 4; i++) d.in.r[i] = d.source(i, t);
  d.in.run = left ? (clamp ? apply<funnelLeftClamp> : apply<funnelLeftWrap>) : (clamp ? apply<funnelRightClamp> : apply<funnelRightWrap>);
}

void decodeLop3(Decoder& d) {
  Type t = d.takeType();
  if (t != Type::B32) d.unsupported();
  d.expectOperands(5, 5);
  d.in.r[0] = d.target(0, t);
  for (size_t i = 1; i < 4; i++) d.in.r[i] = d.source(i, t);
  const Operand& table = d.operand(4);
  if (table.kind != Operand::Immediate || table.value < 0 || table.value > 255) d.malformed("the table is no constant of 8 bits");
  d.in.imm = table.value;
  d.in.run = lop3Handler;
}

}  // namespace

void decodeLogic(Decoder& d) {
  d.in.unit = InstructionClass::Integer;
  const std::string& op = d.statement().opcode;
  if (op == "shf") return decodeFunnel(d);
  if (op == "lop3") return decodeLop3(d);
  Type t = d.takeType();
  if (op == "shl" || op == "shr") return decodeShift(d, t);
  if (t != Type::Pred && !isBits(t)) d.unsupported();
  if (t == Type::Pred) d.in.unit = InstructionClass::Compare;
  bool unary = op == "not" || op == "cnot";
  d.expectOperands(unary ? 2 : 3, unary ? 2 : 3);
  d.in.r[0] = d.target(0, t);
  for (size_t i = 1; i < d.operands(); i++) {
    if (d.operand(i).negated) d.unsupported("negated operand");
    d.in.r[i] = d.source(i, t);
  }
  if (op == "and") d.in.run = bySize<And>(d, t);
  else if (op == "or") d.in.run = bySize<Or>(d, t);
  else if (op == "xor") d.in.run = bySize<Xor>(d, t);
  else if (op == "not") d.in.run = bySize<Not>(d, t);
  else if (t == Type::B16) d.in.run = apply<logicalNot<uint16_t>>;
  else if (t == Type::B32) d.in.run = apply<logicalNot<uint32_t>>;
  else if (t == Type::B64) d.in.run = apply<logicalNot<uint64_t>>;
  else d.unsupported();
}

void decodeBits(Decoder& d) {
  d.in.unit = InstructionClass::Integer;
  const std::string& op = d.statement().opcode;
  if (op == "dp4a") {
    Type a = d.takeType(), b = d.takeType();
    if (bitsOf(a) != 32 || bitsOf(b) != 32 || !isInteger(a) || !isInteger(b)) d.unsupported();
    d.expectOperands(4, 4);
    d.in.r[0] = d.target(0, Type::B32);
    for (size_t i = 1; i < 4; i++) d.in.r[i] = d.source(i, Type::B32);
    d.in.run = isSigned(a) ? (isSigned(b) ? apply<dot4<true, true>> : apply<dot4<true, false>>)
                           : (isSigned(b) ? apply<dot4<false, true>> : apply<dot4<false, false>>);
    return;
  }
  bool shiftAmount = d.take("shiftamt");
  Type t = d.takeType();
  bool wide = bitsOf(t) == 64;
  if (bitsOf(t) != 32 && !wide) d.unsupported();
  bool counts = op == "popc" || op == "clz" || op == "bfind";
  size_t sources = counts || op == "brev" ? 1 : op == "bfi" ? 4 : 3;
  d.expectOperands(sources + 1, sources + 1);
  d.in.r[0] = d.target(0, counts ? Type::U32 : t);
  for (size_t i = 1; i <= sources; i++) {
    bool field = (op == "bfe" && i > 1) || (op == "bfi" && i > 2);
    d.in.r[i] = d.source(i, field ? Type::U32 : t);
  }
  if (op == "popc") d.in.run = wide ? apply<popCount64> : apply<popCount32>;
  else if (op == "clz") d.in.run = wide ? apply<leadingZeros64> : apply<leadingZeros32>;
  else if (op == "brev") d.in.run = wide ? apply<reverse64> : apply<reverse32>;
  else if (op == "prmt" && !wide) d.in.run = apply<permute>;
  else if (op == "bfi") d.in.run = wide ? apply<insertField<uint64_t>> : apply<insertField<uint32_t>>;
  else if (op == "bfe" && t == Type::U32) d.in.run = apply<extractField<uint32_t>>;
  else if (op == "bfe" && t == Type::S32) d.in.run = apply<extractField<int32_t>>;
  else if (op == "bfe" && t == Type::U64) d.in.run = apply<extractField<uint64_t>>;
  else if (op == "bfe" && t == Type::S64) d.in.run = apply<extractField<int64_t>>;
  else if (op == "bfind" && t == Type::U32) d.in.run = shiftAmount ? apply<findBit<uint32_t, true>> : apply<findBit<uint32_t, false>>;
  else if (op == "bfind" && t == Type::S32) d.in.run = shiftAmount ? apply<findBit<int32_t, true>> : apply<findBit<int32_t, false>>;
  else if (op == "bfind" && t == Type::U64) d.in.run = shiftAmount ? apply<findBit<uint64_t, true>> : apply<findBit<uint64_t, false>>;
  else if (op == "bfind" && t == Type::S64) d.in.run = shiftAmount ? apply<findBit<int64_t, true>> : apply<findBit<int64_t, false>>;
  else d.unsupported();
}

}  // namespace vm
