// y = a where cond ≠ 0, else b, with broadcasting; a NaN in cond selects a.
//
//   y [n], dense; cond, a and b lie as s tells
//
// Geometry and aliases are as in binary.cu. Elements are moved as they are, so that
// what is not selected has no influence.
#include "strided.cuh"
#include "vector.cuh"

struct SelectBody {
  float* y;
  const float *cond, *a, *b;
  const Strided& s;

  template <int W>
  __device__ void at(int i) const {
    int p[3];
    positions(s, i, p);
    auto c = loadStrided<W>(cond, p[0], s.stride[0][0]);
    auto u = loadStrided<W>(a, p[1], s.stride[1][0]), v = loadStrided<W>(b, p[2], s.stride[2][0]);
#pragma unroll
    for (int k = 0; k < W; k++) u[k] = c[k] != 0 ? u[k] : v[k];
    store(y, i, u);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    selectWhere(float* y, const float* cond, const float* a, const float* b, int n, Strided s, int vector) {
  elementwise(n, vector, SelectBody{y, cond, a, b, s});
}
