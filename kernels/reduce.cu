// Sums and maxima over some axes of an array, and the gradient of the maximum.
//
//   y[o] = scale·Σ_k x(o, k) (+ y[o])                            reduceSum
//   y[o] = max_k x(o, k); positions[o] = the first such k        reduceMax
//   dx(o, k) = (g + addend)·σ′(output), g = dy[o] if k = positions[o], else 0   reduceMaxGrad
//
//   o counts the results, in row-major order of the axes that stay; k counts the
//   elements that become one, in row-major order of the axes that go
//
// Geometry: `lanes` threads (a power of two up to 256) share a result, 256/lanes results a
// block; blockIdx.y is one of the slices into which k is cut, `chunk` elements each. A
// thread takes every lanes-th element of its slice in ascending order; the lanes'
// results meet in a tree in shared memory. Threads of a warp lie along k where that is
// the innermost axis (across = 0), else along o. Several slices write to workspace,
// [slice, result], which a second launch reduces. All of this follows from the shape, so
// that the order of a sum is fixed. Shared memory: one number, or number and position, a
// thread.
#include "epilogue.cuh"
#include "maximum.cuh"
#include "strided.cuh"

constexpr int reduceThreads = 256;

// Reduction is the geometry of one launch.
struct Reduction {
  int results, count;  // how many o, and k for each
  int lanes, chunk;    // lanes is a power of two
  int across;          // 1 if neighbouring threads have neighbouring results
  Strided kept;        // where the first element of result o lies
  Strided reduced;     // where element k lies behind it
};

// Share is a thread's part of a reduction.
struct Share {
  int result, lane, first, end;
  unsigned base;
  int partner;  // the distance of neighbouring lanes in shared memory
  bool valid;

  __device__ explicit Share(const Reduction& r) {
    int perBlock = reduceThreads / r.lanes;
    int t = threadIdx.x;
    lane = r.across ? t / perBlock : t & (r.lanes - 1);
    partner = r.across ? perBlock : 1;
    long long o = (long long)blockIdx.x * perBlock + (r.across ? t & (perBlock - 1) : t / r.lanes);
    valid = o < r.results;
    result = valid ? (int)o : 0;
    first = blockIdx.y * r.chunk;
    end = min(first + r.chunk, r.count);
    int at[1];
    positions(r.kept, result, at);
    base = at[0];
  }
};

// forShare calls f(at, k) for each element of a share, in ascending order; at is where
// the element lies.
template <class F>
__device__ inline void forShare(const Reduction& r, const Share& s, F f) {
  if (!s.valid) return;
  if (r.reduced.axes == 1) {  // the common case, without divisions
    int stride = r.reduced.stride[0][0];
#pragma unroll 4
    for (int k = s.first + s.lane; k < s.end; k += r.lanes) f(s.base + k * stride, k);
    return;
  }
#pragma unroll 1
  for (int k = s.first + s.lane; k < s.end; k += r.lanes) {
    int at[1];
    positions(r.reduced, k, at);
    f(s.base + at[0], k);
  }
}

// divisor is 1 for a sum, the number of elements for a mean.
extern "C" __global__ void __launch_bounds__(reduceThreads)
    reduceSum(float* __restrict__ y, const float* __restrict__ x, Reduction r, float divisor, int accumulate) {
  __shared__ float sums[reduceThreads];
  Share s(r);
  float sum = 0;
  forShare(r, s, [&](unsigned at, int) { sum += x[at]; });
  sums[threadIdx.x] = sum;
  for (int half = r.lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (s.lane < half) sums[threadIdx.x] = sum += sums[threadIdx.x + half * s.partner];
  }
  if (!s.valid || s.lane > 0) return;
  size_t at = (size_t)blockIdx.y * r.results + s.result;
  sum /= divisor;
  y[at] = accumulate ? y[at] + sum : sum;
}

// from holds the positions that belong to the elements of x, which are maxima
// themselves, or is 0. y or positions may be 0.
extern "C" __global__ void __launch_bounds__(reduceThreads)
    reduceMax(float* __restrict__ y, int* __restrict__ positions, const float* __restrict__ x, const int* __restrict__ from, Reduction r) {
  __shared__ float values[reduceThreads];
  __shared__ int places[reduceThreads];
  Share s(r);
  Maximum best = {-__int_as_float(0x7f800000), 0x7fffffff};
  forShare(r, s, [&](unsigned at, int k) { best = larger(best, {x[at], from ? from[at] : k}); });
  values[threadIdx.x] = best.value;
  places[threadIdx.x] = best.position;
  for (int half = r.lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (s.lane < half) {
      int other = threadIdx.x + half * s.partner;
      best = larger(best, {values[other], places[other]});
      values[threadIdx.x] = best.value;
      places[threadIdx.x] = best.position;
    }
  }
  if (!s.valid || s.lane > 0) return;
  size_t at = (size_t)blockIdx.y * r.results + s.result;
  if (y) y[at] = best.value;
  if (positions) positions[at] = best.position;
}

// s leads from an element of dx to its o and its k.
struct ReduceMaxGradBody {
  float* dx;
  const float* dy;
  const int* positions;
  const Strided& s;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int i) const {
    Vector<float, W> g;
#pragma unroll
    for (int k = 0; k < W; k++) {
      int p[2];
      ::positions(s, i + k, p);
      g[k] = positions[p[0]] == p[1] ? dy[p[0]] : 0;
    }
    store(dx, i, finish(epilogue, g, i));
  }
};

// dx may be the epilogue's arrays. Geometry: that of elementwise (vector.cuh).
extern "C" __global__ void __launch_bounds__(elementThreads)
    reduceMaxGrad(float* dx, const float* __restrict__ dy, const int* __restrict__ positions, int n, Strided s, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, ReduceMaxGradBody{dx, dy, positions, s, epilogue});
}
