// The convolution as a matrix product without the matrix: loaders (gemm.cuh) that gather
// the pixels under a window, for the convolution and its gradients alike.
//
// A pixel of the result at (a, b), under tap (i, j) of the filter, takes the pixel
//
//   y = origin + a·slope + i·delta
//
// of the picture that is gathered from, and likewise x (TapAxis). For the convolution origin =
// −pad, slope = stride, delta = dilation. For its input gradient the result is split into
// stride·stride phases, each a convolution of its own: its pixels are stride apart, and so
// the same taps of the filter meet them, every stride-th if the dilation is 1.
#pragma once

#include "gemm.cuh"

// ConvAxis is the geometry along one axis. image and out are extents of X and Y; phases
// and extents are about the result: X in the input gradient, Y in the convolution.
struct ConvAxis {
  int image, out, kernel, stride, dilation, pad;
  Divisor phases;   // 1, except in the input gradient: min(stride, image)
  Divisor extents;  // pixels of the result in a phase: of the first ones,
  Divisor shorter;  // and of those from long on, one less
  int longer;       // phases that have `extents` pixels
};

// ConvGeometry is that of a convolution or of its gradients.
struct ConvGeometry {
  ConvAxis y, x;
  int images;
  int channels, filters;  // of X, of Y
  Divisor depth, width;   // channels in a group: of X, of Y
  // The product: rows and depth of the first phase, which has most.
  int rows, columns, sums;
  int slice;          // products in a slice of the sum
  long long partial;  // from one slice's results to the next
  Divisor rowTiles, columnTiles;
};

// TapAxis is how pixels of the result meet pixels of the picture gathered from, along one
// axis, in one phase.
struct TapAxis {
  int first, step, taps;  // first tap of the filter, distance of the next, number
  int origin, slope, delta;
  int place, pace;  // pixel a of the phase is pixel place + a·pace of the result
  Divisor extent;   // pixels of the phase
  int source;       // extent of the picture gathered from

  // forward is the axis of the convolution.
  __device__ static TapAxis forward(const ConvAxis& c) {
    return {0, 1, c.kernel, -c.pad, c.stride, c.dilation, 0, 1, c.extents, c.image};
  }

  // backward is the axis of phase p of the input gradient: pixel p + a·stride meets the taps
  // i with i·dilation ≡ p + pad modulo stride; they are stride/gcd(stride, dilation) apart.
  __device__ static TapAxis backward(const ConvAxis& c, int p) {
    int step = c.stride, common = c.dilation;
    while (common % step != 0) {  // Euclid
      int rest = common % step;
      common = step;
      step = rest;
    }
    common = step;
    step = c.stride / common;
    int first = 0;
    while (first < c.kernel && first < step && (p + c.pad - first * c.dilation) % c.stride != 0) first++;
    TapAxis a;
    a.first = first, a.step = step;
    a.taps = first < min(step, c.kernel) ? (c.kernel - first + step - 1) / step : 0;
    a.origin = (p + c.pad - first * c.dilation) / c.stride;
    a.slope = 1, a.delta = -(c.dilation / common);
    a.place = p, a.pace = c.stride;
    a.extent = p < c.longer ? c.extents : c.shorter;
    a.source = c.out;
    return a;
  }
};

// Odometer counts elements of three nested loops, low fastest, in equal steps.
struct Odometer {
  int low, middle, high;
  int lowRadix, middleRadix;
  int lowStep, middleStep, highStep;

  __device__ void advance() {
    low += lowStep;
    int carry = low >= lowRadix;
    low -= carry ? lowRadix : 0;
    middle += middleStep + carry;
    carry = middle >= middleRadix;
    middle -= carry ? middleRadix : 0;
    high += highStep + carry;
  }
};

// taps is an odometer over the filter, [taps of y][taps of x][depth], at element k.
__device__ inline Odometer taps(unsigned k, unsigned step, const Divisor& depth, unsigned across) {
  if (across == 0) across = 1;
  Odometer o;
  unsigned q = split(k, depth);
  o.low = k, o.high = q / across, o.middle = q % across;
  q = split(step, depth);
  o.lowStep = step, o.highStep = q / across, o.middleStep = q % across;
  o.lowRadix = depth.divisor, o.middleRadix = across;
  return o;
}

// WindowRows is the loader of the im2col matrix's rows: row m is a pixel of the result, k runs
// over taps and channels. picture has `channels` channels a pixel, of which the group's are
// `depth` from firstChannel on. With W = 4 both are multiples of 4.
template <class T, int W>
struct WindowRows {
  using L = Lanes<T, T::rows, W>;
  using Lane = typename L::AlongDepth;
  static constexpr int stride = T::rows + 4;

  const float* picture;
  const TapAxis &ay, &ax;
  unsigned base[L::loads];  // index of the pixel under tap (0, 0)
  int y[L::loads], x[L::loads];
  unsigned rowPitch, columnPitch;  // from one tap to the next
  Odometer tap;
  int k, end;
  Vector<float, W> v[T::octets][L::loads];

  __device__ WindowRows(const float* picture, const TapAxis& ay, const TapAxis& ax, unsigned channels, unsigned firstChannel, const Divisor& depth,
                        unsigned firstRow, unsigned rows, SumSlice slice)
      : picture(picture), ay(ay), ax(ax), end(slice.end) {
#pragma unroll
    for (int i = 0; i < L::loads; i++) {
      unsigned b = firstRow + Lane::row() + i * Lane::rowStep;
      bool inside = L::active() && b < rows;
      unsigned a = split(b, ax.extent);
      unsigned image = split(a, ay.extent);
      y[i] = inside ? ay.origin + (int)a * ay.slope : -(1 << 30);  // outside, under every tap
      x[i] = ax.origin + (int)b * ax.slope;
      base[i] = ((image * ay.source + y[i]) * ax.source + x[i]) * channels + firstChannel;
    }
    rowPitch = (unsigned)ay.delta * ax.source * channels;
    columnPitch = (unsigned)ax.delta * channels;
    k = slice.begin + Lane::k();
    tap = taps(k, octet, depth, ax.taps);
  }

  __device__ void fetch() {
#pragma unroll
    for (int o = 0; o < T::octets; o++) {
      unsigned offset = tap.high * rowPitch + tap.middle * columnPitch + tap.low;
      int dy = tap.high * ay.delta, dx = tap.middle * ax.delta;
#pragma unroll
      for (int i = 0; i < L::loads; i++) {
        bool inside = k < end && (unsigned)(y[i] + dy) < ay.source && (unsigned)(x[i] + dx) < ax.source;
        v[o][i] = inside ? readOnly<W>(picture + (base[i] + offset)) : Vector<float, W>{};
      }
      tap.advance();
      k += octet;
    }
  }

  __device__ void put(float* s) const {
    if (!L::active()) return;
    s += Lane::k() * stride + Lane::row();
#pragma unroll
    for (int o = 0; o < T::octets; o++)
#pragma unroll
      for (int i = 0; i < L::loads; i++) putAlongDepth<W>(s + o * octet * stride + i * Lane::rowStep, stride, v[o][i]);
  }
};
