// The geometry of batch normalisation: arrays [rows, channels], channels innermost.
#pragma once

#include "vector.cuh"

constexpr int normThreads = 256;
constexpr int normUnroll = 8;

// Channels is the geometry of one launch: `columns` threads of a block (a power of two up
// to 32) lie along the channels, normThreads/columns lanes along the rows. blockIdx.x counts
// groups of channels, blockIdx.y slices of `chunk` rows. All of it follows from the shape.
struct Channels {
  int rows, channels, columns, chunk;
};

// Lane is the place of a thread.
struct Lane {
  int lane, lanes;
  unsigned channel;     // the first of those that the thread does
  unsigned first, end;  // rows of the slice
  bool valid;           // whether there is such a channel

  // width is the number of channels of a thread.
  __device__ Lane(const Channels& g, int width) {
    lanes = normThreads / g.columns;
    lane = threadIdx.x / g.columns;
    channel = (blockIdx.x * g.columns + (threadIdx.x & (g.columns - 1))) * width;
    valid = channel < g.channels;
    first = blockIdx.y * (unsigned)g.chunk;
    end = min(first + g.chunk, (unsigned)g.rows);
  }
};

// tree combines the values of the lanes in shared memory; the first lane has the result.
// The shape of the tree depends on the number of lanes alone.
template <class T, class F>
__device__ inline T tree(const Lane& at, const Channels& g, T v, T* shared, const F& combine) {
  shared[threadIdx.x] = v;
  for (int half = at.lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (at.lane < half) shared[threadIdx.x] = v = combine(v, shared[threadIdx.x + half * g.columns]);
  }
  return v;
}

// shared gives everybody the first lane's value.
template <class T>
__device__ inline T first(const Channels& g, T v, T* shared) {
  __syncthreads();
  if (threadIdx.x < g.columns) shared[threadIdx.x] = v;
  __syncthreads();
  return shared[threadIdx.x & (g.columns - 1)];
}

// inverseDeviation is 1/√(v + ε).
__device__ inline float inverseDeviation(float variance, float epsilon) { return 1 / sqrtf(variance + epsilon); }
