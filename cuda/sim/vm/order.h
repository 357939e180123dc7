// Acquire and release through memory.
#pragma once

#include "access.h"

namespace vm {

enum class Order : uint8_t { Weak, Relaxed, Acquire, Release };

// acquireAt and releaseAt make an ordered access of a warp part of the order of its grid. Relaxed ones count together with fences.
void acquireAt(Warp& w, const Request& q, Order order);
void releaseAt(Warp& w, const Request& q, Order order);

// fence makes what atomics have seen since the last one known, and what is known releasable.
void fence(Warp& w);

}  // namespace vm
