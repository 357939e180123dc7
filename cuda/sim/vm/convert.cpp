// cvt: between all types, with all roundings. The few conversions that kernels use in loops have handlers of their own; all others share
// one that goes through the widest type of their kind.
#include <cmath>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

template <class D, class A> VM_INLINE D widen(A a) { return D(a); }
VM_INLINE float fromHalf(Half h) { return canonical(toFloat(h)); }
VM_INLINE float fromBFloat(BFloat b) { return canonical(toFloat(b)); }
VM_INLINE Half nearestHalf(float x) { return toHalf(x); }
VM_INLINE BFloat nearestBFloat(float x) { return toBFloat(x); }
VM_INLINE float same(float x) { return canonical(x); }
VM_INLINE float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : canonical(x); }
VM_INLINE float shorten(double x) { return canonical(float(x)); }
VM_INLINE int32_t truncated(float x) {
  if (x != x) return 0;
  return x >= 0x1p31f ? INT32_MAX : x < -0x1p31f ? INT32_MIN : int32_t(x);
}
VM_INLINE int32_t rounded(float x) { return truncated(x != x ? x : std::nearbyintf(x)); }

struct Conversion {
  Type to, from;
  Rounding rounding;     // of a float result, or to an integer
  bool integral;         // the result of a float conversion is rounded to an integer
  bool flush, saturate, relu, satfinite;
};

uint32_t pack(const Conversion& c) {
  return uint32_t(c.to) | uint32_t(c.from) << 5 | uint32_t(c.rounding) << 10 | uint32_t(c.integral) << 13 | uint32_t(c.flush) << 14 |
         uint32_t(c.saturate) << 15 | uint32_t(c.relu) << 16 | uint32_t(c.satfinite) << 17;
}
Conversion unpack(uint32_t v) {
  return {Type(v & 31), Type(v >> 5 & 31), Rounding(v >> 10 & 7), bool(v >> 13 & 1), bool(v >> 14 & 1), bool(v >> 15 & 1),
          bool(v >> 16 & 1), bool(v >> 17 & 1)};
}

uint64_t readLane(Warp& w, uint32_t slot, bool wide, int lane) {
  return wide ? w.at<uint64_t>(slot)[lane] : w.at<uint32_t>(slot)[lane];
}
void writeLane(Warp& w, uint32_t slot, bool wide, int lane, uint64_t v) {
  if (wide) w.at<uint64_t>(slot)[lane] = v;
  else w.at<uint32_t>(slot)[lane] = uint32_t(v);
}

int64_t extend(uint64_t v, Type t) {
  unsigned drop = 64 - bitsOf(t);
  return isSigned(t) ? int64_t(v << drop) >> drop : int64_t(v << drop >> drop);
}

double roundIntegral(double x, Rounding r) {
  switch (r) {
    case Rounding::Zero: return std::trunc(x);
    case Rounding::Down: return std::floor(x);
    case Rounding::Up: return std::ceil(x);
    default: return std::nearbyint(x);
  }
}

double flushSingle(double x) { return std::fabs(x) < 0x1p-126 ? std::copysign(0.0, x) : x; }

double readFloat(uint64_t bits, Type t) {
  switch (t) {
    case Type::F16: return toFloat(Half{uint16_t(bits)});
    case Type::BF16: return toFloat(BFloat{uint16_t(bits)});
    case Type::F32: return bitCast<float>(uint32_t(bits));
    default: return bitCast<double>(bits);
  }
}

// largestFinite replaces infinities and overflow for .satfinite.
uint16_t finite(uint16_t bits, uint16_t infinity) { return (bits & 0x7fff) == infinity ? uint16_t((bits & 0x8000) | (infinity - 1)) : bits; }

// writeFloat rounds once: a double that is no float becomes a float rounded to odd first. exponent of the rounding: MXCSR is not used.
uint64_t writeFloat(double x, const Conversion& c) {
  if (c.saturate) x = x > 0 ? (x < 1 ? x : 1) : 0;
  if (c.relu && x < 0) x = 0;
  switch (c.to) {
    case Type::F16: {
      uint16_t h = toHalf(toFloatOdd(x), c.rounding).bits;
      return c.satfinite ? finite(h, 0x7c00) : h;
    }
    case Type::BF16: {
      uint16_t b = toBFloat(toFloatOdd(x), c.rounding).bits;
      return c.satfinite ? finite(b, 0x7f80) : b;
    }
    case Type::TF32: {
      uint32_t bits = roundToTF32(float(x), c.rounding);
      return c.satfinite && (bits & 0x7fffffff) == 0x7f800000 ? (bits & 0x80000000) | 0x7f7fe000 : bits;
    }
    case Type::F32: {
      float f = float(x);
      if (x == x && double(f) != x && c.rounding != Rounding::Nearest) {
        bool larger = double(f) > x;
        bool down = c.rounding == Rounding::Down || (c.rounding == Rounding::Zero && x > 0);
        if (larger && down) f = std::nextafterf(f, -INFINITY);
        if (!larger && !down) f = std::nextafterf(f, INFINITY);
      }
      if (c.flush) f = float(flushSingle(f));
      return bitCast<uint32_t>(canonical(f));
    }
    default: return bitCast<uint64_t>(x);
  }
}

uint64_t floatToInteger(double x, const Conversion& c) {
  unsigned bits = bitsOf(c.to);
  if (x != x) return c.from != Type::F64 && bits < 64 ? 0 : uint64_t(1) << (bits - 1);
  x = roundIntegral(x, c.rounding);
  double high = std::ldexp(1.0, int(bits) - (isSigned(c.to) ? 1 : 0)), low = isSigned(c.to) ? -high : 0.0;
  if (x >= high) return isSigned(c.to) ? (uint64_t(1) << (bits - 1)) - 1 : bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  if (x <= low) return isSigned(c.to) ? uint64_t(-1) << (bits - 1) : 0;
  return isSigned(c.to) ? uint64_t(int64_t(x)) : uint64_t(x);
}

uint64_t integerToInteger(int64_t v, const Conversion& c) {
  if (!c.saturate) return uint64_t(extend(uint64_t(v), c.to));
  unsigned bits = bitsOf(c.to);
  // 128 bits hold both signed and unsigned 64-bit values.
  __int128 x = isSigned(c.from) ? __int128(v) : __int128(uint64_t(v));
  __int128 high = ((__int128(1) << (bits - (isSigned(c.to) ? 1 : 0))) - 1), low = isSigned(c.to) ? -high - 1 : 0;
  x = x > high ? high : x < low ? low : x;
  return uint64_t(x);
}

uint64_t integerToFloat(int64_t v, const Conversion& c) {
  bool negative = isSigned(c.from) && v < 0;
  if (c.to == Type::F64 || c.to == Type::F32) {
    // The host rounds by MXCSR, which the handler has set.
    double d = isSigned(c.from) ? double(v) : double(uint64_t(v));
    float f = isSigned(c.from) ? float(v) : float(uint64_t(v));
    if (c.saturate) f = negative ? 0 : std::fmin(f, 1.0f);
    return c.to == Type::F64 ? bitCast<uint64_t>(d) : bitCast<uint32_t>(f);
  }
  uint64_t size = negative ? 0 - uint64_t(v) : uint64_t(v);
  double d = sumToOdd(double(size >> 32) * 0x1p32, double(size & 0xffffffff));
  return writeFloat(negative ? -d : d, c);
}

// imm: bit 0 the target slot is 64 bits wide, bit 1 the source's is.
__attribute__((noinline)) void convertHandler(Warp& w, const Instr& in) {
  Conversion c = unpack(in.aux);
  bool wideTarget = in.imm & 1, wideSource = in.imm & 2;
  if (isInteger(c.from) && !c.integral) _mm_setcsr(kQuietDefault | roundingControl(c.rounding));
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint64_t bits = readLane(w, in.r[1], wideSource, lane), result;
    if (isInteger(c.from)) {
      int64_t v = extend(bits, c.from);
      result = isInteger(c.to) ? integerToInteger(v, c) : integerToFloat(v, c);
    } else {
      double x = readFloat(bits, c.from);
      if (c.flush && c.from == Type::F32) x = flushSingle(x);
      if (isInteger(c.to)) result = floatToInteger(x, c);
      else result = writeFloat(c.integral ? roundIntegral(x, c.rounding) : x, c);
    }
    // A value in a register that is wider than its type is extended by its sign; 16-bit slots have an empty upper half.
    if (bitsOf(c.to) <= 16 && !(in.imm & 4)) result &= 0xffff;
    writeLane(w, in.r[0], wideTarget, lane, result);
  }
  _mm_setcsr(kQuietDefault);
}

// Two floats to a pair: the first operand becomes the upper half.
void packHandler(Warp& w, const Instr& in) {
  Conversion c = unpack(in.aux);
  c.to = c.to == Type::F16x2 ? Type::F16 : Type::BF16;
  const float *a = w.at<float>(in.r[1]), *b = w.at<float>(in.r[2]);
  uint32_t out[kLanes];
  for (int i = 0; i < kLanes; i++) out[i] = uint32_t(writeFloat(double(a[i]), c)) << 16 | uint32_t(writeFloat(double(b[i]), c));
  store<uint32_t>(w, in.r[0], [&](int i) { return out[i]; });
}

Handler fast(const Conversion& c) {
  bool plain = !c.saturate && !c.relu && !c.satfinite && !c.flush;
  if (!plain) return nullptr;
  auto is = [&](Type to, Type from) { return c.to == to && c.from == from; };
  bool nearest = c.rounding == Rounding::Nearest;
  if (is(Type::S64, Type::S32)) return apply<widen<int64_t, int32_t>>;
  if (is(Type::U64, Type::U32) || is(Type::S64, Type::U32)) return apply<widen<uint64_t, uint32_t>>;
  if (is(Type::U32, Type::U64) || is(Type::S32, Type::S64) || is(Type::U32, Type::S64) || is(Type::S32, Type::U64)) {
    return apply<widen<uint32_t, uint64_t>>;
  }
  if (is(Type::U16, Type::U32) || is(Type::S16, Type::S32)) return apply<widen<uint16_t, uint32_t>>;
  if (is(Type::U32, Type::U16) || is(Type::S32, Type::U16)) return apply<widen<uint32_t, uint16_t>>;
  if (is(Type::S32, Type::S16)) return apply<widen<int32_t, int16_t>>;
  if (is(Type::F32, Type::S32) && nearest) return apply<widen<float, int32_t>>;
  if (is(Type::F32, Type::U32) && nearest) return apply<widen<float, uint32_t>>;
  if (is(Type::F64, Type::F32) && !c.integral) return apply<widen<double, float>>;
  if (is(Type::F32, Type::F64) && nearest && !c.integral) return apply<shorten>;
  if (is(Type::F32, Type::F16)) return apply<fromHalf>;
  if (is(Type::F32, Type::BF16)) return apply<fromBFloat>;
  if (is(Type::F16, Type::F32) && nearest && !c.integral) return apply<nearestHalf>;
  if (is(Type::BF16, Type::F32) && nearest && !c.integral) return apply<nearestBFloat>;
  if (is(Type::S32, Type::F32) && c.rounding == Rounding::Zero) return apply<truncated>;
  if (is(Type::S32, Type::F32) && nearest) return apply<rounded>;
  return nullptr;
}

}  // namespace

void decodeConvert(Decoder& d) {
  d.in.unit = InstructionClass::Convert;
  Conversion c{};
  static const struct {
    const char* name;
    Rounding mode;
  } integral[] = {{"rni", Rounding::Nearest}, {"rzi", Rounding::Zero}, {"rmi", Rounding::Down}, {"rpi", Rounding::Up}};
  for (const auto& i : integral) {
    if (!d.take(i.name)) continue;
    c.integral = true;
    c.rounding = i.mode;
  }
  if (!c.integral) c.rounding = d.take("rna") ? Rounding::NearestAway : d.takeRounding();
  c.flush = d.take("ftz");
  c.relu = d.take("relu");
  c.satfinite = d.take("satfinite");
  c.saturate = d.take("sat");
  c.to = d.takeType();
  c.from = d.takeType();
  auto known = [](Type t) { return isInteger(t) || t == Type::F16 || t == Type::BF16 || t == Type::F32 || t == Type::F64; };
  bool packed = c.to == Type::F16x2 || c.to == Type::BF16x2;
  d.in.aux = pack(c);
  if (packed) {
    if (c.from != Type::F32) d.unsupported();
    d.expectOperands(3, 3);
    d.in.r[0] = d.target(0, Type::B32);
    d.in.r[1] = d.source(1, Type::F32);
    d.in.r[2] = d.source(2, Type::F32);
    d.in.run = packHandler;
    return;
  }
  if (!known(c.from) || (!known(c.to) && !(c.to == Type::TF32 && c.from == Type::F32))) d.unsupported();
  d.expectOperands(2, 2);
  // Registers may be wider than the types.
  auto container = [&](size_t i, Type t) {
    unsigned bits = std::max(d.width(d.operand(i), t), bitsOf(t));
    return bits == 64 ? Type::B64 : bits == 32 ? Type::B32 : Type::B16;
  };
  Type target = container(0, c.to), source = container(1, c.from);
  d.in.r[0] = d.target(0, target);
  d.in.r[1] = d.source(1, source);
  d.in.imm = (target == Type::B64 ? 1 : 0) | (source == Type::B64 ? 2 : 0) | (target != Type::B16 ? 4 : 0);
  d.in.run = convertHandler;
  if (c.to == Type::F32 && c.from == Type::F32 && !c.integral) {
    d.in.aux = c.saturate ? kSaturate : 0;
    d.in.run = c.flush ? applyControlled<flushed> : applyControlled<same>;
    return;
  }
  bool exact = bitsOf(target) == std::max(16u, bitsOf(c.to)) && bitsOf(source) == std::max(16u, bitsOf(c.from));
  if (Handler f = exact ? fast(c) : nullptr) d.in.run = f;
}

}  // namespace vm
