// Small floating-point formats and rounding.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace vm {

#define VM_INLINE inline __attribute__((always_inline))

template <class To, class From>
VM_INLINE To bitCast(From f) {
  static_assert(sizeof(To) == sizeof(From));
  To t;
  std::memcpy(&t, &f, sizeof t);
  return t;
}

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct __attribute__((may_alias)) Half2 {
  uint32_t bits;
};
struct __attribute__((may_alias)) BFloat2 {
  uint32_t bits;
};

constexpr uint32_t kCanonicalNaN = 0x7fffffff;  // what float32 instructions return
constexpr uint16_t kCanonicalHalfNaN = 0x7fff;  // float16 and bfloat16

VM_INLINE float canonical(float x) { return x != x ? bitCast<float>(kCanonicalNaN) : x; }

VM_INLINE float toFloat(Half h) { return _cvtsh_ss(h.bits); }
VM_INLINE float toFloat(BFloat b) { return bitCast<float>(uint32_t(b.bits) << 16); }

enum class Rounding : uint8_t { Nearest, Zero, Down, Up, NearestAway };

// roundBits drops the low `drop` bits of a float's magnitude (sign and magnitude, so that carries run into the exponent as they
// should; overflow reaches infinity's pattern by itself in the modes that round away from zero).
VM_INLINE uint32_t roundBits(uint32_t bits, unsigned drop, Rounding mode) {
  uint32_t sign = bits & 0x80000000u, magnitude = bits & 0x7fffffffu;
  uint32_t unit = 1u << drop, rest = magnitude & (unit - 1), kept = magnitude & ~(unit - 1);
  bool up = false;
  switch (mode) {
    case Rounding::Nearest: up = rest > unit / 2 || (rest == unit / 2 && (kept & unit)); break;
    case Rounding::NearestAway: up = rest >= unit / 2; break;
    case Rounding::Zero: break;
    case Rounding::Down: up = sign && rest; break;
    case Rounding::Up: up = !sign && rest; break;
  }
  return sign | (kept + (up ? unit : 0));
}

VM_INLINE BFloat toBFloat(float x, Rounding mode = Rounding::Nearest) {
  if (x != x) return {kCanonicalHalfNaN};
  return {uint16_t(roundBits(bitCast<uint32_t>(x), 16, mode) >> 16)};
}

VM_INLINE Half toHalf(float x, Rounding mode = Rounding::Nearest) {
  if (x != x) return {kCanonicalHalfNaN};
  switch (mode) {
    case Rounding::Zero: return {uint16_t(_cvtss_sh(x, _MM_FROUND_TO_ZERO))};
    case Rounding::Down: return {uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEG_INF))};
    case Rounding::Up: return {uint16_t(_cvtss_sh(x, _MM_FROUND_TO_POS_INF))};
    default: return {uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))};
  }
}

// roundToTF32 keeps 10 bits of the mantissa.
VM_INLINE uint32_t roundToTF32(float x, Rounding mode) {
  if (x != x) return kCanonicalNaN;
  uint32_t bits = bitCast<uint32_t>(x);
  if (std::isinf(x)) return bits;
  return roundBits(bits, 13, mode);
}

// toOdd adds in double and makes the last bit odd if the sum is inexact, so that a second rounding to a much shorter format is as
// good as one rounding of the exact sum.
VM_INLINE double sumToOdd(double a, double b) {
  double s = a + b;
  double bb = s - a;
  double rest = (a - (s - bb)) + (b - bb);
  if (rest != 0 && std::isfinite(s)) {
    uint64_t bits = bitCast<uint64_t>(s);
    if (!(bits & 1)) {
      bool away = (rest > 0) == (s > 0);
      bits += away ? 1 : uint64_t(-1);
      s = bitCast<double>(bits);
    }
  }
  return s;
}

// toFloatOdd shortens a double to a float with the last bit odd if that was inexact.
VM_INLINE float toFloatOdd(double d) {
  float f = float(d);
  if (double(f) == d || f != f || std::isinf(f)) return f;
  uint32_t bits = bitCast<uint32_t>(f);
  bool tooLarge = std::fabs(double(f)) > std::fabs(d);
  if (tooLarge) bits--;  // towards zero first
  return bitCast<float>(bits | 1);
}

}  // namespace vm
