#pragma once

#include "state.h"

namespace sim {

struct Geometry {
  vm::Dim3 grid, block;
  uint32_t shared;
};

// kernelWork checks a launch as the driver does at the call, and copies its arguments.
KernelWork kernelWork(Context& c, CUfunction function, const Geometry& g, void** parameters, void** extra);

}  // namespace sim
