// What every function of the driver API here is wrapped in.
#pragma once

#include <mutex>
#include <new>

#include "state.h"

namespace sim {

// The functions of cuda.h that this library defines are what it exports; everything else is hidden. cuda/driver answers
// CUDA_ERROR_NOT_SUPPORTED for what is not here.

// call runs the body of a function under the lock of the driver and turns what it throws into the answer.
template <class F>
CUresult call(F body) {
  std::lock_guard<std::recursive_mutex> lock(driver().mutex);
  try {
    if (!driver().initialised) return CUDA_ERROR_NOT_INITIALIZED;
    CUresult answer = body();
    if (answer != CUDA_SUCCESS) driver().explain({answer, ""});
    return answer;
  } catch (const Failure& f) {
    driver().explain(f);
    return f.code;
  } catch (const std::bad_alloc&) {
    driver().explain({CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left"});
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
}

// inContext does the same with the current context, which must be alive and well.
template <class F>
CUresult inContext(F body) {
  return call([&] {
    Context& c = driver().current();
    c.check();
    return body(c);
  });
}

}  // namespace sim
