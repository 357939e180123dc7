// Integer arithmetic: add, sub, mul, mad, div, rem, abs, neg, min, max, sad, mul24, mad24.
#include <limits>
#include <type_traits>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

template <class T> struct Wider;
template <> struct Wider<uint16_t> { using type = uint32_t; };
template <> struct Wider<int16_t> { using type = int32_t; };
template <> struct Wider<uint32_t> { using type = uint64_t; };
template <> struct Wider<int32_t> { using type = int64_t; };
template <> struct Wider<uint64_t> { using type = unsigned __int128; };
template <> struct Wider<int64_t> { using type = __int128; };
template <class T> using Wide = typename Wider<T>::type;
template <class T> using Bits = std::make_unsigned_t<T>;

// Arithmetic wraps around, so it is done without sign and in at least 32 bits.
template <class T> using Raw = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> VM_INLINE T add(T a, T b) { return T(Raw<T>(a) + Raw<T>(b)); }
template <class T> VM_INLINE T sub(T a, T b) { return T(Raw<T>(a) - Raw<T>(b)); }
template <class T> VM_INLINE T mulLow(T a, T b) { return T(Raw<T>(a) * Raw<T>(b)); }
template <class T> VM_INLINE T mulHigh(T a, T b) { return T((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T))); }
template <class T> VM_INLINE Wide<T> mulWide(T a, T b) { return Wide<T>(a) * Wide<T>(b); }
template <class T> VM_INLINE T madLow(T a, T b, T c) { return add(mulLow(a, b), c); }
template <class T> VM_INLINE T madHigh(T a, T b, T c) { return add(mulHigh(a, b), c); }
template <class T> VM_INLINE Wide<T> madWide(T a, T b, Wide<T> c) { return add<Wide<T>>(mulWide(a, b), c); }

VM_INLINE int32_t clamp32(int64_t v) { return int32_t(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v); }
VM_INLINE int32_t addSaturated(int32_t a, int32_t b) { return clamp32(int64_t(a) + b); }
VM_INLINE int32_t subSaturated(int32_t a, int32_t b) { return clamp32(int64_t(a) - b); }
VM_INLINE int32_t madHighSaturated(int32_t a, int32_t b, int32_t c) { return clamp32(int64_t(mulHigh(a, b)) + c); }

// Division by zero yields all ones, as the hardware does (the manual leaves it open); so does its remainder: the dividend.
template <class T> VM_INLINE T quotient(T a, T b) {
  if (b == 0) return T(-1);
  if (std::is_signed_v<T> && b == T(-1)) return T(Raw<T>(0) - Raw<T>(a));
  return T(a / b);
}
template <class T> VM_INLINE T remainder(T a, T b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == T(-1)) return 0;
  return T(a % b);
}
template <class T> VM_INLINE T absolute(T a) { return a < 0 ? T(Raw<T>(0) - Raw<T>(a)) : a; }
template <class T> VM_INLINE T negate(T a) { return T(Raw<T>(0) - Raw<T>(a)); }
template <class T> VM_INLINE T smaller(T a, T b) { return b < a ? b : a; }
template <class T> VM_INLINE T larger(T a, T b) { return a < b ? b : a; }
template <class T> VM_INLINE T sumOfDifference(T a, T b, T c) {
  Raw<T> d = a < b ? Raw<T>(b) - Raw<T>(a) : Raw<T>(a) - Raw<T>(b);
  return T(Raw<T>(c) + d);
}

VM_INLINE int32_t low24(int32_t a) { return int32_t(uint32_t(a) << 8) >> 8; }
VM_INLINE uint32_t low24(uint32_t a) { return a & 0xffffff; }
template <class T> VM_INLINE T mul24Low(T a, T b) { return T(Wide<T>(low24(a)) * low24(b)); }
template <class T> VM_INLINE T mul24High(T a, T b) { return T((Wide<T>(low24(a)) * low24(b)) >> 16); }
template <class T> VM_INLINE T mad24Low(T a, T b, T c) { return add(mul24Low(a, b), c); }
template <class T> VM_INLINE T mad24High(T a, T b, T c) { return add(mul24High(a, b), c); }

void operandsOf(Decoder& d, Type target, std::initializer_list<Type> sources) {
  d.expectOperands(sources.size() + 1, sources.size() + 1);
  d.in.r[0] = d.target(0, target);
  size_t i = 1;
  for (Type t : sources) {
    d.in.r[i] = d.source(i, t);
    i++;
  }
}

Type wider(Type t) {
  switch (t) {
    case Type::U16: return Type::U32;
    case Type::S16: return Type::S32;
    case Type::U32: return Type::U64;
    default: return Type::S64;
  }
}

template <class T>
void decodeMultiply(Decoder& d, Type t, bool mad) {
  bool saturated = d.take("sat");
  if (d.take("wide")) {
    if constexpr (sizeof(T) == 8) {
      d.unsupported();
    } else {
      mad ? operandsOf(d, wider(t), {t, t, wider(t)}) : operandsOf(d, wider(t), {t, t});
      d.in.run = mad ? apply<madWide<T>> : apply<mulWide<T>>;
    }
    return;
  }
  mad ? operandsOf(d, t, {t, t, t}) : operandsOf(d, t, {t, t});
  if (d.take("hi")) {
    d.in.run = mad ? apply<madHigh<T>> : apply<mulHigh<T>>;
    if (saturated) {
      if (!mad || t != Type::S32) d.unsupported();
      d.in.run = apply<madHighSaturated>;
    }
    return;
  }
  d.take("lo");
  if (saturated) d.unsupported();
  d.in.run = mad ? apply<madLow<T>> : apply<mulLow<T>>;
}

template <class T>
void decode24(Decoder& d, Type t, bool mad) {
  mad ? operandsOf(d, t, {t, t, t}) : operandsOf(d, t, {t, t});
  if (d.take("hi")) d.in.run = mad ? apply<mad24High<T>> : apply<mul24High<T>>;
  else if (d.take("lo")) d.in.run = mad ? apply<mad24Low<T>> : apply<mul24Low<T>>;
  else d.malformed("neither .lo nor .hi");
}

template <class T>
void decodeTyped(Decoder& d, Type t) {
  const std::string& op = d.statement().opcode;
  if (op == "mul" || op == "mad") return decodeMultiply<T>(d, t, op == "mad");
  if constexpr (sizeof(T) == 4) {
    if (op == "mul24" || op == "mad24") return decode24<T>(d, t, op == "mad24");
  }
  if (op == "abs" || op == "neg") {
    operandsOf(d, t, {t});
    d.in.run = op == "abs" ? apply<absolute<T>> : apply<negate<T>>;
    return;
  }
  if (op == "sad") {
    operandsOf(d, t, {t, t, t});
    d.in.run = apply<sumOfDifference<T>>;
    return;
  }
  operandsOf(d, t, {t, t});
  if ((op == "add" || op == "sub") && d.take("sat")) {
    if (t != Type::S32) d.unsupported();
    d.in.run = op == "add" ? apply<addSaturated> : apply<subSaturated>;
    return;
  }
  if (op == "add") d.in.run = apply<add<T>>;
  else if (op == "sub") d.in.run = apply<sub<T>>;
  else if (op == "div") d.in.run = apply<quotient<T>>;
  else if (op == "rem") d.in.run = apply<remainder<T>>;
  else if (op == "min") d.in.run = apply<smaller<T>>;
  else if (op == "max") d.in.run = apply<larger<T>>;
  else d.unsupported();
}

}  // namespace

void decodeInteger(Decoder& d) {
  Type t = d.takeType();
  d.in.unit = InstructionClass::Integer;
  switch (t) {
    case Type::U16: return decodeTyped<uint16_t>(d, t);
    case Type::S16: return decodeTyped<int16_t>(d, t);
    case Type::U32: return decodeTyped<uint32_t>(d, t);
    case Type::S32: return decodeTyped<int32_t>(d, t);
    case Type::U64: return decodeTyped<uint64_t>(d, t);
    case Type::S64: return decodeTyped<int64_t>(d, t);
    default: d.unsupported();
  }
}

void decodeArithmetic(Decoder& d) {
  Type t = Type::None;
  for (const std::string& m : d.left()) {
    if (Type found = typeNamed(m); found != Type::None) t = found;
  }
  if (isHalf(t)) decodeHalf(d);
  else if (isFloat(t)) decodeFloat(d);
  else decodeInteger(d);
}

}  // namespace vm
