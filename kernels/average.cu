// Moves a running estimate towards a new value: y = keep·y + share·x.
//
//   x, y [n]
//
// Geometry: that of elementwise (vector.cuh). Deterministic: each element is made by
// one thread.
#include "vector.cuh"

struct AverageBody {
  float* y;
  const float* x;
  float keep, share;

  template <int W>
  __device__ void at(int i) const {
    auto u = load<W>(y, i), v = load<W>(x, i);
#pragma unroll
    for (int k = 0; k < W; k++) u[k] = keep * u[k] + share * v[k];
    store(y, i, u);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    movingAverage(float* __restrict__ y, const float* __restrict__ x, int n, float keep, float share, int vector) {
  elementwise(n, vector, AverageBody{y, x, keep, share});
}
