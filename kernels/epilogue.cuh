// The epilogue of every kernel that writes the gradient g of an input:
//
//   dx = (g + addend)·σ′(output)
//
// as backend.GradEpilogue defines it.
#pragma once

#include "activation.cuh"
#include "vector.cuh"

// GradEpilogue is the epilogue as kernels take it. Both arrays are optional, and
// may be the one that the result is written to: an element is read before it is
// written, by the thread that writes it.
struct GradEpilogue {
  const float* addend;
  const float* output;
  Activation derivative;
};

// finish returns dx[i] for g.
__device__ inline float finish(const GradEpilogue& e, float g, int i) {
  if (e.addend) g += e.addend[i];
  if (e.output) g *= activationDerivative(e.derivative, e.output[i]);
  return g;
}

// finish does the same for the W elements from i on.
template <int W>
__device__ inline Vector<float, W> finish(const GradEpilogue& e, Vector<float, W> g, int i) {
  if (e.addend) {
    auto addend = load<W>(e.addend, i);
#pragma unroll
    for (int k = 0; k < W; k++) g[k] += addend[k];
  }
  if (e.output) {
    auto output = load<W>(e.output, i);
#pragma unroll
    for (int k = 0; k < W; k++) g[k] *= activationDerivative(e.derivative, output[k]);
  }
  return g;
}
