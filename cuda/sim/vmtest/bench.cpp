// Speed with all checks on, in lane-instructions a second and core.
#include <time.h>

#include <cstdio>

#include "harness.h"

namespace vmtest {
namespace {

// The processor time of this thread, so that a busy machine does not count.
double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

std::string wanted;

template <class... A>
void measure(Machine& m, const char* kernel, vm::Dim3 grid, vm::Dim3 block, A... arguments) {
  if (std::string(kernel).find(wanted) == std::string::npos) return;
  m.config.workers = 1;
  double best = 0;
  for (int i = 0; i < 5; i++) {
    double start = now();
    vm::Fault f = m.launch(kernel, grid, block, arguments...);
    double seconds = now() - start;
    if (f) return fail(__FILE__, __LINE__, f.text());
    best = std::max(best, double(m.counters.laneInstructions) / seconds);
  }
  std::printf("%-12s %6.2f · 10⁹ lane-instructions/s and core (%llu)\n", kernel, best * 1e-9, static_cast<unsigned long long>(m.counters.laneInstructions));
}

}  // namespace

void bench(const std::string& filter) {
  wanted = filter;
  Machine m = Machine::fromTestdata("kernels.ptx");
  int n = 512, count = 1 << 20;
  vm::Address a = m.upload(std::vector<float>(size_t(n * n), 1)), b = m.upload(std::vector<float>(size_t(n * n), 1));
  vm::Address c = m.allocate(uint64_t(n * n * 4));
  measure(m, "matmul", {8, 8, 1}, {256, 1, 1}, c, a, b, n, n, n);
  vm::Address x = m.upload(std::vector<float>(size_t(count), 1)), y = m.upload(std::vector<float>(size_t(count), 1));
  measure(m, "saxpy", {uint32_t(count / 256), 1, 1}, {256, 1, 1}, y, x, 2.0f, count);
  measure(m, "transpose", {32, 32, 1}, {32, 8, 1}, y, x, 1024, 1024);
  vm::Address many = m.allocate(uint64_t(count) * 16);
  measure(m, "philox", {uint32_t(count / 256), 1, 1}, {256, 1, 1}, many, 1u, 2u, count);
  measure(m, "functions", {uint32_t(count / 8 / 256), 1, 1}, {256, 1, 1}, many, x, count / 8);
  measure(m, "softmax", {uint32_t(1024), 1, 1}, {256, 1, 1}, y, x, 8192, 32);
}

}  // namespace vmtest
