// Element-wise activations and their derivatives, for kernels that fuse them. The
// definitions are those of backend/func.go, whose numbers Func repeats.
#pragma once

#include "vector.cuh"

// Func numbers the scalar functions as backend.Func does. Those up to ELU are
// activations; functions.cuh has them all.
enum Func : int {
  Identity,
  Sigmoid,
  Tanh,
  ReLU,
  LeakyReLU,
  ELU,
  Neg,
  Abs,
  Square,
  Sqrt,
  Rsqrt,
  Reciprocal,
  Exp,
  Log,
  Sin,
  Cos,
  Sign,
  Floor,
  Softplus,
  Scale,
  Offset,
  Power,
};

// Activation is a Func up to ELU with its parameter, as kernels take it.
struct Activation {
  int function;
  float alpha;
};

// leaky is x where x > 0, NaN for NaN, else alpha·x. An alpha of 0 gives 0 for −∞.
__device__ inline float leaky(float x, float alpha) {
  if (!(x <= 0)) return x;
  return alpha == 0 ? 0 : alpha * x;
}

// sigmoid is 1/(1+e^−x), within 4 ulps.
__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// activate is σ of W elements. All threads of a warp should have the same a.
template <int W>
__device__ inline Vector<float, W> activate(Activation a, const Vector<float, W>& x) {
  switch (a.function) {
    case Sigmoid: return map(x, [](float v) { return sigmoid(v); });
    case Tanh: return map(x, [](float v) { return tanhf(v); });
    case ReLU: return map(x, [](float v) { return leaky(v, 0); });
    case LeakyReLU: return map(x, [=](float v) { return leaky(v, a.alpha); });
    case ELU: return map(x, [=](float v) { return !(v <= 0) ? v : a.alpha * expm1f(v); });
  }
  return x;
}

__device__ inline float activate(Activation a, float x) { return activate(a, Vector<float, 1>{{x}})[0]; }

// activationDerivative is σ′ of W elements, from the activation's outputs y.
template <int W>
__device__ inline Vector<float, W> activationDerivative(Activation a, const Vector<float, W>& y) {
  switch (a.function) {
    case Sigmoid: return map(y, [](float v) { return v * (1 - v); });
    case Tanh: return map(y, [](float v) { return 1 - v * v; });
    case ReLU: return map(y, [](float v) { return v > 0 ? 1.0f : 0.0f; });
    case LeakyReLU: return map(y, [=](float v) { return v > 0 ? 1 : a.alpha; });
    case ELU: return map(y, [=](float v) { return v > 0 ? 1 : v + a.alpha; });
  }
  return map(y, [](float) { return 1.0f; });
}

__device__ inline float activationDerivative(Activation a, float y) { return activationDerivative(a, Vector<float, 1>{{y}})[0]; }
