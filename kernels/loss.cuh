// Examples with their targets and weights, for the loss functions and their gradients.
#pragma once

#include "rows.cuh"

// The numbers of backend.LossKind.
enum LossKind : int {
  SoftmaxCrossEntropy,
  KLDivergence,
  SigmoidCrossEntropy,
  NegativeLogLikelihood,
  MeanSquaredError,
  MultiClassHinge,
};

// Examples is what goes with the inputs [rows, length] of a loss. There is a target or
// there are indices, which stand for one-hot rows.
struct Examples {
  const float* target;   // [rows, length], or 0
  const int* indices;    // [rows], or 0
  const float* weights;  // [rows], or 0: all are 1
  int kind;
  float divisor;
};

__device__ inline float weightOf(const Examples& e, unsigned row) { return e.weights ? e.weights[row] : 1; }

// Example is one row.
struct Example {
  const float *z, *t;
  unsigned label;

  __device__ Example(const Examples& e, const float* input, unsigned row, size_t length) {
    z = input + row * length;
    t = e.target ? e.target + row * length : nullptr;
    label = e.indices ? e.indices[row] : 0;
  }

  __device__ float target(unsigned j) const { return t ? t[j] : j == label ? 1 : 0; }
};

// excess is how far score v comes up to the margin below the label's, for the hinge.
__device__ inline float excess(float own, float v) { return 1 - own + v; }
