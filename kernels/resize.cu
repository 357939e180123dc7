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

// Axis is one direction of resizing: from `in` pixels to `out`. Both are below 2¹⁵, so
// that the products below are less than 2³¹.
struct Axis {
  int mode, in, out;

  // share is the part of source pixel s in target pixel i, of a whole of total().
  __device__ int share(int i, int s) const {
    int begin = i * in, end = begin + in;            // of the target, in units of 1/out of a pixel
    int left = s * out, right = left + out;          // of the source
    int centre = min(max(2 * begin + in - out, 0), (in - 1) * 2 * out);  // in units of 1/(2·out)
    int nearest = left <= begin && begin < right;
    int bilinear = 2 * out - abs(centre - 2 * left);
    int area = min(right, end) - max(left, begin);
    return max(mode == Nearest ? nearest : mode == Bilinear ? bilinear : area, 0);
  }

  __device__ int total() const { return mode == Nearest ? 1 : mode == Bilinear ? 2 * out : in; }

  // sources are the first and the last source pixel of target i.
  __device__ void sources(int i, int& first, int& last) const {
    int centre = min(max((2 * i + 1) * in - out, 0), (in - 1) * 2 * out);
    first = (mode == Bilinear ? centre / 2 : i * in) / out;
    int end = ((i + 1) * in - 1) / out;
    last = mode == Nearest ? first : mode == Bilinear ? min(first + 1, in - 1) : end;
  }

  // targets are a stretch that holds all targets of source s.
  __device__ void targets(int s, int& first, int& last) const {
    bool wide = mode == Bilinear;
    first = max((wide ? 2 * s - 1 : s) * out / in, 0);
    last = (wide ? (2 * s + 3) * out : (s + 1) * out - 1) / in;
    if (wide) {
      first = s == 0 ? 0 : max(first - 1, 0) / 2;
      last = s == in - 1 ? out - 1 : last / 2;
    }
    last = min(last, out - 1);
  }
};

// quotient is a/b for 0 ≤ a ≤ b, with r = 1/b, within one ulp and exact where a = b:
// a division without the branches of one.
__device__ inline float quotient(float a, float b, float r) {
  float q = a * r;
  return fmaf(fmaf(-q, b, a), r, q);
}

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
    float whole = (float)down.total() * (float)across.total(), reciprocal = 1 / whole;
    Vector<float, W> sum = {};
#pragma unroll 1
    for (int i = top; i <= bottom; i++) {
      float vertical = gradient ? down.share(i, row) : down.share(row, i);
#pragma unroll 1
      for (int j = left; j <= right; j++) {
        float weight = quotient(vertical * (float)(gradient ? across.share(j, column) : across.share(column, j)), whole, reciprocal);
        // What has no share has no influence, NaN included.
        if (weight != 0) {
          auto v = load<W>(x, ((n * height + i) * width + j) * r.channels.divisor + c);
#pragma unroll
          for (int k = 0; k < W; k++) sum[k] += weight * v[k];
        }
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
