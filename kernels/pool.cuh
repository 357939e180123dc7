// The geometry of pooling: which pixels lie under a window, and which windows hold a
// pixel.
#pragma once

#include "index.cuh"

// Pooling describes a pooling to kernels. Padded images have fewer than 2³¹ rows and
// columns.
struct Pooling {
  int height, width;              // of the images
  int outHeight, outWidth;        // how many windows
  int kernelHeight, kernelWidth;
  Divisor down, across;           // strides
  Divisor dilationHeight, dilationWidth;
  int top, left;                  // padding
  Divisor rows, columns, channels;  // of the result
  float divisor;                  // of a mean; 0 is the number of real pixels under the window
};

// Place is an element of the result: image, row, column, channel.
struct Place {
  int n, i, j, c;

  __device__ Place(const Pooling& p, unsigned element) {
    unsigned column = split(element, p.channels);
    c = element;
    unsigned row = split(column, p.columns);
    j = column;
    n = split(row, p.rows);
    i = row;
  }
};

// Taps are the real pixels under a window, along one axis: `count` of them, from
// `first` on, in steps of the dilation.
struct Taps {
  int first, count;
};

// taps are those of a window that begins at start, which may lie before the image of
// `size` pixels; at least one of them is real.
__device__ inline Taps taps(int start, int kernel, Divisor dilation, int size) {
  int skipped = start < 0 ? divide(dilation.divisor - 1 - start, dilation) : 0;
  int end = min(kernel, (int)divide(size - 1 - start, dilation) + 1);
  return {start + skipped * (int)dilation.divisor, end - skipped};
}

__device__ inline Taps tapsDown(const Pooling& p, int row) {
  return taps(row * (int)p.down.divisor - p.top, p.kernelHeight, p.dilationHeight, p.height);
}

__device__ inline Taps tapsAcross(const Pooling& p, int column) {
  return taps(column * (int)p.across.divisor - p.left, p.kernelWidth, p.dilationWidth, p.width);
}

// Windows are those that a pixel may lie under, along one axis.
struct Windows {
  int first, end;
};

// windows are those of the pixel at position `at` of the padded image. With a dilation
// some of them step over it.
__device__ inline Windows windows(int at, int kernel, Divisor dilation, Divisor stride, int count) {
  int before = at - (kernel - 1) * (int)dilation.divisor;
  int first = before > 0 ? divide(before - 1, stride) + 1 : 0;
  return {first, min(count, (int)divide(at, stride) + 1)};
}

__device__ inline Windows windowsDown(const Pooling& p, int h) {
  return windows(h + p.top, p.kernelHeight, p.dilationHeight, p.down, p.outHeight);
}

__device__ inline Windows windowsAcross(const Pooling& p, int w) {
  return windows(w + p.left, p.kernelWidth, p.dilationWidth, p.across, p.outWidth);
}

// steppedOver tells whether a dilated window at a distance before a pixel has no tap
// there.
__device__ inline bool steppedOver(int distance, Divisor dilation) {
  return divide(distance, dilation) * dilation.divisor != distance;
}

constexpr int poolThreads = 256;

// PoolShare is a thread's part of a window that `lanes` threads share: threads lie along
// the channels first. It walks through every lanes-th real pixel in row-major order.
struct PoolShare {
  int lane, partner;  // partner is the distance of neighbouring lanes
  long long element;

  __device__ explicit PoolShare(int lanes) {
    partner = poolThreads / lanes;
    lane = threadIdx.x / partner;
    element = (long long)blockIdx.x * partner + (threadIdx.x & (partner - 1));
  }

  // each calls f(pixel, position in x) for the thread's pixels.
  template <class F>
  __device__ void each(const Pooling& p, int lanes, const F& f) const {
    Place at(p, (unsigned)element);
    Taps down = tapsDown(p, at.i), across = tapsAcross(p, at.j);
    int base = at.n * p.height * p.width;
    int i = lane / across.count, j = lane % across.count;
    int stepDown = lanes / across.count, stepAcross = lanes % across.count;
    while (i < down.count) {
      int pixel = (down.first + i * (int)p.dilationHeight.divisor) * p.width + across.first + j * (int)p.dilationWidth.divisor;
      f(pixel, (base + pixel) * (int)p.channels.divisor + at.c);
      i += stepDown;
      j += stepAcross;
      if (j >= across.count) {
        j -= across.count;
        i++;
      }
    }
  }
};
