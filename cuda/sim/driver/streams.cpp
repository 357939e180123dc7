// Streams and events. A query runs one piece of work and answers from before it, so that polling makes progress and an early answer
// is never "done" by luck.
#include <chrono>

#include "api.h"

using namespace sim;

namespace {

double milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

CUresult query(Context& c, const Clock& clock) {
  if (c.complete(clock)) return CUDA_SUCCESS;
  c.step(clock);
  return CUDA_ERROR_NOT_READY;
}

CUresult create(CUstream* handle, unsigned flags) {
  return inContext([&](Context& c) {
    if (flags & ~unsigned(CU_STREAM_NON_BLOCKING)) return CUDA_ERROR_INVALID_VALUE;
    auto s = std::make_unique<Stream>();
    s->id = c.newStreamId();
    s->blocking = flags != CU_STREAM_NON_BLOCKING;
    *handle = reinterpret_cast<CUstream>(s.get());
    c.streams[*handle] = std::move(s);
    return CUDA_SUCCESS;
  });
}

}  // namespace

CUresult cuStreamCreate(CUstream* handle, unsigned int flags) { return create(handle, flags); }

CUresult cuStreamCreateWithPriority(CUstream* handle, unsigned int flags, int) { return create(handle, flags); }

CUresult cuStreamDestroy(CUstream handle) {
  return call([&] {
    Context& c = driver().current();
    if (handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    c.stream(handle);
    c.abandon(handle);
    c.check();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return inContext([&](Context& c) {
    Clock clock = c.stream(handle).clock;
    if (handle == nullptr) {  // stream 0 is done when all blocking streams are
      for (auto& [h, s] : c.streams) {
        if (s->blocking) join(clock, s->clock);
      }
    }
    c.finish(clock);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return inContext([&](Context& c) { return query(c, c.stream(handle).clock); });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
  return inContext([&](Context& c) {
    join(c.stream(stream).clock, c.event(event).clock);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent* handle, unsigned int flags) {
  return inContext([&](Context& c) {
    if (flags & ~unsigned(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    auto e = std::make_unique<Event>();
    e->timing = !(flags & CU_EVENT_DISABLE_TIMING);
    *handle = reinterpret_cast<CUevent>(e.get());
    c.events[*handle] = std::move(e);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy(CUevent handle) {
  return call([&] {
    Context& c = driver().current();
    c.event(handle);
    c.events.erase(handle);
    c.check();
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent handle, CUstream stream) {
  return inContext([&](Context& c) {
    Event& e = c.event(handle);
    Stream& s = c.stream(stream);
    e.recorded = true;
    e.time = std::make_shared<double>(0);
    auto op = std::make_shared<Operation>();
    op->what = "event";
    op->run = [time = e.time](Operation&) { *time = milliseconds(); };
    c.enqueue(s, op);
    e.clock = op->clock;
    return CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return inContext([&](Context& c) {
    c.finish(Clock(c.event(handle).clock));
    return CUDA_SUCCESS;
  });
}

CUresult cuEventQuery(CUevent handle) {
  return inContext([&](Context& c) { return query(c, c.event(handle).clock); });
}

CUresult cuEventElapsedTime(float* ms, CUevent start, CUevent end) {
  return inContext([&](Context& c) {
    Event &a = c.event(start), &b = c.event(end);
    if (!a.timing || !b.timing || !a.recorded || !b.recorded) {
      throw Failure{CUDA_ERROR_INVALID_HANDLE, "an event was made without timing or never recorded"};
    }
    if (!c.complete(a.clock) || !c.complete(b.clock)) return CUDA_ERROR_NOT_READY;
    *ms = float(*b.time - *a.time);
    return CUDA_SUCCESS;
  });
}
