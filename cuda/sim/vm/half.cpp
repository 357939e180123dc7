// Arithmetic of float16 and bfloat16, single and packed in pairs. Sums, products and quotients are formed in float32, whose rounding is
// innocuous before the second one (24 ≥ 2·11 + 2 bits); fma goes through a sum rounded to odd.
#include <cmath>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

template <class T> struct Format;
template <> struct Format<Half> {
  static VM_INLINE Half from(float x) { return toHalf(x); }
};
template <> struct Format<BFloat> {
  static VM_INLINE BFloat from(float x) { return toBFloat(x); }
};

template <class T> VM_INLINE T add(T a, T b) { return Format<T>::from(toFloat(a) + toFloat(b)); }
template <class T> VM_INLINE T sub(T a, T b) { return Format<T>::from(toFloat(a) - toFloat(b)); }
template <class T> VM_INLINE T mul(T a, T b) { return Format<T>::from(toFloat(a) * toFloat(b)); }
template <class T> VM_INLINE T fma(T a, T b, T c) {
  // The product is exact in double.
  double product = double(toFloat(a)) * double(toFloat(b));
  return Format<T>::from(toFloatOdd(sumToOdd(product, double(toFloat(c)))));
}
template <class T> VM_INLINE T absolute(T a) { return {uint16_t(a.bits & 0x7fff)}; }
template <class T> VM_INLINE T negate(T a) { return {uint16_t(a.bits ^ 0x8000)}; }
template <class T> VM_INLINE bool isNaN(T a) { return toFloat(a) != toFloat(a); }
template <class T> VM_INLINE T minimum(T a, T b) {
  if (isNaN(a)) return isNaN(b) ? T{kCanonicalHalfNaN} : b;
  if (isNaN(b)) return a;
  float x = toFloat(a), y = toFloat(b);
  return x == y ? T{uint16_t(a.bits | b.bits)} : x < y ? a : b;
}
template <class T> VM_INLINE T maximum(T a, T b) {
  if (isNaN(a)) return isNaN(b) ? T{kCanonicalHalfNaN} : b;
  if (isNaN(b)) return a;
  float x = toFloat(a), y = toFloat(b);
  return x == y ? T{uint16_t(a.bits & b.bits)} : x > y ? a : b;
}
template <class T> VM_INLINE T minimumNaN(T a, T b) { return isNaN(a) || isNaN(b) ? T{kCanonicalHalfNaN} : minimum(a, b); }
template <class T> VM_INLINE T maximumNaN(T a, T b) { return isNaN(a) || isNaN(b) ? T{kCanonicalHalfNaN} : maximum(a, b); }

VM_INLINE Half saturate(Half a) {
  float x = toFloat(a);
  return x > 0 ? (x < 1 ? a : Half{0x3c00}) : Half{0};
}
VM_INLINE Half addSaturated(Half a, Half b) { return saturate(add(a, b)); }
VM_INLINE Half subSaturated(Half a, Half b) { return saturate(sub(a, b)); }
VM_INLINE Half mulSaturated(Half a, Half b) { return saturate(mul(a, b)); }
VM_INLINE Half fmaSaturated(Half a, Half b, Half c) { return saturate(fma(a, b, c)); }
template <class T> VM_INLINE T fmaReLU(T a, T b, T c) {
  T d = fma(a, b, c);
  return isNaN(d) ? d : (d.bits & 0x8000) ? T{0} : d;
}

// Pairs are two of the above.
template <class P> struct Element;
template <> struct Element<Half2> { using type = Half; };
template <> struct Element<BFloat2> { using type = BFloat; };

template <class P, auto F, class... A> VM_INLINE P pairwise(A... a) {
  using T = typename Element<P>::type;
  uint32_t low = F(T{uint16_t(a.bits)}...).bits, high = F(T{uint16_t(a.bits >> 16)}...).bits;
  return P{low | high << 16};
}

template <class P, auto F> VM_INLINE P pair1(P a) { return pairwise<P, F>(a); }
template <class P, auto F> VM_INLINE P pair2(P a, P b) { return pairwise<P, F>(a, b); }
template <class P, auto F> VM_INLINE P pair3(P a, P b, P c) { return pairwise<P, F>(a, b, c); }

template <class P, auto F> Handler unary(bool packed) { return packed ? apply<pair1<P, F>> : apply<F>; }
template <class P, auto F> Handler binary(bool packed) { return packed ? apply<pair2<P, F>> : apply<F>; }
template <class P, auto F> Handler ternary(bool packed) { return packed ? apply<pair3<P, F>> : apply<F>; }

template <class P>
Handler handlerOf(Decoder& d, bool packed) {
  using T = typename Element<P>::type;
  const std::string& op = d.statement().opcode;
  bool propagates = d.take("NaN"), relu = d.take("relu"), saturated = d.take("sat");
  if constexpr (std::is_same_v<T, Half>) {
    if (saturated) {
      if (op == "add") return binary<P, addSaturated>(packed);
      if (op == "sub") return binary<P, subSaturated>(packed);
      if (op == "mul") return binary<P, mulSaturated>(packed);
      if (op == "fma") return ternary<P, fmaSaturated>(packed);
    }
  }
  if (saturated || (relu && op != "fma")) d.unsupported();
  if (op == "add") return binary<P, add<T>>(packed);
  if (op == "sub") return binary<P, sub<T>>(packed);
  if (op == "mul") return binary<P, mul<T>>(packed);
  if (op == "fma") return relu ? ternary<P, fmaReLU<T>>(packed) : ternary<P, fma<T>>(packed);
  if (op == "abs") return unary<P, absolute<T>>(packed);
  if (op == "neg") return unary<P, negate<T>>(packed);
  if (op == "min") return propagates ? binary<P, minimumNaN<T>>(packed) : binary<P, minimum<T>>(packed);
  if (op == "max") return propagates ? binary<P, maximumNaN<T>>(packed) : binary<P, maximum<T>>(packed);
  d.unsupported();
}

}  // namespace

void decodeHalf(Decoder& d) {
  Type t = d.takeType();
  d.in.unit = InstructionClass::Float;
  const std::string& op = d.statement().opcode;
  // Flushing would only matter for subnormals of float16, which hardware handles at full speed: compilers do not ask for it.
  d.take("rn");
  bool packed = t == Type::F16x2 || t == Type::BF16x2;
  size_t sources = op == "fma" ? 3 : op == "abs" || op == "neg" ? 1 : 2;
  d.expectOperands(sources + 1, sources + 1);
  d.in.r[0] = d.target(0, t);
  for (size_t i = 1; i <= sources; i++) d.in.r[i] = d.source(i, t);
  d.in.flops = uint16_t((op == "fma" ? 2 : 1) * (packed ? 2 : 1));
  d.in.run = t == Type::F16 || t == Type::F16x2 ? handlerOf<Half2>(d, packed) : handlerOf<BFloat2>(d, packed);
}

}  // namespace vm
