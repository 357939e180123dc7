// Changes the size of images, and its adjoint.
//
//   y[n, i, j, c] = Σ weight(i, h)·weight(j, w)·x[n, h, w, c]                       resize
//   dx[n, h, w, c] = (g + addend)·σ′(output), g = Σ weight(i, h)·weight(j, w)·dy[n, i, j, c]   resizeGrad
//
//   x, dx [N, H, W, C]; y, dy [N, OH, OW, C]; weights as backend.ResizeTaps has them
//
// Geometry: that of elementwise (vector.cuh) over the result; with vector set C is a
// multiple of 4. Deterministic: each element is made by one thread, which adds in
// row-major order.
#include "epilogue.cuh"
#include "index.cuh"

// The numbers of backend.ResizeMode.
enum ResizeMode : int { Nearest, Bilinear, Area };

struct Resizing {
  int mode;
  int height, width;              // of the images x
  int outHeight, outWidth;        // of the images y
  Divisor rows, columns, channels;  // of the result: x or y
};

// Axis is one direction of resizing: from `in` pixels to `out`. Weights are quotients of
// whole numbers below 2³¹, since both are below 2¹⁵, and so they are exact but for the
// rounding of the quotient.
struct Axis {
  int mode, in, out;

  // weight is the share of source pixel s in target pixel i; 0 if it has none.
  __device__ float weight(int i, int s) const {
    if (mode == Nearest) return i * in / out == s ? 1 : 0;
    if (mode == Bilinear) {
      // In units of 1/(2·out) of a pixel.
      int at = min(max((2 * i + 1) * in - out, 0), (in - 1) * 2 * out);
      int low = at / (2 * out), rest = at - low * 2 * out;
      int share = s == low ? 2 * out - rest : s == low + 1 ? rest : 0;
      return (float)share / (float)(2 * out);
    }
    // In units of 1/out of a pixel.
    int share = min((s + 1) * out, (i + 1) * in) - max(s * out, i * in);
    return (float)max(share, 0) / (float)in;
  }

  // sources are the first and the last source pixel of target i.
  __device__ void sources(int i, int& first, int& last) const {
    if (mode == Nearest) {
      first = last = i * in / out;
    } else if (mode == Bilinear) {
      int at = min(max((2 * i + 1) * in - out, 0), (in - 1) * 2 * out);
      first = at / (2 * out);
      last = min(first + 1, in - 1);
    } else {
      first = i * in / out;
      last = ((i + 1) * in - 1) / out;
    }
  }

  // targets are a stretch that holds all targets of source s.
  __device__ void targets(int s, int& first, int& last) const {
    if (mode == Bilinear) {
      first = s == 0 ? 0 : ((2 * s - 1) * out / in - 1) / 2;
      last = s == in - 1 ? out - 1 : (2 * s + 3) * out / in / 2;
    } else {
      first = s * out / in;
      last = ((s + 1) * out - 1) / in;
    }
    first = max(first, 0);
    last = min(last, out - 1);
  }
};

struct ResizeBody {
  float* y;
  const float* x;
  const Resizing& r;
  GradEpilogue epilogue;
  bool gradient;

  template <int W>
  __device__ void at(int element) const {
    unsigned c = element;
    unsigned column = split(c, r.channels);
    unsigned row = split(column, r.columns);
    unsigned n = split(row, r.rows);
    Axis down = {r.mode, r.height, r.outHeight}, across = {r.mode, r.width, r.outWidth};
    int top, bottom, left, right;
    if (gradient) {
      down.targets(row, top, bottom);
      across.targets(column, left, right);
    } else {
      down.sources(row, top, bottom);
      across.sources(column, left, right);
    }
    int height = gradient ? r.outHeight : r.height, width = gradient ? r.outWidth : r.width;
    Vector<float, W> sum = {};
#pragma unroll 1
    for (int i = top; i <= bottom; i++) {
      float vertical = gradient ? down.weight(i, row) : down.weight(row, i);
      if (vertical == 0) continue;
#pragma unroll 1
      for (int j = left; j <= right; j++) {
        float weight = vertical * (gradient ? across.weight(j, column) : across.weight(column, j));
        // What has no share has no influence, NaN included.
        if (weight == 0) continue;
        auto v = load<W>(x, ((n * height + i) * width + j) * r.channels.divisor + c);
#pragma unroll
        for (int k = 0; k < W; k++) sum[k] += weight * v[k];
      }
    }
    if (gradient) sum = finish(epilogue, sum, element);
    store(y, element, sum);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    resize(float* __restrict__ y, const float* __restrict__ x, int n, Resizing r, int vector) {
  elementwise(n, vector, ResizeBody{y, x, r, {}, false});
}

// dx may be the epilogue's arrays.
extern "C" __global__ void __launch_bounds__(elementThreads)
    resizeGrad(float* dx, const float* __restrict__ dy, int n, Resizing r, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, ResizeBody{dx, dy, r, epilogue, true});
}
