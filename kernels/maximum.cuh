// The order of maxima: NaN wins, and of equals the first.
#pragma once

// beats tells whether v takes the place of the maximum m found before it.
__device__ inline bool beats(float v, float m) { return !(v <= m) && m == m; }

// Maximum is the largest of some elements and its position.
struct Maximum {
  float value;
  int position;
};

// larger returns the winner of two maxima over different positions, in any order.
__device__ inline Maximum larger(Maximum a, Maximum b) {
  bool second = beats(b.value, a.value) || (!beats(a.value, b.value) && b.position < a.position);
  return second ? b : a;
}
