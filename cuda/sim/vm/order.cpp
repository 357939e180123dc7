#include "order.h"

#include "block.h"

namespace vm {

void acquireAt(Warp& w, const Request& q, Order order) {
  Block& b = w.block();
  Clocks& c = b.clocks[w.index()];
  Knowledge seen;
  bool any = false;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) any |= b.grid().sync.acquire(q.address[__builtin_ctz(lanes)], seen);
  if (!any) return;
  if (order == Order::Acquire) b.acquire(w.index(), seen);
  else joinKnowledge(c.pending, seen);
}

void releaseAt(Warp& w, const Request& q, Order order) {
  Block& b = w.block();
  Clocks& c = b.clocks[w.index()];
  bool releases = order == Order::Release;
  if (!releases && !c.fenced) return;
  const Knowledge k = releases ? b.knowledge(w.index()) : c.released;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) b.grid().sync.release(q.address[__builtin_ctz(lanes)], k);
  if (releases) b.tick(w.index());
}

void fence(Warp& w) {
  Block& b = w.block();
  Clocks& c = b.clocks[w.index()];
  if (!c.pending.empty()) {
    Knowledge seen;
    seen.swap(c.pending);
    b.acquire(w.index(), seen);
  }
  c.released = b.knowledge(w.index());
  c.fenced = true;
  b.tick(w.index());
}

}  // namespace vm
