// Instructions that do the same to every lane: one inline function each, turned into a handler by apply.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <tuple>
#include <utility>

#include "numbers.h"
#include "program.h"
#include "warp.h"

namespace vm {

// How a value of type T lies in a slot: 16-bit values in words whose upper half is zero. Slots hold integers and floats in turn, so
// Stored may alias anything.
template <class T>
struct Lane {
  typedef T Stored __attribute__((may_alias));
  static VM_INLINE T get(T s) { return s; }
  static VM_INLINE T put(T v) { return v; }
};
template <class T>
struct PairLane {
  using Stored = T;
  static VM_INLINE T get(T s) { return s; }
  static VM_INLINE T put(T v) { return v; }
};
template <> struct Lane<Half2> : PairLane<Half2> {};
template <> struct Lane<BFloat2> : PairLane<BFloat2> {};
template <class T>
struct ShortLane {
  typedef uint32_t Stored __attribute__((may_alias));
  static VM_INLINE T get(uint32_t s) { return bitCast<T>(uint16_t(s)); }
  static VM_INLINE uint32_t put(T v) { return bitCast<uint16_t>(v); }
};
template <> struct Lane<uint16_t> : ShortLane<uint16_t> {};
template <> struct Lane<int16_t> : ShortLane<int16_t> {};
template <> struct Lane<Half> : ShortLane<Half> {};
template <> struct Lane<BFloat> : ShortLane<BFloat> {};

template <class T>
struct Source {
  const typename Lane<T>::Stored* p;
  Source(Warp& w, uint32_t offset) : p(reinterpret_cast<const typename Lane<T>::Stored*>(w.at<uint8_t>(offset))) {}
  VM_INLINE T operator[](int i) const { return Lane<T>::get(p[i]); }
};
template <>
struct Source<bool> {
  uint32_t bits;
  Source(Warp& w, uint32_t offset) : bits(w.predicate(offset)) {}
  VM_INLINE bool operator[](int i) const { return bits >> i & 1; }
};

// store writes value(i) for the lanes in the warp's mask.
template <class T, class F>
VM_INLINE void store(Warp& w, uint32_t offset, F value) {
  uint32_t m = w.mask;
  if constexpr (std::is_same_v<T, bool>) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; i++) bits |= uint32_t(value(i)) << i;
    uint32_t& p = w.predicate(offset);
    p = (p & ~m) | (bits & m);
  } else {
    auto* d = reinterpret_cast<typename Lane<T>::Stored*>(w.at<uint8_t>(offset));
    if (m == kAllLanes) {
#pragma GCC ivdep
      for (int i = 0; i < kLanes; i++) d[i] = Lane<T>::put(value(i));
    } else {
#pragma GCC ivdep
      for (int i = 0; i < kLanes; i++) {
        typename Lane<T>::Stored v = Lane<T>::put(value(i));
        d[i] = (m >> i & 1) ? v : d[i];
      }
    }
  }
}

template <class F>
struct Signature;
template <class D, class... A>
struct Signature<D (*)(A...)> {
  using Result = D;
  using Sources = std::tuple<Source<A>...>;
  static constexpr size_t count = sizeof...(A);
  template <size_t... I>
  static VM_INLINE Sources sources(Warp& w, const Instr& in, std::index_sequence<I...>) {
    return Sources(Source<A>(w, in.r[1 + I])...);
  }
};

template <auto F, class S, size_t... I>
VM_INLINE auto call(const S& sources, int i, std::index_sequence<I...>) {
  return F(std::get<I>(sources)[i]...);
}

// apply is the handler of r[0] = F(r[1], r[2], …) in each lane; types come from F, bool being predicates.
template <auto F>
void apply(Warp& w, const Instr& in) {
  using S = Signature<decltype(F)>;
  constexpr auto index = std::make_index_sequence<S::count>();
  auto sources = S::sources(w, in, index);
  store<typename S::Result>(w, in.r[0], [&](int i) __attribute__((always_inline)) { return call<F>(sources, i, index); });
}

// Bits of Instr::aux for applyControlled: those of MXCSR that choose rounding and flushing, and one for saturation to [0, 1].
constexpr uint32_t kFlush = 0x8040;  // denormals are zero, results flush to zero
constexpr uint32_t kSaturate = 1u << 31;
constexpr uint32_t kQuietDefault = 0x1f80;

inline uint32_t roundingControl(Rounding r) {
  return r == Rounding::Zero ? 0x6000 : r == Rounding::Down ? 0x2000 : r == Rounding::Up ? 0x4000 : 0;
}

// saturate clamps the lanes of a float32 slot to [0, 1]; NaN becomes 0.
inline void saturateLanes(Warp& w, uint32_t offset) {
  const float* d = w.at<float>(offset);
  store<float>(w, offset, [&](int i) { return d[i] > 0 ? (d[i] < 1 ? d[i] : 1.0f) : 0.0f; });
}

template <auto F>
__attribute__((noinline)) void applyControlled(Warp& w, const Instr& in) {
  _mm_setcsr(kQuietDefault | (in.aux & 0xffff));
  apply<F>(w, in);
  _mm_setcsr(kQuietDefault);
  if (in.aux & kSaturate) saturateLanes(w, in.r[0]);
}

}  // namespace vm
