// The geometry of im2col and col2im, one thread an element.
#pragma once

#include "index.cuh"

constexpr int im2colThreads = 256;

// Im2colGeometry is that of a convolution. kernel, out and image are extents of the filters, of Y
// and of X; depth is the number of X's channels in a group.
struct Im2colGeometry {
  int elements;  // of the result
  Divisor depth, groups;
  Divisor kernelY, kernelX, outY, outX, imageY, imageX;
  int strideY, strideX, dilationY, dilationX, padY, padX;
};
