// Puts a border around images, and its adjoint.
//
//   y[n, i, j, c] = x[n, source(i), source(j), c]                          pad
//   dx[n, h, w, c] = (g + addend)·σ′(output), g = Σ dy[n, i, j, c] over     padGrad
//     all i, j whose source is h, w, in row-major order
//
//   x, dx [N, H, W, C]; y, dy [N, Top + H + Bottom, Left + W + Right, C]
//
// Geometry: that of elementwise (vector.cuh) over the result; with vector set C is a
// multiple of 4. Deterministic: each element is made by one thread, padGrad's by gathering
// the gradients of its copies in a fixed order.
#include "epilogue.cuh"
#include "index.cuh"

// The numbers of backend.PadMode.
enum PadMode : int { PadZeros, PadReflect, PadEdge };

struct Border {
  int height, width;              // of the images without border
  int top, bottom, left, right;   // pixels
  int mode;
  Divisor resultHeight, resultWidth, channels;  // of the result
};

// pixel takes an element of the result apart: i, j and c come back, the image n is
// returned.
__device__ inline int pixel(const Border& b, unsigned element, int& i, int& j, int& c) {
  unsigned across = split(element, b.channels);
  c = element;
  unsigned down = split(across, b.resultWidth);
  j = across;
  unsigned n = split(down, b.resultHeight);
  i = down;
  return n;
}

// source is the pixel of a row of n that lies at position i, counted from the first
// real one; −1 is a zero.
__device__ inline int source(int mode, int i, int n) {
  if (i >= 0 && i < n) return i;
  if (mode == PadZeros) return -1;
  if (mode == PadEdge) return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

struct PadBody {
  float* y;
  const float* x;
  const Border& b;

  template <int W>
  __device__ void at(int element) const {
    int i, j, c;
    int n = pixel(b, element, i, j, c);
    int h = source(b.mode, i - b.top, b.height), w = source(b.mode, j - b.left, b.width);
    Vector<float, W> v = {};
    if (h >= 0 && w >= 0) v = load<W>(x, ((n * b.height + h) * b.width + w) * b.channels.divisor + c);
    store(y, element, v);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    pad(float* __restrict__ y, const float* __restrict__ x, int n, Border b, int vector) {
  elementwise(n, vector, PadBody{y, x, b});
}

// Copies are the positions of the padded row at which a pixel lies, in ascending order.
struct Copies {
  int count;
  int first;       // of neighbours; in a reflected row the mirror image before, or −1
  int own, after;  // in a reflected row the pixel itself and the mirror image behind
  bool reflected;

  __device__ int at(int k) const {
    if (!reflected) return first + k;
    k += first < 0;
    return k == 0 ? first : k == 1 ? own : after;
  }
};

__device__ inline Copies copies(int mode, int at, int n, int before, int behind) {
  Copies c;
  c.reflected = mode == PadReflect;
  c.own = before + at;
  if (c.reflected) {
    c.first = at >= 1 ? before - at : -1;
    bool mirrored = at <= n - 2 && at >= n - 1 - behind;
    c.after = before + 2 * (n - 1) - at;
    c.count = 1 + (c.first >= 0) + mirrored;
  } else {
    bool edge = mode == PadEdge;
    c.first = edge && at == 0 ? 0 : c.own;
    c.count = (edge && at == n - 1 ? c.own + behind : c.own) - c.first + 1;
  }
  return c;
}

struct PadGradBody {
  float* dx;
  const float* dy;
  const Border& b;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int element) const {
    int h, w, c;
    int n = pixel(b, element, h, w, c);
    Copies down = copies(b.mode, h, b.height, b.top, b.bottom), across = copies(b.mode, w, b.width, b.left, b.right);
    int paddedHeight = b.top + b.height + b.bottom, paddedWidth = b.left + b.width + b.right;
    Vector<float, W> g = {};
#pragma unroll 1
    for (int p = 0; p < down.count; p++) {
      int line = (n * paddedHeight + down.at(p)) * paddedWidth;
#pragma unroll 1
      for (int q = 0; q < across.count; q++) {
        auto v = load<W>(dy, (line + across.at(q)) * b.channels.divisor + c);
#pragma unroll
        for (int k = 0; k < W; k++) g[k] += v[k];
      }
    }
    store(dx, element, finish(epilogue, g, element));
  }
};

// dx may be the epilogue's arrays.
extern "C" __global__ void __launch_bounds__(elementThreads)
    padGrad(float* dx, const float* __restrict__ dy, int n, Border b, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, PadGradBody{dx, dy, b, epilogue});
}
