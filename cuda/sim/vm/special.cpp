// Transcendental functions, reciprocals and roots. The .approx forms are computed in float64 by short series whose error lies far below
// the last bit of float32 (tanh.approx apart, whose documented error is large), well inside the manual's bounds.
#include <cmath>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

// exp2 on the whole range by 2^n · P(f), |f| ≤ 1/2; Taylor terms of 2^f = e^(f ln 2) up to the 9th, error below 2^-36.
VM_INLINE double exp2Series(double x) {
  double n = std::nearbyint(x);
  double t = (x - n) * 0.69314718055994530942;
  double p = 1 + t * (1 + t * (1 / 2. + t * (1 / 6. + t * (1 / 24. + t * (1 / 120. + t * (1 / 720. + t * (1 / 5040. + t * (1 / 40320. + t / 362880.))))))));
  return bitCast<double>(bitCast<uint64_t>(p) + (uint64_t(int64_t(n)) << 52));
}

VM_INLINE float exp2Approximate(float x) {
  // Outside this range float32 has only 0 and infinity; NaN passes the comparisons and spoils the sum below.
  double c = x < -160 ? -160.0 : x > 130 ? 130.0 : double(x);
  float y = float(exp2Series(c == c ? c : 0));
  return x != x ? bitCast<float>(kCanonicalNaN) : y;
}

// log2 by exponent and 2/ln 2 · atanh(s), s = (m − 1)/(m + 1), √½ ≤ m < √2; terms to s^15, error below 2^-45.
VM_INLINE float log2Approximate(float x) {
  double d = double(x);
  uint64_t bits = bitCast<uint64_t>(d);
  int64_t e = int64_t(bits >> 52) - 1023;
  double m = bitCast<double>((bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
  if (m > 1.41421356237309505) {
    m *= 0.5;
    e++;
  }
  double s = (m - 1) / (m + 1), q = s * s;
  double series = 1 + q * (1 / 3. + q * (1 / 5. + q * (1 / 7. + q * (1 / 9. + q * (1 / 11. + q * (1 / 13. + q / 15.))))));
  float y = float(double(e) + s * series * 2.8853900817779268);
  if (x == 0) return -INFINITY;
  if (!(x > 0)) return bitCast<float>(kCanonicalNaN);
  return x > 3.402823466e38f ? x : y;
}

// sin and cos: the quadrant by π/2 in two parts, then Taylor series on |r| ≤ π/4.
struct Quadrant {
  double sine, cosine;
  int64_t number;
};
VM_INLINE Quadrant quadrant(double x) {
  double n = std::nearbyint(x * 0.63661977236758134308);
  double r = (x - n * 1.5707963267948966192) - n * 6.123233995736766e-17;
  double q = r * r;
  double s = r * (1 + q * (-1 / 6. + q * (1 / 120. + q * (-1 / 5040. + q * (1 / 362880. + q * (-1 / 39916800.))))));
  double c = 1 + q * (-1 / 2. + q * (1 / 24. + q * (-1 / 720. + q * (1 / 40320. + q * (-1 / 3628800. + q / 479001600.)))));
  return {s, c, int64_t(n)};
}
VM_INLINE float sineOf(float x, int64_t shift) {
  if (!(std::fabs(x) <= 3.402823466e38f)) return bitCast<float>(kCanonicalNaN);
  Quadrant q = quadrant(std::fmod(double(x), 6.283185307179586477));
  int64_t n = q.number + shift;
  double v = n & 1 ? q.cosine : q.sine;
  return float(n & 2 ? -v : v);
}
VM_INLINE float sineApproximate(float x) { return x == 0 ? x : sineOf(x, 0); }
VM_INLINE float cosineApproximate(float x) { return sineOf(x, 1); }

VM_INLINE float tanhApproximate(float x) {
  double a = std::fabs(double(x));
  double e = exp2Series((a < 20 ? a : 20) * 2.8853900817779268);
  double y = a < 0.01 ? a * (1 - a * a / 3) : 1 - 2 / (e + 1);
  return x != x ? bitCast<float>(kCanonicalNaN) : std::copysign(float(y), x);
}

template <class T> VM_INLINE T settle(T x) {
  if constexpr (sizeof(T) == 4) return canonical(x);
  else return x;
}
template <class T> VM_INLINE T reciprocal(T x) { return settle(T(1) / x); }
template <class T> VM_INLINE T root(T x) { return settle(std::sqrt(x)); }
VM_INLINE float reciprocalRoot(float x) { return canonical(float(1 / std::sqrt(double(x)))); }
VM_INLINE double reciprocalRootDouble(double x) { return 1 / std::sqrt(x); }

VM_INLINE Half exp2Half(Half x) { return toHalf(exp2Approximate(toFloat(x))); }
VM_INLINE Half tanhHalf(Half x) { return toHalf(tanhApproximate(toFloat(x))); }
VM_INLINE BFloat exp2BFloat(BFloat x) { return toBFloat(exp2Approximate(toFloat(x))); }
VM_INLINE BFloat tanhBFloat(BFloat x) { return toBFloat(tanhApproximate(toFloat(x))); }
template <class P, class T, auto F> VM_INLINE P pair(P a) {
  return P{uint32_t(F(T{uint16_t(a.bits)}).bits) | uint32_t(F(T{uint16_t(a.bits >> 16)}).bits) << 16};
}

template <auto F>
void choose(Decoder& d, Rounding r, bool flush) {
  d.in.aux = roundingControl(r) | (flush ? kFlush : 0);
  d.in.run = d.in.aux ? applyControlled<F> : apply<F>;
}

void decodeHalfSpecial(Decoder& d, Type t) {
  const std::string& op = d.statement().opcode;
  d.take("ftz");
  if (op != "ex2" && op != "tanh") d.unsupported();
  bool ex2 = op == "ex2";
  switch (t) {
    case Type::F16: d.in.run = ex2 ? apply<exp2Half> : apply<tanhHalf>; break;
    case Type::BF16: d.in.run = ex2 ? apply<exp2BFloat> : apply<tanhBFloat>; break;
    case Type::F16x2: d.in.run = ex2 ? apply<pair<Half2, Half, exp2Half>> : apply<pair<Half2, Half, tanhHalf>>; break;
    default: d.in.run = ex2 ? apply<pair<BFloat2, BFloat, exp2BFloat>> : apply<pair<BFloat2, BFloat, tanhBFloat>>; break;
  }
}

}  // namespace

void decodeSpecial(Decoder& d) {
  d.in.unit = InstructionClass::Special;
  d.in.flops = 1;
  const std::string& op = d.statement().opcode;
  Type t = d.takeType();
  d.expectOperands(2, 2);
  d.in.r[0] = d.target(0, t);
  d.in.r[1] = d.source(1, t);
  bool approximate = d.take("approx");
  if (isHalf(t)) return decodeHalfSpecial(d, t);
  bool flush = d.take("ftz");
  if (t == Type::F64) {
    d.in.unit = InstructionClass::Double;
    Rounding r = d.takeRounding();
    if (op == "rcp") choose<reciprocal<double>>(d, r, false);
    else if (op == "sqrt") choose<root<double>>(d, r, false);
    else if (op == "rsqrt") choose<reciprocalRootDouble>(d, r, false);
    else d.unsupported();
    return;
  }
  if (t != Type::F32) d.unsupported();
  Rounding r = approximate ? Rounding::Nearest : d.takeRounding();
  if (op == "rcp") return choose<reciprocal<float>>(d, r, flush);
  if (op == "sqrt") return choose<root<float>>(d, r, flush);
  if (!approximate) d.malformed("no .approx");
  if (op == "ex2") choose<exp2Approximate>(d, r, flush);
  else if (op == "lg2") choose<log2Approximate>(d, r, flush);
  else if (op == "rsqrt") choose<reciprocalRoot>(d, r, flush);
  else if (op == "sin") choose<sineApproximate>(d, r, flush);
  else if (op == "cos") choose<cosineApproximate>(d, r, flush);
  else if (op == "tanh") choose<tanhApproximate>(d, r, flush);
  else d.unsupported();
}

}  // namespace vm
