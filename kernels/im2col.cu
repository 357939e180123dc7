// The im2col matrix of a batch of images, in memory: row p is a pixel of Y, and holds what
// lies under its window, one group after the other.
//
//   columns [P = N·OH·OW, G, KH, KW, C/G] = X[n, y·StrideH + i·DilationH − PadTop, x·StrideW + j·DilationW − PadLeft, g·C/G + c]
//
// Geometry: one thread an element, ⌈elements/im2colThreads⌉ blocks. Deterministic: nothing is added.
#include "im2col.cuh"

extern "C" __global__ void __launch_bounds__(im2colThreads) im2col(float* columns, const float* x, Im2colGeometry g) {
  unsigned e = blockIdx.x * im2colThreads + threadIdx.x;
  if (e >= g.elements) return;
  unsigned channel = e;
  unsigned j = split(channel, g.depth);
  unsigned i = split(j, g.kernelX);
  unsigned group = split(i, g.kernelY);
  unsigned px = split(group, g.groups);
  unsigned py = split(px, g.outX);
  unsigned image = split(py, g.outY);
  unsigned top = py * g.strideY + i * g.dilationY - g.padY, left = px * g.strideX + j * g.dilationX - g.padX;
  bool inside = top < g.imageY.divisor && left < g.imageX.divisor;
  unsigned index = (((image * g.imageY.divisor + top) * g.imageX.divisor + left) * g.groups.divisor + group) * g.depth.divisor + channel;
  columns[e] = inside ? __ldg(x + index) : 0;
}
