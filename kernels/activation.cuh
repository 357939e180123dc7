// Element-wise activations and their derivatives, for kernels that fuse them. The
// definitions are those of backend/func.go, whose numbers Func repeats.
#pragma once

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

// activate is σ(x). All threads of a warp should have the same a.
__device__ inline float activate(Activation a, float x) {
  switch (a.function) {
    case Sigmoid: return sigmoid(x);
    case Tanh: return tanhf(x);
    case ReLU: return leaky(x, 0);
    case LeakyReLU: return leaky(x, a.alpha);
    case ELU: return !(x <= 0) ? x : a.alpha * expm1f(x);
  }
  return x;
}

// activationDerivative is σ′ from the activation's output y.
__device__ inline float activationDerivative(Activation a, float y) {
  switch (a.function) {
    case Sigmoid: return y * (1 - y);
    case Tanh: return 1 - y * y;
    case ReLU: return y > 0 ? 1 : 0;
    case LeakyReLU: return y > 0 ? 1 : a.alpha;
    case ELU: return y > 0 ? 1 : y + a.alpha;
  }
  return 1;
}
