// The adjoint of im2col, in gather form: a pixel of DX adds up what the windows hold that it
// lies in, and the epilogue of an input gradient.
//
//   g[n,h,w,g·C/G + c] = Σ columns[n,y,x,g,i,j,c]  over all y, x, i, j with
//                        y·StrideH + i·DilationH − PadTop = h and x·StrideW + j·DilationW − PadLeft = w
//   DX = (g + addend)·σ′(output)
//
// columns is laid out as in im2col.cu. Geometry: one thread an element of DX,
// ⌈elements/im2colThreads⌉ blocks. Deterministic: one thread adds, by ascending i and j.
#include "epilogue.cuh"
#include "im2col.cuh"

extern "C" __global__ void __launch_bounds__(im2colThreads) col2im(float* dx, const float* columns, Im2colGeometry g, GradEpilogue e) {
  unsigned element = blockIdx.x * im2colThreads + threadIdx.x;
  if (element >= g.elements) return;
  unsigned channel = element;
  unsigned group = split(channel, g.depth);
  unsigned w = split(group, g.groups);
  unsigned h = split(w, g.imageX);
  unsigned image = split(h, g.imageY);
  float sum = 0;
  for (int i = 0; i < g.kernelY.divisor; i++) {
    int y = (int)h + g.padY - i * g.dilationY;
    if (y < 0 || y % g.strideY != 0) continue;
    y /= g.strideY;
    if (y >= g.outY.divisor) continue;
    for (int j = 0; j < g.kernelX.divisor; j++) {
      int x = (int)w + g.padX - j * g.dilationX;
      if (x < 0 || x % g.strideX != 0) continue;
      x /= g.strideX;
      if (x >= g.outX.divisor) continue;
      unsigned pixel = (image * g.outY.divisor + y) * g.outX.divisor + x;
      unsigned tap = ((pixel * g.groups.divisor + group) * g.kernelY.divisor + i) * g.kernelX.divisor + j;
      sum += __ldg(columns + (tap * g.depth.divisor + channel));
    }
  }
  dx[element] = finish(e, sum, element);
}
