// The detector of races on the edges of what is one: each program is in order, or is not, for a reason of its own.
#include "harness.h"

using namespace vm;
using namespace vmtest;

namespace {

// program is a kernel of one parameter p, in %rd0, with its thread in %r0, its block in %r1, and shared memory s.
Fault run(const std::string& body, Dim3 grid, Dim3 block, uint64_t seed = 0) {
  Machine m(".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n"
            ".shared .align 16 .b8 s[4096];\n.reg .pred %p<8>;\n.reg .b16 %h<8>;\n.reg .b32 %r<16>;\n.reg .b64 %rd<8>;\n"
            "ld.param.u64 %rd0, [p];\nmov.u32 %r0, %tid.x;\nmov.u32 %r1, %ctaid.x;\nmov.u32 %r2, s;\n" +
            body + "\nret;\n}\n");
  if (m.loadFault) return m.loadFault;
  m.config.seed = seed;
  m.config.workers = 1;
  return m.launch("k", grid, block, m.upload(std::vector<uint32_t>(1024)));
}

}  // namespace

TEST(races_at_the_edges) {
  // Addresses: %r3 word of the thread in shared memory, %rd1 in global memory; %r4 of the thread's half-word, %rd2 likewise.
  const std::string own = "mad.lo.u32 %r3, %r0, 4, %r2;\nmad.wide.u32 %rd1, %r0, 4, %rd0;\nmad.lo.u32 %r4, %r0, 2, %r2;\nmad.wide.u32 %rd2, %r0, 2, %rd0;\n"
                          "mov.b16 %h0, 1;\n";
  const struct {
    const char* name;
    std::string body;
    Dim3 grid, block;
    FaultKind kind;
  } cases[] = {
      {"own words, read and written again", "ld.global.u32 %r5, [%rd1];\nst.global.u32 [%rd1], %r5;\nst.shared.u32 [%r3], %r5;\nst.shared.u32 [%r3], 1;\nld.shared.u32 %r5, [%r3];",
       {1, 1, 1}, {64, 1, 1}, FaultKind::None},
      {"halves of one word", "st.shared.u16 [%r4], %h0;\nld.shared.u16 %h1, [%r4];\nst.global.u16 [%rd2], %h0;\nld.global.u16 %h1, [%rd2];\nst.global.u16 [%rd2], %h1;",
       {1, 1, 1}, {64, 1, 1}, FaultKind::None},
      {"a half and the word", "st.shared.u16 [%r4], %h0;\nld.shared.u32 %r5, [%r2];", {1, 1, 1}, {2, 1, 1}, FaultKind::RaceShared},
      {"a half and the word, global", "st.global.u16 [%rd2], %h0;\nld.global.u32 %r5, [%rd0];", {1, 1, 1}, {2, 1, 1}, FaultKind::RaceGlobal},
      {"all read, one writes", "ld.global.u32 %r5, [%rd0];\nsetp.eq.u32 %p0, %r0, 0;\n@%p0 st.global.u32 [%rd0], 1;", {1, 1, 1}, {64, 1, 1}, FaultKind::RaceGlobal},
      {"the same with a barrier", "ld.global.u32 %r5, [%rd0];\nbar.sync 0;\nsetp.eq.u32 %p0, %r0, 0;\n@%p0 st.global.u32 [%rd0], 1;", {1, 1, 1}, {64, 1, 1}, FaultKind::None},
      {"other blocks read what one writes", "ld.global.u32 %r5, [%rd0];\nbar.sync 0;\nsetp.eq.u32 %p0, %r0, 0;\nsetp.eq.and.u32 %p0, %r1, 2, %p0;\n@%p0 st.global.u32 [%rd0], 1;",
       {3, 1, 1}, {64, 1, 1}, FaultKind::RaceGlobal},
      {"a warp in order by bar.warp.sync", "st.shared.u32 [%r3], %r0;\nbar.warp.sync -1;\nxor.b32 %r6, %r3, 4;\nld.shared.u32 %r5, [%r6];", {1, 1, 1}, {32, 1, 1}, FaultKind::None},
      {"a shuffle orders no memory", "st.shared.u32 [%r3], %r0;\nshfl.sync.bfly.b32 %r7, %r0, 1, 31, -1;\nxor.b32 %r6, %r3, 4;\nld.shared.u32 %r5, [%r6];",
       {1, 1, 1}, {32, 1, 1}, FaultKind::RaceShared},
      {"bar.warp.sync does not order warps", "st.shared.u32 [%r3], 0;\nbar.sync 0;\nst.shared.u32 [%r3], %r0;\nbar.warp.sync -1;\nxor.b32 %r6, %r3, 128;\nsetp.gt.u32 %p0, %r0, 31;\n@%p0 ld.shared.u32 %r5, [%r6];",
       {1, 1, 1}, {64, 1, 1}, FaultKind::RaceShared},
      {"atomics do not race", "atom.shared.exch.b32 %r5, [%r2], %r0;", {1, 1, 1}, {1, 1, 1}, FaultKind::Uninitialised},
      {"atomics do not race, global", "red.global.add.u32 [%rd0], 1;", {4, 1, 1}, {64, 1, 1}, FaultKind::None},
      {"an atomic and a plain read", "red.global.add.u32 [%rd0], 1;\nld.global.u32 %r5, [%rd0];", {2, 1, 1}, {32, 1, 1}, FaultKind::RaceGlobal},
      {"vectors that overlap", "st.shared.v4.u32 [%r2], {%r0, %r0, %r0, %r0};", {1, 1, 1}, {2, 1, 1}, FaultKind::RaceShared},
      {"blocks write next to each other", "mad.lo.u32 %r5, %r1, 33, %r0;\nmad.wide.u32 %rd3, %r5, 4, %rd0;\nst.global.u32 [%rd3], 1;", {5, 1, 1}, {33, 1, 1}, FaultKind::None},
      {"blocks overlap by one word", "mad.lo.u32 %r5, %r1, 32, %r0;\nmad.wide.u32 %rd3, %r5, 4, %rd0;\nst.global.u32 [%rd3], 1;", {5, 1, 1}, {33, 1, 1}, FaultKind::RaceGlobal},
  };
  for (const auto& c : cases) {
    for (uint64_t seed = 0; seed < 3; seed++) {
      Fault f = run(own + c.body, c.grid, c.block, seed);
      CHECK(f.kind == c.kind, std::string(c.name) + ": " + f.text());
    }
  }
}

TEST(races_leave_no_trace_in_the_next_launch) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int n = 1000;
  Address x = m.upload(std::vector<float>(size_t(n), 1)), y = m.upload(std::vector<float>(size_t(n), 1));
  // More launches than there are generations, each by other warps.
  for (int i = 0; i < 600; i++) {
    Fault f = m.launch("saxpy", {i % 2 ? 8u : 16u, 1, 1}, {i % 2 ? 128u : 64u, 1, 1}, i % 3 ? x : y, i % 3 ? y : x, 1e-3f, n);
    REQUIRE(!f, std::to_string(i) + ": " + f.text());
  }
}

TEST(control_indexed_branches) {
  Machine m(".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 y, .param .u32 last)\n{\n"
            ".reg .pred %p<2>;\n.reg .b32 %r<8>;\n.reg .b64 %rd<4>;\nld.param.u64 %rd0, [y];\nld.param.u32 %r5, [last];\nmov.u32 %r0, %tid.x;\n"
            "mad.wide.u32 %rd1, %r0, 4, %rd0;\nrem.u32 %r1, %r0, %r5;\nts: .branchtargets A, B, C;\nbrx.idx %r1, ts;\n"
            "A: mov.u32 %r2, 10;\nbra E;\nB: add.u32 %r2, %r0, 100;\nbra E;\nC: mul.lo.u32 %r2, %r0, 3;\n"
            "E: shfl.sync.bfly.b32 %r3, %r2, 1, 31, -1;\nadd.u32 %r3, %r3, %r2;\nst.global.u32 [%rd1], %r3;\nret;\n}\n");
  REQUIRE(!m.loadFault, m.loadFault.text());
  Address y = m.allocate(128);
  for (uint64_t seed = 0; seed < 3; seed++) {
    m.config.seed = seed;
    Fault f = m.launch("k", {1, 1, 1}, {32, 1, 1}, y, 3u);
    REQUIRE(!f, f.text());
    auto got = m.download<uint32_t>(y, 32);
    auto value = [](uint32_t i) { return i % 3 == 0 ? 10 : i % 3 == 1 ? i + 100 : i * 3; };
    for (uint32_t i = 0; i < 32; i++) CHECK(got[i] == value(i) + value(i ^ 1), std::to_string(got[i]));
  }
  CHECK(m.launch("k", {1, 1, 1}, {32, 1, 1}, y, 4u).kind == FaultKind::InvalidOperation, "an index past the list");
}
