// Arithmetic with element indices.
#pragma once

// Divisor divides by a number that is known when work is planned, with a
// multiplication and a shift in place of a division. With s = ⌈log₂ d⌉,
// multiplier = ⌊2³²·(2^s − d)/d⌋ + 1, for 0 ≤ n < 2³¹:
//
//   ⌊n/d⌋ = (⌊n·multiplier/2³²⌋ + n) >> s
//
// Source: Granlund and Montgomery 1994, "Division by invariant integers using
// multiplication". Package lower makes it.
struct Divisor {
  unsigned divisor, multiplier, shift;
};

// divide is ⌊n/d⌋.
__device__ inline unsigned divide(unsigned n, Divisor d) { return (__umulhi(n, d.multiplier) + n) >> d.shift; }

// split returns ⌊n/d⌋ and leaves the remainder in n.
__device__ inline unsigned split(unsigned& n, Divisor d) {
  unsigned q = divide(n, d);
  n -= q * d.divisor;
  return q;
}
