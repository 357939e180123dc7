// The epilogue of every kernel that writes the gradient g of an input:
//
//   dx = (g + addend)·σ′(output)
//
// as backend.GradEpilogue defines it.
#pragma once

#include "activation.cuh"

// GradEpilogue is the epilogue as kernels take it. Both arrays are optional, and
// may be the one that the result is written to: an element is read before it is
// written, by the thread that writes it.
struct GradEpilogue {
  const float* addend;
  const float* output;
  Activation derivative;
};

// finish returns the W elements of dx from i on, for g. The sum is not contracted with
// a product that made g: what is fused has the bits of what is not.
template <int W>
__device__ inline Vector<float, W> finish(const GradEpilogue& e, Vector<float, W> g, int i) {
  if (e.addend) {
    auto addend = load<W>(e.addend, i);
#pragma unroll
    for (int k = 0; k < W; k++) g[k] = __fadd_rn(g[k], addend[k]);
  }
  if (e.output) {
    auto slope = activationDerivative(e.derivative, load<W>(e.output, i));
#pragma unroll
    for (int k = 0; k < W; k++) g[k] *= slope[k];
  }
  return g;
}

__device__ inline float finish(const GradEpilogue& e, float g, int i) { return finish(e, Vector<float, 1>{{g}}, i)[0]; }
