// Handlers that the decoder and the launcher need by name.
#pragma once

#include "program.h"

namespace vm {

// joinHandler marks a place where diverged lanes may rejoin. It is no instruction of the PTX and is not counted.
void joinHandler(Warp& w, const Instr& in);
void exitHandler(Warp& w, const Instr& in);

// barrierResult writes the target of a bar.red once the barrier is complete: truths of the threads had a true predicate.
void barrierResult(Warp& w, const Instr& in, uint32_t lanes, uint32_t truths, uint32_t threads);

}  // namespace vm
