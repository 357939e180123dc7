// The maximum of each group of neighbouring channels, and its gradient.
//
//   y[i] = max_k x[i·pieces + k]; argmax[i] = the first such k, NaN winning over all
//   dx[i·pieces + k] = (g + addend)·σ′(output), g = dy[i] if k = argmax[i], else 0
//
//   x, dx [n, pieces]; y, dy, argmax [n]; maxout's argmax is optional
//
// Geometry of maxout: a thread a group, maxoutThreads groups a block, whose elements are
// read side by side into shared memory first: `pieces` ≤ maxoutPieces numbers a thread. Of
// maxoutGrad: that of elementwise (vector.cuh) over dx, one element at a time, so that
// neighbouring threads read neighbouring groups. Deterministic: each element is
// made by one thread.
#include "epilogue.cuh"
#include "index.cuh"
#include "maximum.cuh"

constexpr int maxoutThreads = 256;
constexpr int maxoutPieces = 16;

extern "C" __global__ void __launch_bounds__(maxoutThreads)
    maxout(float* __restrict__ y, int* __restrict__ argmax, const float* __restrict__ x, int n, int pieces) {
  __shared__ float groups[maxoutThreads * maxoutPieces];
  long long first = (long long)blockIdx.x * maxoutThreads;
  int count = min((long long)maxoutThreads, n - first);
  for (int i = threadIdx.x; i < count * pieces; i += maxoutThreads) groups[i] = x[first * pieces + i];
  __syncthreads();
  int own = threadIdx.x;
  if (own >= count) return;
  float best = groups[own * pieces];
  int winner = 0;
  for (int k = 1; k < pieces; k++) {
    float v = groups[own * pieces + k];
    if (beats(v, best)) {
      best = v;
      winner = k;
    }
  }
  y[first + own] = best;
  if (argmax) argmax[first + own] = winner;
}

struct MaxoutGradBody {
  float* dx;
  const float* dy;
  const int* argmax;
  Divisor pieces;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int i) const {
    Vector<float, W> g;
#pragma unroll
    for (int k = 0; k < W; k++) {
      unsigned piece = i + k;
      unsigned group = split(piece, pieces);
      g[k] = argmax[group] == piece ? dy[group] : 0;
    }
    store(dx, i, finish(epilogue, g, i));
  }
};

// dx may be the epilogue's arrays.
extern "C" __global__ void __launch_bounds__(elementThreads)
    maxoutGrad(float* dx, const float* __restrict__ dy, const int* __restrict__ argmax, int n, Divisor pieces, GradEpilogue epilogue) {
  elementwise(n, 0, MaxoutGradBody{dx, dy, argmax, pieces, epilogue});
}
