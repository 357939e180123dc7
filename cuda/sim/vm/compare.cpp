// setp and set.
#include <cmath>
#include <type_traits>

#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

enum class Test : uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Number, NotANumber };

// Instr::aux: how the result combines with a third predicate, and what else the instruction writes.
enum : uint32_t { kAnd = 1, kOr = 2, kXor = 3, kCombine = 3, kNegated = 4, kSecond = 8, kFloatResult = 16 };

template <class T, Test test, bool unordered>
VM_INLINE bool holds(T a, T b) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat>) {
    return holds<float, test, unordered>(toFloat(a), toFloat(b));
  } else {
    // The comparisons of C++ are false for NaN, except !=.
    bool result = false;
    switch (test) {
      case Test::Equal: result = a == b; break;
      case Test::NotEqual: result = unordered ? a != b : (a < b || a > b); break;
      case Test::Less: result = a < b; break;
      case Test::LessEqual: result = a <= b; break;
      case Test::Greater: result = a > b; break;
      case Test::GreaterEqual: result = a >= b; break;
      case Test::Number: return a == a && b == b;
      case Test::NotANumber: return a != a || b != b;
    }
    return unordered ? result || a != a || b != b : result;
  }
}

template <class T, Test test, bool unordered>
uint32_t testLanes(Warp& w, const Instr& in) {
  Source<T> a(w, in.r[1]), b(w, in.r[2]);
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; i++) bits |= uint32_t(holds<T, test, unordered>(a[i], b[i])) << i;
  return bits;
}

uint32_t combine(uint32_t bits, uint32_t other, uint32_t how) {
  switch (how & kCombine) {
    case kAnd: return bits & other;
    case kOr: return bits | other;
    case kXor: return bits ^ other;
    default: return bits;
  }
}

void writePredicate(Warp& w, uint32_t slot, uint32_t bits) {
  uint32_t& p = w.predicate(slot);
  p = (p & ~w.mask) | (bits & w.mask);
}

template <class T, Test test, bool unordered>
void setpHandler(Warp& w, const Instr& in) { writePredicate(w, in.r[0], testLanes<T, test, unordered>(w, in)); }

template <class T, Test test, bool unordered>
void setpCombined(Warp& w, const Instr& in) {
  uint32_t bits = testLanes<T, test, unordered>(w, in);
  uint32_t other = in.aux & kCombine ? w.predicate(in.r[3]) : 0;
  if (in.aux & kNegated) other = ~other;
  writePredicate(w, in.r[0], combine(bits, other, in.aux));
  if (in.aux & kSecond) writePredicate(w, in.r[4], combine(~bits, other, in.aux));
}

template <class T, Test test, bool unordered>
void setHandler(Warp& w, const Instr& in) {
  uint32_t bits = testLanes<T, test, unordered>(w, in);
  uint32_t other = in.aux & kCombine ? w.predicate(in.r[3]) : 0;
  if (in.aux & kNegated) other = ~other;
  bits = combine(bits, other, in.aux);
  uint32_t truth = in.aux & kFloatResult ? 0x3f800000u : ~0u;
  store<uint32_t>(w, in.r[0], [&](int i) { return bits >> i & 1 ? truth : 0u; });
}

struct Handlers {
  Handler plain, combined, set;
};

template <class T, Test test>
Handlers handlers(bool unordered) {
  if constexpr (std::is_integral_v<T>) {
    return {setpHandler<T, test, true>, setpCombined<T, test, true>, setHandler<T, test, true>};
  } else {
    if (unordered) return {setpHandler<T, test, true>, setpCombined<T, test, true>, setHandler<T, test, true>};
    return {setpHandler<T, test, false>, setpCombined<T, test, false>, setHandler<T, test, false>};
  }
}

template <class T>
Handlers handlersOf(Decoder& d, Test test, bool unordered) {
  switch (test) {
    case Test::Equal: return handlers<T, Test::Equal>(unordered);
    case Test::NotEqual: return handlers<T, Test::NotEqual>(unordered);
    case Test::Less: return handlers<T, Test::Less>(unordered);
    case Test::LessEqual: return handlers<T, Test::LessEqual>(unordered);
    case Test::Greater: return handlers<T, Test::Greater>(unordered);
    case Test::GreaterEqual: return handlers<T, Test::GreaterEqual>(unordered);
    default: break;
  }
  if constexpr (!std::is_integral_v<T>) {
    return test == Test::Number ? handlers<T, Test::Number>(false) : handlers<T, Test::NotANumber>(false);
  }
  d.unsupported();
}

// Flushed comparisons only need the control word around the handler; it is kept in imm.
void flushedHandler(Warp& w, const Instr& in) {
  _mm_setcsr(kQuietDefault | kFlush);
  reinterpret_cast<Handler>(in.imm)(w, in);
  _mm_setcsr(kQuietDefault);
}

bool takeTest(Decoder& d, bool floating, Test& test, bool& unordered) {
  static const struct {
    const char* name;
    Test test;
    bool unordered, forInteger, forFloat;
  } names[] = {
      {"eq", Test::Equal, false, true, true},          {"ne", Test::NotEqual, false, true, true},
      {"lt", Test::Less, false, true, true},           {"le", Test::LessEqual, false, true, true},
      {"gt", Test::Greater, false, true, true},        {"ge", Test::GreaterEqual, false, true, true},
      {"lo", Test::Less, false, true, false},          {"ls", Test::LessEqual, false, true, false},
      {"hi", Test::Greater, false, true, false},       {"hs", Test::GreaterEqual, false, true, false},
      {"equ", Test::Equal, true, false, true},         {"neu", Test::NotEqual, true, false, true},
      {"ltu", Test::Less, true, false, true},          {"leu", Test::LessEqual, true, false, true},
      {"gtu", Test::Greater, true, false, true},       {"geu", Test::GreaterEqual, true, false, true},
      {"num", Test::Number, false, false, true},       {"nan", Test::NotANumber, false, false, true},
  };
  for (const auto& n : names) {
    if (!(floating ? n.forFloat : n.forInteger) || !d.take(n.name)) continue;
    test = n.test;
    unordered = n.unordered;
    return true;
  }
  return false;
}

}  // namespace

void decodeCompare(Decoder& d) {
  d.in.unit = InstructionClass::Compare;
  bool isSet = d.statement().opcode == "set";
  Type result = isSet ? d.takeType() : Type::Pred;
  Type t = d.takeType();
  if (isSet && bitsOf(result) != 32) d.unsupported();
  bool unordered = false, flush = d.take("ftz");
  Test test{};
  if (!takeTest(d, isFloat(t), test, unordered)) d.malformed("no comparison");
  if (d.take("and")) d.in.aux |= kAnd;
  else if (d.take("or")) d.in.aux |= kOr;
  else if (d.take("xor")) d.in.aux |= kXor;
  if (result == Type::F32) d.in.aux |= kFloatResult;
  size_t n = d.in.aux & kCombine ? 4 : 3;
  d.expectOperands(n, n);

  const Operand& to = d.operand(0);
  if (to.kind == Operand::Pair && !isSet) {
    d.in.r[0] = d.target(to.items[0], result);
    d.in.r[4] = d.target(to.items[1], result);
    d.in.aux |= kSecond;
  } else {
    d.in.r[0] = d.target(0, result);
  }
  d.in.r[1] = d.source(1, t);
  d.in.r[2] = d.source(2, t);
  if (n == 4) {
    d.in.r[3] = d.source(3, Type::Pred);
    if (d.operand(3).negated) d.in.aux |= kNegated;
  }

  Handlers h{};
  switch (t) {
    case Type::B16: case Type::U16: h = handlersOf<uint16_t>(d, test, unordered); break;
    case Type::S16: h = handlersOf<int16_t>(d, test, unordered); break;
    case Type::B32: case Type::U32: h = handlersOf<uint32_t>(d, test, unordered); break;
    case Type::S32: h = handlersOf<int32_t>(d, test, unordered); break;
    case Type::B64: case Type::U64: h = handlersOf<uint64_t>(d, test, unordered); break;
    case Type::S64: h = handlersOf<int64_t>(d, test, unordered); break;
    case Type::F16: h = handlersOf<Half>(d, test, unordered); break;
    case Type::BF16: h = handlersOf<BFloat>(d, test, unordered); break;
    case Type::F32: h = handlersOf<float>(d, test, unordered); break;
    case Type::F64: h = handlersOf<double>(d, test, unordered); break;
    default: d.unsupported();
  }
  Handler chosen = isSet ? h.set : d.in.aux ? h.combined : h.plain;
  d.in.run = chosen;
  if (flush) {
    d.in.imm = reinterpret_cast<int64_t>(chosen);
    d.in.run = flushedHandler;
  }
}

}  // namespace vm
