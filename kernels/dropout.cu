// Sets a share of the elements to zero and scales the others, and the gradient of that.
//
//   y[e] = x[e]·scale if u(e) ≥ threshold, else 0
//   dx[e] = (g + addend)·σ′(output), g = dy[e]·scale if u(e) ≥ threshold, else 0
//
//   u(e) is the random whole number below 2²⁴ of element e (backend/philox.go): 24 bits of
//   word e mod 4 of the counter (e/4; stream; draw index) under the seed; draw [3] holds
//   low and high half of the seed and the draw index
//
// Geometry: a thread draws one counter and does its four elements, a block of 256 threads
// 1024. Deterministic: each element is made by one thread. y may be x, dx any input
// but draw.
#include "epilogue.cuh"
#include "philox.cuh"

// dropoutFour makes the elements from i on, at most four.
template <class Body>
__device__ inline void dropoutFour(int n, int vector, const int* draw, unsigned stream, const Body& body) {
  long long first = ((long long)blockIdx.x * elementThreads + threadIdx.x) * 4;
  if (first >= n) return;
  int i = (int)first;
  // Elements are numbered below 2³¹, so that the high word of the counter is 0.
  uint4 r = philox(make_uint4(i / 4, 0, stream, draw[2]), make_uint2(draw[0], draw[1]));
  if (vector && i + 4 <= n) {
    Vector<unsigned, 4> u = {{r.x >> 8, r.y >> 8, r.z >> 8, r.w >> 8}};
    body.template at<4>(i, u);
    return;
  }
  body.template at<1>(i, {{r.x >> 8}});
  if (i + 1 < n) body.template at<1>(i + 1, {{r.y >> 8}});
  if (i + 2 < n) body.template at<1>(i + 2, {{r.z >> 8}});
  if (i + 3 < n) body.template at<1>(i + 3, {{r.w >> 8}});
}

struct DropoutBody {
  float* y;
  const float* x;
  unsigned threshold;
  float scale;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int i, Vector<unsigned, W> u) const {
    auto v = load<W>(x, i);
#pragma unroll
    for (int k = 0; k < W; k++) v[k] = u[k] >= threshold ? v[k] * scale : 0;
    store(y, i, finish(epilogue, v, i));
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    dropout(float* y, const float* x, const int* __restrict__ draw, int n, unsigned stream, unsigned threshold, float scale, int vector) {
  dropoutFour(n, vector, draw, stream, DropoutBody{y, x, threshold, scale, {}});
}

extern "C" __global__ void __launch_bounds__(elementThreads)
    dropoutGrad(float* dx, const float* dy, const int* __restrict__ draw, int n, unsigned stream, unsigned threshold, float scale,
                GradEpilogue epilogue, int vector) {
  dropoutFour(n, vector, draw, stream, DropoutBody{dx, dy, threshold, scale, epilogue});
}
