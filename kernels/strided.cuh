// Walks through arrays that are read with strides: repeated along axes (broadcasting),
// permuted, or a box of a larger one.
#pragma once

#include "index.cuh"

constexpr int maxAxes = 8;

// Strided says where the elements of up to three arrays lie that belong to element i
// of a row-major walk. Axes are counted from the innermost; neighbouring axes that all
// arrays cross in the same way have been made one.
struct Strided {
  int axes;  // at least 1
  Divisor extent[maxAxes];
  int stride[3][maxAxes];
};

// positions computes where element i of the walk lies in each of N arrays.
template <int N>
__device__ inline void positions(const Strided& s, unsigned i, int (&at)[N]) {
#pragma unroll
  for (int k = 0; k < N; k++) at[k] = 0;
#pragma unroll
  for (int axis = 0; axis < maxAxes; axis++) {
    bool last = axis == s.axes - 1;
    unsigned rest = last ? 0 : divide(i, s.extent[axis]);
    int coordinate = i - rest * s.extent[axis].divisor;
#pragma unroll
    for (int k = 0; k < N; k++) at[k] += coordinate * s.stride[k][axis];
    if (last) break;
    i = rest;
  }
}
