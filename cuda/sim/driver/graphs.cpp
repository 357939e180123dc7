#include <algorithm>
#include <numeric>
#include <random>

#include "api.h"
#include "launches.h"

using namespace sim;

namespace {

CUresult add(Context& c, CUgraphNode* handle, CUgraph graph, const CUgraphNode* after, size_t count, Work work) {
  Graph& g = c.graph(graph);
  auto node = std::make_unique<Node>();
  node->work = std::move(work);
  for (size_t i = 0; i < count; i++) {
    auto it = std::find_if(g.nodes.begin(), g.nodes.end(), [&](auto& n) { return reinterpret_cast<CUgraphNode>(n.get()) == after[i]; });
    if (it == g.nodes.end()) throw Failure{CUDA_ERROR_INVALID_VALUE, "a dependency is not a node of the graph"};
    size_t d = size_t(it - g.nodes.begin());
    if (std::count(node->after.begin(), node->after.end(), d)) throw Failure{CUDA_ERROR_INVALID_VALUE, "a dependency is named twice"};
    node->after.push_back(d);
  }
  *handle = reinterpret_cast<CUgraphNode>(node.get());
  g.nodes.push_back(std::move(node));
  return CUDA_SUCCESS;
}

void checkDevice(Context& c, CUdeviceptr address, uint64_t bytes) {
  if (vm::Fault f = c.memory.checkAccess(address, bytes, false)) throw Failure{CUDA_ERROR_INVALID_VALUE, "graph node: " + f.text()};
}

std::shared_ptr<Executable> instantiate(const Graph& g) {
  auto x = std::make_shared<Executable>();
  size_t n = g.nodes.size();
  x->before.assign(n, std::vector<bool>(n));
  x->branches.assign(n, false);
  for (size_t i = 0; i < n; i++) {
    x->nodes.push_back(*g.nodes[i]);
    for (size_t d : g.nodes[i]->after) {
      x->before[i][d] = true;
      for (size_t j = 0; j < d; j++) {
        if (x->before[d][j]) x->before[i][j] = true;
      }
    }
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < i; j++) {
      if (!x->before[i][j]) x->branches[i] = x->branches[j] = true;
    }
  }
  return x;
}

// order returns the nodes in an order that their dependencies permit: that of their making, or one that the seed chooses.
std::vector<size_t> order(const Executable& x) {
  std::vector<size_t> all(x.nodes.size());
  std::iota(all.begin(), all.end(), 0);
  uint64_t seed = driver().nextSeed();
  if (seed == 0) return all;
  std::mt19937_64 random(seed);
  std::vector<size_t> waiting(x.nodes.size());  // for how many others
  std::vector<std::vector<size_t>> next(x.nodes.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < x.nodes.size(); i++) {
    waiting[i] = x.nodes[i].after.size();
    for (size_t d : x.nodes[i].after) next[d].push_back(i);
    if (waiting[i] == 0) ready.push_back(i);
  }
  for (size_t& place : all) {
    std::swap(ready[random() % ready.size()], ready.back());
    place = ready.back();
    ready.pop_back();
    for (size_t i : next[place]) {
      if (--waiting[i] == 0) ready.push_back(i);
    }
  }
  return all;
}

void checkBranches(Context& c, const Executable& x, const std::vector<Accesses>& accesses) {
  for (size_t i = 0; i < x.nodes.size(); i++) {
    for (size_t j = 0; j < i; j++) {
      if (x.before[i][j]) continue;
      uint64_t at = conflict(accesses[i], accesses[j]);
      if (at == 0) continue;
      std::string where = c.host.pinned(reinterpret_cast<void*>(at), 1) ? "pinned memory" : c.memory.place(at);
      throw Failure{CUDA_ERROR_LAUNCH_FAILED, describe(x.nodes[j].work) + " (node " + std::to_string(j) + ") and " +
                                                  describe(x.nodes[i].work) + " (node " + std::to_string(i) +
                                                  "), which the graph does not order, touch the same memory and one writes: " + where};
    }
  }
}

void runGraph(Context& c, Executable& x, const std::vector<HostMemory::Watch>& watches, Operation& self) {
  bool first = !x.checked;
  x.checked = true;
  std::vector<Accesses> accesses(x.nodes.size());
  for (size_t i : order(x)) {
    const Work& work = x.nodes[i].work;
    if (watches[i] && !c.host.expected(watches[i])) {
      throw Failure{CUDA_ERROR_LAUNCH_FAILED, describe(work) + " in a graph: the host wrote to the pinned memory before the copy had run"};
    }
    bool track = self.tracks() || (first && x.branches[i]);
    execute(c, work, track ? &accesses[i] : nullptr);
    if (self.tracks()) self.accesses.add(accesses[i]);
  }
  if (first) checkBranches(c, x, accesses);
}

}  // namespace

CUresult cuGraphCreate(CUgraph* handle, unsigned int flags) {
  return inContext([&](Context& c) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    auto g = std::make_unique<Graph>();
    *handle = reinterpret_cast<CUgraph>(g.get());
    c.graphs[*handle] = std::move(g);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphDestroy(CUgraph handle) {
  return call([&] {
    Context& c = driver().current();
    c.graph(handle);
    c.graphs.erase(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphAddKernelNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count, const CUDA_KERNEL_NODE_PARAMS* p) {
  return inContext([&](Context& c) {
    Geometry g{{p->gridDimX, p->gridDimY, p->gridDimZ}, {p->blockDimX, p->blockDimY, p->blockDimZ}, p->sharedMemBytes};
    return add(c, node, graph, after, count, kernelWork(c, p->func, g, p->kernelParams, p->extra));
  });
}

// Only copies of one row are known, of which host memory is pinned.
CUresult cuGraphAddMemcpyNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count, const CUDA_MEMCPY3D* p, CUcontext) {
  return inContext([&](Context& c) {
    if (p->Height != 1 || p->Depth != 1 || p->WidthInBytes == 0) return CUDA_ERROR_NOT_SUPPORTED;
    if (p->srcXInBytes || p->srcY || p->srcZ || p->dstXInBytes || p->dstY || p->dstZ) return CUDA_ERROR_NOT_SUPPORTED;
    CopyWork w;
    w.bytes = p->WidthInBytes;
    bool toDevice = p->dstMemoryType == CU_MEMORYTYPE_DEVICE, fromDevice = p->srcMemoryType == CU_MEMORYTYPE_DEVICE;
    if (toDevice) checkDevice(c, w.to = p->dstDevice, w.bytes);
    if (fromDevice) checkDevice(c, w.from = p->srcDevice, w.bytes);
    if (!toDevice || !fromDevice) {
      const void* host = toDevice ? p->srcHost : p->dstHost;
      CUmemorytype type = toDevice ? p->srcMemoryType : p->dstMemoryType;
      if (type != CU_MEMORYTYPE_HOST || (!toDevice && !fromDevice)) return CUDA_ERROR_NOT_SUPPORTED;
      if (!c.host.pinned(host, w.bytes)) throw Failure{CUDA_ERROR_INVALID_VALUE, "graph node: copy of memory that is not pinned"};
      w.host = static_cast<uint8_t*>(const_cast<void*>(host));
    } else if (w.to < w.from + w.bytes && w.from < w.to + w.bytes) {
      throw Failure{CUDA_ERROR_INVALID_VALUE, "graph node: source and target of a copy overlap"};
    }
    return add(c, node, graph, after, count, std::move(w));
  });
}

CUresult cuGraphAddMemsetNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count, const CUDA_MEMSET_NODE_PARAMS* p,
                              CUcontext) {
  return inContext([&](Context& c) {
    unsigned width = p->elementSize;
    if (p->height != 1) return CUDA_ERROR_NOT_SUPPORTED;
    if ((width != 1 && width != 2 && width != 4) || p->width == 0 || p->dst % width != 0) return CUDA_ERROR_INVALID_VALUE;
    checkDevice(c, p->dst, width * p->width);
    return add(c, node, graph, after, count, FillWork{p->dst, p->value, width, p->width});
  });
}

CUresult cuGraphAddEmptyNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count) {
  return inContext([&](Context& c) { return add(c, node, graph, after, count, std::monostate{}); });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* handle, CUgraph graph, unsigned long long flags) {
  return inContext([&](Context& c) {
    if (flags != 0) return CUDA_ERROR_NOT_SUPPORTED;
    if (driver().faults.strikes("graph")) throw Failure{CUDA_ERROR_OUT_OF_MEMORY, "FOVEA_SIM_FAULT=graph"};
    std::shared_ptr<Executable> x = instantiate(c.graph(graph));
    *handle = reinterpret_cast<CUgraphExec>(x.get());
    c.executables[*handle] = std::move(x);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecDestroy(CUgraphExec handle) {
  return call([&] {
    Context& c = driver().current();
    c.executable(handle);
    c.executables.erase(handle);  // launches that are queued hold it still
    c.check();
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
  return inContext([&](Context& c) {
    c.executable(handle);
    std::shared_ptr<Executable> x = c.executables[handle];
    Stream& s = c.stream(stream);
    if (driver().faults.strikes("launch")) throw Failure{CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "FOVEA_SIM_FAULT=launch"};
    std::vector<HostMemory::Watch> watches;
    for (const Node& n : x->nodes) watches.push_back(expect(c, n.work));
    auto op = std::make_shared<Operation>();
    op->what = "graph of " + std::to_string(x->nodes.size()) + " nodes";
    op->run = [&c, x, watches](Operation& self) { runGraph(c, *x, watches, self); };
    join(s.clock, x->last);
    c.enqueue(s, op);
    x->last = op->clock;
    return CUDA_SUCCESS;
  });
}
