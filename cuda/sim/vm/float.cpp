// Arithmetic of float32 and float64.
#include <cmath>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

// float32 instructions return one particular NaN; those of float64 keep what the host returns, a quiet NaN.
template <class T> VM_INLINE T settle(T x) {
  if constexpr (sizeof(T) == 4) return canonical(x);
  else return x;
}

template <class T> VM_INLINE T add(T a, T b) { return settle(a + b); }
template <class T> VM_INLINE T sub(T a, T b) { return settle(a - b); }
template <class T> VM_INLINE T mul(T a, T b) { return settle(a * b); }
template <class T> VM_INLINE T fma(T a, T b, T c) { return settle(std::fma(a, b, c)); }
template <class T> VM_INLINE T quotient(T a, T b) { return settle(a / b); }

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
template <class T> constexpr Bits<T> kSign = Bits<T>(1) << (8 * sizeof(T) - 1);

template <class T> VM_INLINE T absolute(T a) { return bitCast<T>(bitCast<Bits<T>>(a) & ~kSign<T>); }
template <class T> VM_INLINE T negate(T a) { return bitCast<T>(bitCast<Bits<T>>(a) ^ kSign<T>); }
// copysign d, a, b: the magnitude of b with the sign of a.
template <class T> VM_INLINE T copySign(T a, T b) {
  return bitCast<T>((bitCast<Bits<T>>(a) & kSign<T>) | (bitCast<Bits<T>>(b) & ~kSign<T>));
}
VM_INLINE float flushed(float a) {
  uint32_t bits = bitCast<uint32_t>(a);
  return bitCast<float>((bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits);
}
VM_INLINE float absoluteFlushed(float a) { return absolute(flushed(a)); }
VM_INLINE float negateFlushed(float a) { return negate(flushed(a)); }

// −0 counts as less than +0, a NaN loses against a number.
template <class T> VM_INLINE T minimum(T a, T b) {
  T zeros = bitCast<T>(bitCast<Bits<T>>(a) | bitCast<Bits<T>>(b));
  T m = a == b ? zeros : (a < b ? a : b);
  m = a != a ? b : b != b ? a : m;
  return settle(m);
}
template <class T> VM_INLINE T maximum(T a, T b) {
  T zeros = bitCast<T>(bitCast<Bits<T>>(a) & bitCast<Bits<T>>(b));
  T m = a == b ? zeros : (a > b ? a : b);
  m = a != a ? b : b != b ? a : m;
  return settle(m);
}
VM_INLINE float minimumNaN(float a, float b) { return a != a || b != b ? bitCast<float>(kCanonicalNaN) : minimum(a, b); }
VM_INLINE float maximumNaN(float a, float b) { return a != a || b != b ? bitCast<float>(kCanonicalNaN) : maximum(a, b); }
VM_INLINE float minimumFlushed(float a, float b) { return minimum(flushed(a), flushed(b)); }
VM_INLINE float maximumFlushed(float a, float b) { return maximum(flushed(a), flushed(b)); }
VM_INLINE float minimumNaNFlushed(float a, float b) { return minimumNaN(flushed(a), flushed(b)); }
VM_INLINE float maximumNaNFlushed(float a, float b) { return maximumNaN(flushed(a), flushed(b)); }

template <class T> VM_INLINE bool isFinite(T a) { return std::fabs(a) <= (sizeof(T) == 4 ? T(3.402823466e38f) : T(1.7976931348623157e308)); }
template <class T> VM_INLINE bool isInfinite(T a) { return !isFinite(a) && a == a; }
template <class T> VM_INLINE bool isNumber(T a) { return a == a; }
template <class T> VM_INLINE bool isNotANumber(T a) { return a != a; }
template <class T> VM_INLINE bool isNormal(T a) { return isFinite(a) && std::fabs(a) >= (sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022)); }
template <class T> VM_INLINE bool isSubnormal(T a) { return a != 0 && std::fabs(a) < (sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022)); }

// div.approx: within 2 ulp for divisors of moderate size; beyond 2^126 the reciprocal flushes, so that the quotient is 0 or NaN.
VM_INLINE float quotientApproximate(float a, float b) {
  float size = std::fabs(b);
  if (size > 0x1p126f && size <= 3.402823466e38f) return std::isinf(a) ? bitCast<float>(kCanonicalNaN) : canonical(a * std::copysign(0.0f, b));
  return canonical(a / b);
}

// choose sets the handler, with rounding, flushing and saturation if the instruction asks for any.
template <auto F>
void choose(Decoder& d, Rounding r, bool flush, bool saturate) {
  d.in.aux = roundingControl(r) | (flush ? kFlush : 0) | (saturate ? kSaturate : 0);
  d.in.run = d.in.aux ? applyControlled<F> : apply<F>;
}

void decodeTest(Decoder& d, Type t) {
  d.expectOperands(2, 2);
  d.in.unit = InstructionClass::Compare;
  d.in.r[0] = d.target(0, Type::Pred);
  d.in.r[1] = d.source(1, t);
  bool single = t == Type::F32;
  if (d.take("finite")) d.in.run = single ? apply<isFinite<float>> : apply<isFinite<double>>;
  else if (d.take("infinite")) d.in.run = single ? apply<isInfinite<float>> : apply<isInfinite<double>>;
  else if (d.take("number")) d.in.run = single ? apply<isNumber<float>> : apply<isNumber<double>>;
  else if (d.take("notanumber")) d.in.run = single ? apply<isNotANumber<float>> : apply<isNotANumber<double>>;
  else if (d.take("normal")) d.in.run = single ? apply<isNormal<float>> : apply<isNormal<double>>;
  else if (d.take("subnormal")) d.in.run = single ? apply<isSubnormal<float>> : apply<isSubnormal<double>>;
  else d.unsupported();
}

void decodeExtremum(Decoder& d, Type t, bool flush) {
  bool least = d.statement().opcode == "min", propagates = d.take("NaN");
  if (t == Type::F64) {
    if (propagates) d.unsupported();
    d.in.run = least ? apply<minimum<double>> : apply<maximum<double>>;
  } else if (propagates) {
    d.in.run = flush ? (least ? apply<minimumNaNFlushed> : apply<maximumNaNFlushed>) : (least ? apply<minimumNaN> : apply<maximumNaN>);
  } else {
    d.in.run = flush ? (least ? apply<minimumFlushed> : apply<maximumFlushed>) : (least ? apply<minimum<float>> : apply<maximum<float>>);
  }
}

template <class T>
void decodeTyped(Decoder& d, Type t) {
  const std::string& op = d.statement().opcode;
  bool ternary = op == "fma" || op == "mad", unary = op == "abs" || op == "neg";
  size_t sources = ternary ? 3 : unary ? 1 : 2;
  d.expectOperands(sources + 1, sources + 1);
  d.in.r[0] = d.target(0, t);
  for (size_t i = 1; i <= sources; i++) d.in.r[i] = d.source(i, t);
  d.in.flops = ternary ? 2 : 1;
  bool flush = d.take("ftz"), saturate = d.take("sat");
  if ((flush || saturate) && t == Type::F64) d.unsupported();
  if (op == "min" || op == "max") return decodeExtremum(d, t, flush);
  if (op == "copysign") {
    d.in.run = apply<copySign<T>>;
    return;
  }
  if (unary && t == Type::F32 && flush) {
    d.in.run = op == "abs" ? apply<absoluteFlushed> : apply<negateFlushed>;
    return;
  }
  if (unary) {
    d.in.run = op == "abs" ? apply<absolute<T>> : apply<negate<T>>;
    return;
  }
  if (op == "div") {
    d.in.unit = InstructionClass::Special;
    if (d.take("approx")) {
      if (t == Type::F64) d.unsupported();
      return choose<quotientApproximate>(d, Rounding::Nearest, flush, false);
    }
    if (d.take("full")) return choose<quotient<T>>(d, Rounding::Nearest, flush, false);
    return choose<quotient<T>>(d, d.takeRounding(), flush, false);
  }
  Rounding r = d.takeRounding();
  if (op == "add") choose<add<T>>(d, r, flush, saturate);
  else if (op == "sub") choose<sub<T>>(d, r, flush, saturate);
  else if (op == "mul") choose<mul<T>>(d, r, flush, saturate);
  else if (ternary) choose<fma<T>>(d, r, flush, saturate);
  else d.unsupported();
}

}  // namespace

void decodeFloat(Decoder& d) {
  Type t = d.takeType();
  d.in.unit = t == Type::F64 ? InstructionClass::Double : InstructionClass::Float;
  if (d.statement().opcode == "testp") return decodeTest(d, t);
  if (t == Type::F32) decodeTyped<float>(d, t);
  else if (t == Type::F64) decodeTyped<double>(d, t);
  else d.unsupported();
}

}  // namespace vm
