// Sums and maxima over the rows of a matrix, each row shared by a team of threads.
#pragma once

#include "maximum.cuh"

// A block of rowThreads threads does rowThreads/lanes rows of a team each; one of
// longRowThreads is one team.
constexpr int rowThreads = 256;
constexpr int longRowThreads = 1024;

constexpr unsigned wholeWarp = 0xffffffff;

// Team is a power of two of neighbouring threads that share a row: up to 32 of a warp,
// or a whole block of several warps. A thread takes every lanes-th element. Results meet
// in a butterfly of shuffles, then, through shared memory, in one of the warps: a
// tree whose shape depends on the number of lanes alone. All threads of the block must
// call each function; those without a row do so with a length of 0.
struct Team {
  unsigned lanes, lane, row;

  __device__ explicit Team(int n) : lanes(n) {
    lane = threadIdx.x & (lanes - 1);
    row = blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
  }

  // sync orders the accesses of the team's threads to memory.
  __device__ void sync() const {
    if (lanes > 32) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }

  // all returns what f makes of everybody's v, to everybody.
  template <class T, class F>
  __device__ T all(T v, const F& f) const {
    for (unsigned half = min(lanes, 32) / 2; half > 0; half /= 2) v = f(v, __shfl_xor_sync(wholeWarp, v, half));
    if (lanes <= 32) return v;
    __shared__ T warps[longRowThreads / 32];
    __syncthreads();  // the results before have been read
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
    __syncthreads();
    v = warps[threadIdx.x & (lanes / 32 - 1)];
    for (unsigned half = lanes / 64; half > 0; half /= 2) v = f(v, __shfl_xor_sync(wholeWarp, v, half));
    return v;
  }

  // sum is Σ f(j) over the row.
  template <class F>
  __device__ auto sum(unsigned length, const F& f) const {
    decltype(f(0u)) s = 0;
#pragma unroll 4
    for (unsigned j = lane; j < length; j += lanes) s += f(j);
    return all(s, [](auto a, auto b) { return a + b; });
  }

  // maximum is that of the row; NaN wins.
  __device__ float maximum(unsigned length, const float* x) const {
    float m = -__builtin_huge_valf();
#pragma unroll 4
    for (unsigned j = lane; j < length; j += lanes) {
      if (beats(x[j], m)) m = x[j];
    }
    return all(m, [](float a, float b) { return beats(b, a) ? b : a; });
  }
};
