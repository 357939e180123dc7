// Floating-point instructions: edge values, NaN, zeros, overflow, rounding.
#include <cmath>

#include "harness.h"
#include "instruction.h"

using namespace vmtest;

TEST(float32_arithmetic) {
  const uint64_t one = f32(1), up = f32(1 + 0x1p-23f), half = f32(0x1p-24f);
  check({
      {"add.f32 $0, $1, $2;", "rrr", {{one, one, f32(2)}, {kInf, kMinusInf, kNaN}, {kSomeNaN, one, kNaN}, {one, half, one}, {kMinusZero, kMinusZero, kMinusZero}, {one, f32(-1), 0}, {kMaxFloat, kMaxFloat, kInf}, {kTiny, kTiny, 2}}},
      {"add.rz.f32 $0, $1, $2;", "rrr", {{one, f32(0x1.8p-24f), one}, {kMaxFloat, kMaxFloat, kMaxFloat}}},
      {"add.rp.f32 $0, $1, $2;", "rrr", {{one, half, up}, {one, f32(-1), 0}}},
      {"add.rm.f32 $0, $1, $2;", "rrr", {{one, f32(-0x1p-25f), f32(1 - 0x1p-24f)}, {one, f32(-1), kMinusZero}}},
      {"add.ftz.f32 $0, $1, $2;", "rrr", {{kTiny, one, one}, {0x80000001, kMinusZero, kMinusZero}, {f32(0x1.8p-126f), f32(-0x1p-126f), 0}}},
      {"add.sat.f32 $0, $1, $2;", "rrr", {{one, one, one}, {f32(-3), one, 0}, {kNaN, one, 0}, {f32(0.25f), f32(0.5f), f32(0.75f)}}},
      {"sub.f32 $0, $1, $2;", "rrr", {{kInf, kInf, kNaN}, {0, 0, 0}, {kMinusZero, 0, kMinusZero}}},
      {"mul.f32 $0, $1, $2;", "rrr", {{0, kInf, kNaN}, {kMinusZero, f32(5), kMinusZero}, {kMaxFloat, f32(2), kInf}, {kTiny, f32(0.5f), 0}}},
      {"mul.rn.f32 $0, $1, $2;", "rrr", {{f32(3), f32(7), f32(21)}}},
      {"mul.ftz.f32 $0, $1, $2;", "rrr", {{f32(0x1p-100f), f32(-0x1p-30f), kMinusZero}, {kTiny, kInf, kNaN}}},
      {"fma.rn.f32 $0, $1, $2, $3;", "rrrr", {{up, up, f32(-(1 + 0x1p-22f)), f32(0x1p-46f)}, {0, kInf, one, kNaN}, {kMaxFloat, f32(2), kMinusInf, kMinusInf}}},
      {"fma.rm.f32 $0, $1, $2, $3;", "rrrr", {{up, up, 0, f32(1 + 0x1p-22f)}, {one, f32(-1), half, f32(-(1 - 0x1p-24f))}, {f32(0.5f), f32(252), f32(12582913.f), f32(12583039.f)}}},
      {"fma.rz.f32 $0, $1, $2, $3;", "rrrr", {{up, up, 0, f32(1 + 0x1p-22f)}}},
      {"fma.rp.f32 $0, $1, $2, $3;", "rrrr", {{up, up, 0, f32(1 + 0x1.8p-22f)}}},
      {"fma.rn.ftz.sat.f32 $0, $1, $2, $3;", "rrrr", {{one, f32(2), one, one}, {kTiny, one, 0, 0}}},
      {"mad.rn.f32 $0, $1, $2, $3;", "rrrr", {{f32(2), f32(3), one, f32(7)}}},
      {"div.rn.f32 $0, $1, $2;", "rrr", {{one, f32(3), f32(1.0f / 3)}, {one, 0, kInf}, {one, kMinusZero, kMinusInf}, {0, 0, kNaN}, {kInf, kInf, kNaN}, {kTiny, f32(2), 0}}},
      {"div.rz.f32 $0, $1, $2;", "rrr", {{f32(2), f32(3), 0x3f2aaaaa}}},
      {"div.full.f32 $0, $1, $2;", "rrr", {{f32(6), f32(3), f32(2)}}},
      {"div.approx.f32 $0, $1, $2;", "rrr", {{f32(6), f32(3), f32(2)}, {one, f32(0x1p127f), 0}, {kInf, f32(0x1p127f), kNaN}}},
      {"abs.f32 $0, $1;", "rr", {{kMinusZero, 0}, {kMinusInf, kInf}, {f32(-2), f32(2)}}},
      {"neg.f32 $0, $1;", "rr", {{0, kMinusZero}, {kInf, kMinusInf}}},
      {"abs.ftz.f32 $0, $1;", "rr", {{0x80000005, 0}}},
      {"neg.ftz.f32 $0, $1;", "rr", {{5, kMinusZero}}},
      {"copysign.f32 $0, $1, $2;", "rrr", {{kMinusZero, f32(3), f32(-3)}, {0, f32(-3), f32(3)}}},
      {"min.f32 $0, $1, $2;", "rrr", {{0, kMinusZero, kMinusZero}, {kNaN, one, one}, {one, kSomeNaN, one}, {kNaN, kSomeNaN, kNaN}, {kMinusInf, one, kMinusInf}}},
      {"max.f32 $0, $1, $2;", "rrr", {{kMinusZero, 0, 0}, {kNaN, one, one}, {f32(-1), f32(-2), f32(-1)}}},
      {"max.NaN.f32 $0, $1, $2;", "rrr", {{kSomeNaN, one, kNaN}, {one, f32(2), f32(2)}}},
      {"min.ftz.f32 $0, $1, $2;", "rrr", {{kTiny, one, 0}}},
      {"testp.finite.f32 $0, $1;", "pr", {{one, 1}, {kInf, 0}, {kNaN, 0}}},
      {"testp.subnormal.f32 $0, $1;", "pr", {{kTiny, 1}, {one, 0}, {0, 0}}},
  });
}

TEST(float32_comparisons) {
  const uint64_t one = f32(1), two = f32(2);
  check({
      {"setp.eq.f32 $0, $1, $2;", "prr", {{0, kMinusZero, 1}, {kNaN, kNaN, 0}, {one, one, 1}}},
      {"setp.ne.f32 $0, $1, $2;", "prr", {{one, two, 1}, {kNaN, one, 0}}},
      {"setp.neu.f32 $0, $1, $2;", "prr", {{kNaN, one, 1}, {one, one, 0}}},
      {"setp.equ.f32 $0, $1, $2;", "prr", {{kNaN, one, 1}, {one, two, 0}}},
      {"setp.lt.f32 $0, $1, $2;", "prr", {{one, two, 1}, {kNaN, one, 0}, {kMinusZero, 0, 0}}},
      {"setp.ltu.f32 $0, $1, $2;", "prr", {{kNaN, one, 1}, {two, one, 0}}},
      {"setp.geu.f32 $0, $1, $2;", "prr", {{one, kNaN, 1}, {one, two, 0}}},
      {"setp.gt.ftz.f32 $0, $1, $2;", "prr", {{kTiny, 0, 0}, {one, 0, 1}}},
      {"setp.gt.f32 $0, $1, $2;", "prr", {{kTiny, 0, 1}}},
      {"setp.num.f32 $0, $1, $2;", "prr", {{one, kInf, 1}, {one, kNaN, 0}}},
      {"setp.nan.f32 $0, $1, $2;", "prr", {{one, kInf, 0}, {one, kNaN, 1}}},
      {"setp.le.f64 $0, $1, $2;", "pdd", {{f64(1), f64(1), 1}, {f64(NAN), f64(1), 0}}},
      {"set.lt.f32.f32 $0, $1, $2;", "rrr", {{one, two, 0x3f800000}, {two, one, 0}}},
      {"setp.lt.f16 $0, $1, $2;", "phh", {{0x3c00, 0x4000, 1}, {0x7e00, 0x3c00, 0}}},
      {"setp.gt.bf16 $0, $1, $2;", "phh", {{0x4000, 0x3f80, 1}}},
  });
}

TEST(float64_arithmetic) {
  check({
      {"add.f64 $0, $1, $2;", "ddd", {{f64(0.1), f64(0.2), f64(0.1 + 0.2)}, {f64(1), f64(0x1p-53), f64(1)}}},
      {"add.rp.f64 $0, $1, $2;", "ddd", {{f64(1), f64(0x1p-60), f64(1 + 0x1p-52)}}},
      {"mul.f64 $0, $1, $2;", "ddd", {{f64(3), f64(0.1), f64(3 * 0.1)}}},
      {"fma.rn.f64 $0, $1, $2, $3;", "dddd", {{f64(1 + 0x1p-52), f64(1 + 0x1p-52), f64(-1 - 0x1p-51), f64(0x1p-104)}}},
      {"div.rn.f64 $0, $1, $2;", "ddd", {{f64(1), f64(3), f64(1.0 / 3)}, {f64(1), f64(0), f64(INFINITY)}}},
      {"sqrt.rn.f64 $0, $1;", "dd", {{f64(2), f64(std::sqrt(2.0))}}},
      {"rcp.rn.f64 $0, $1;", "dd", {{f64(3), f64(1.0 / 3)}}},
      {"min.f64 $0, $1, $2;", "ddd", {{f64(0), f64(-0.0), f64(-0.0)}, {f64(1), f64(NAN), f64(1)}}},
      {"neg.f64 $0, $1;", "dd", {{f64(1), f64(-1)}}},
  });
}

TEST(special_functions) {
  check({
      {"sqrt.rn.f32 $0, $1;", "rr", {{f32(2), f32(std::sqrt(2.0f))}, {f32(-1), kNaN}, {kMinusZero, kMinusZero}, {kInf, kInf}, {kTiny, f32(std::sqrt(0x1p-149f))}}},
      {"sqrt.rm.f32 $0, $1;", "rr", {{f32(2), 0x3fb504f3}}},
      {"sqrt.rp.f32 $0, $1;", "rr", {{f32(2), 0x3fb504f4}}},
      {"rcp.rn.f32 $0, $1;", "rr", {{f32(3), f32(1.0f / 3)}, {0, kInf}, {kMinusInf, kMinusZero}}},
      {"rcp.approx.ftz.f32 $0, $1;", "rr", {{f32(4), f32(0.25f)}, {kTiny, kInf}, {0x80000001, kMinusInf}, {f32(0x1p127f), 0}}},
      {"rsqrt.approx.f32 $0, $1;", "rr", {{f32(4), f32(0.5f)}, {0, kInf}, {kMinusZero, kMinusInf}, {f32(-1), kNaN}, {kInf, 0}}},
      {"ex2.approx.f32 $0, $1;", "rr", {{0, f32(1)}, {f32(-3), f32(0.125f)}, {kInf, kInf}, {kMinusInf, 0}, {kNaN, kNaN}, {f32(128), kInf}, {f32(-149), kTiny}}},
      {"ex2.approx.ftz.f32 $0, $1;", "rr", {{f32(-127), 0}, {f32(-126), f32(0x1p-126f)}}},
      {"lg2.approx.f32 $0, $1;", "rr", {{f32(8), f32(3)}, {0, kMinusInf}, {kMinusZero, kMinusInf}, {f32(-1), kNaN}, {kInf, kInf}, {kTiny, f32(-149)}, {f32(1), 0}}},
      {"lg2.approx.ftz.f32 $0, $1;", "rr", {{kTiny, kMinusInf}}},
      {"sin.approx.f32 $0, $1;", "rr", {{0, 0}, {kMinusZero, kMinusZero}, {kInf, kNaN}}},
      {"cos.approx.f32 $0, $1;", "rr", {{0, f32(1)}, {kInf, kNaN}}},
      {"tanh.approx.f32 $0, $1;", "rr", {{0, 0}, {kMinusZero, kMinusZero}, {kInf, f32(1)}, {kMinusInf, f32(-1)}, {f32(30), f32(1)}}},
      {"ex2.approx.f16 $0, $1;", "hh", {{0x3c00, 0x4000}}},
      {"tanh.approx.bf16 $0, $1;", "hh", {{0x0000, 0x0000}}},
  });
}

TEST(half_arithmetic) {
  check({
      {"add.f16 $0, $1, $2;", "hhh", {{0x3c00, 0x3c00, 0x4000}, {0x7bff, 0x7bff, 0x7c00}, {0x7c00, 0xfc00, 0x7fff}, {0x0001, 0x0001, 0x0002}}},
      {"sub.f16 $0, $1, $2;", "hhh", {{0x4000, 0x3c00, 0x3c00}}},
      {"mul.f16 $0, $1, $2;", "hhh", {{0x4000, 0x4200, 0x4600}}},
      {"fma.rn.f16 $0, $1, $2, $3;", "hhhh", {{0x4000, 0x4200, 0x3c00, 0x4700}, {0x3c01, 0x3c01, 0xbc02, 0x0010}}},
      {"add.f16x2 $0, $1, $2;", "rrr", {{0x3c004000, 0x3c003c00, 0x40004200}}},
      {"fma.rn.f16x2 $0, $1, $2, $3;", "rrrr", {{0x40003c00, 0x40003c00, 0x3c003c00, 0x45004000}}},
      {"fma.rn.relu.f16 $0, $1, $2, $3;", "hhhh", {{0x3c00, 0xbc00, 0x0000, 0x0000}}},
      {"add.sat.f16 $0, $1, $2;", "hhh", {{0x3c00, 0x3c00, 0x3c00}, {0xbc00, 0x0000, 0x0000}}},
      {"neg.f16 $0, $1;", "hh", {{0x3c00, 0xbc00}}},
      {"abs.f16x2 $0, $1;", "rr", {{0xbc00c000, 0x3c004000}}},
      {"min.f16 $0, $1, $2;", "hhh", {{0x7e00, 0x3c00, 0x3c00}, {0x0000, 0x8000, 0x8000}}},
      {"max.NaN.f16 $0, $1, $2;", "hhh", {{0x7e00, 0x3c00, 0x7fff}}},
      {"fma.rn.bf16 $0, $1, $2, $3;", "hhhh", {{0x4000, 0x4040, 0x3f80, 0x40e0}, {0x3f81, 0x3f81, 0xbf82, 0x3880}}},
      {"fma.rn.bf16x2 $0, $1, $2, $3;", "rrrr", {{0x40003f80, 0x40003f80, 0x3f803f80, 0x40a04000}}},
      {"max.bf16x2 $0, $1, $2;", "rrr", {{0x3f804000, 0x40003f80, 0x40004000}}},
      {"neg.bf16 $0, $1;", "hh", {{0x3f80, 0xbf80}}},
  });
}

TEST(conversions) {
  check({
      {"cvt.u32.u16 $0, $1;", "rh", {{0xffff, 0xffff}}},
      {"cvt.s32.s16 $0, $1;", "rh", {{0x8000, 0xffff8000}}},
      {"cvt.s32.s8 $0, $1;", "rr", {{0x1280, 0xffffff80}}},
      {"cvt.u32.u8 $0, $1;", "rr", {{0x1280, 0x80}}},
      {"cvt.u16.u32 $0, $1;", "hr", {{0x12345678, 0x5678}}},
      {"cvt.s64.s32 $0, $1;", "dr", {{0xffffffff, ~0ull}}},
      {"cvt.u64.u32 $0, $1;", "dr", {{0xffffffff, 0xffffffff}}},
      {"cvt.u32.u64 $0, $1;", "rd", {{0x123456789ull, 0x23456789}}},
      {"cvt.sat.s8.s32 $0, $1;", "rr", {{300, 127}, {0xfffffed4, 0xffffff80}}},
      {"cvt.sat.u8.s32 $0, $1;", "rr", {{300, 255}, {0xffffffff, 0}}},
      {"cvt.rn.f32.s32 $0, $1;", "rr", {{0xffffffff, f32(-1)}, {0x7fffffff, f32(0x1p31f)}, {16777217, f32(16777216)}}},
      {"cvt.rn.f32.u32 $0, $1;", "rr", {{0xffffffff, f32(0x1p32f)}}},
      {"cvt.rz.f32.u32 $0, $1;", "rr", {{0xffffffff, 0x4f7fffff}}},
      {"cvt.rp.f32.s32 $0, $1;", "rr", {{16777217, f32(16777218)}}},
      {"cvt.rn.f32.u64 $0, $1;", "rd", {{~0ull, f32(0x1p64f)}}},
      {"cvt.rn.f64.s64 $0, $1;", "dd", {{~0ull, f64(-1)}}},
      {"cvt.rn.f64.u32 $0, $1;", "dr", {{0xffffffff, f64(4294967295.0)}}},
      {"cvt.rzi.s32.f32 $0, $1;", "rr", {{f32(-1.9f), 0xffffffff}, {kNaN, 0}, {kInf, 0x7fffffff}, {kMinusInf, 0x80000000}, {f32(3e9f), 0x7fffffff}}},
      {"cvt.rni.s32.f32 $0, $1;", "rr", {{f32(2.5f), 2}, {f32(3.5f), 4}, {f32(-0.5f), 0}, {kNaN, 0}}},
      {"cvt.rmi.s32.f32 $0, $1;", "rr", {{f32(-1.1f), 0xfffffffe}}},
      {"cvt.rpi.s32.f32 $0, $1;", "rr", {{f32(1.1f), 2}}},
      {"cvt.rzi.u32.f32 $0, $1;", "rr", {{f32(-1), 0}, {f32(4e9f), 4000000000ull}, {kInf, 0xffffffff}, {kNaN, 0}}},
      {"cvt.rzi.u64.f32 $0, $1;", "dr", {{kNaN, 1ull << 63}, {f32(0x1p63f), 1ull << 63}, {kInf, ~0ull}}},
      {"cvt.rzi.s64.f64 $0, $1;", "dd", {{f64(-2.5), ~0ull - 1}, {f64(NAN), 1ull << 63}}},
      {"cvt.rni.f32.f32 $0, $1;", "rr", {{f32(2.5f), f32(2)}, {f32(-0.25f), kMinusZero}}},
      {"cvt.rmi.f32.f32 $0, $1;", "rr", {{f32(-2.5f), f32(-3)}}},
      {"cvt.sat.f32.f32 $0, $1;", "rr", {{f32(3), f32(1)}, {kNaN, 0}, {f32(-1), 0}, {f32(0.5f), f32(0.5f)}}},
      {"cvt.ftz.f32.f32 $0, $1;", "rr", {{kTiny, 0}, {0x80000001, kMinusZero}, {f32(3), f32(3)}}},
      {"cvt.f64.f32 $0, $1;", "dr", {{f32(0.1f), f64(double(0.1f))}}},
      {"cvt.rn.f32.f64 $0, $1;", "rd", {{f64(0.1), f32(0.1f)}, {f64(1e300), kInf}}},
      {"cvt.rz.f32.f64 $0, $1;", "rd", {{f64(1 + 0x1.fp-24), f32(1)}, {f64(1e300), kMaxFloat}}},
      {"cvt.rp.f32.f64 $0, $1;", "rd", {{f64(1 + 0x1p-40), f32(1 + 0x1p-23f)}}},
      {"cvt.rn.f16.f32 $0, $1;", "hr", {{f32(1), 0x3c00}, {f32(65520), 0x7c00}, {kNaN, 0x7fff}, {f32(1 + 0x1p-11f), 0x3c00}, {f32(1 + 0x1.8p-10f), 0x3c02}}},
      {"cvt.rz.f16.f32 $0, $1;", "hr", {{f32(65520), 0x7bff}}},
      {"cvt.f32.f16 $0, $1;", "rh", {{0x3c00, f32(1)}, {0x0001, f32(0x1p-24f)}, {0x7c00, kInf}, {0x7e01, kNaN}}},
      {"cvt.rn.f16.s32 $0, $1;", "hr", {{2049, 0x6800}, {2051, 0x6802}, {0xffffffff, 0xbc00}}},
      {"cvt.rzi.s32.f16 $0, $1;", "rh", {{0xc100, 0xfffffffe}}},
      {"cvt.rn.bf16.f32 $0, $1;", "hr", {{f32(1), 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {kNaN, 0x7fff}, {kMaxFloat, 0x7f80}}},
      {"cvt.rz.bf16.f32 $0, $1;", "hr", {{0x3f80ffff, 0x3f80}}},
      {"cvt.rn.relu.bf16.f32 $0, $1;", "hr", {{f32(-1), 0}, {f32(2), 0x4000}}},
      {"cvt.f32.bf16 $0, $1;", "rh", {{0x4000, f32(2)}}},
      {"cvt.rn.f16x2.f32 $0, $1, $2;", "rrr", {{f32(2), f32(1), 0x40003c00}}},
      {"cvt.rn.bf16x2.f32 $0, $1, $2;", "rrr", {{f32(2), f32(1), 0x40003f80}}},
      {"cvt.rna.tf32.f32 $0, $1;", "rr", {{0x3f801000, 0x3f802000}, {0x3f800fff, 0x3f800000}, {0xbf801000, 0xbf802000}, {kInf, kInf}}},
  });
}

TEST(approximations_stay_within_the_documented_error) {
  struct {
    const char* op;
    double (*exact)(double);
    float from, to;
    double relative, absolute;
  } const functions[] = {
      {"ex2.approx.f32", [](double x) { return std::exp2(x); }, -100, 100, 0x1p-22, 0},
      {"lg2.approx.f32", [](double x) { return std::log2(x); }, 2, 1e6f, 0x1p-22, 0},
      {"lg2.approx.f32", [](double x) { return std::log2(x); }, 0.5f, 2, 0, 0x1p-22},
      {"rcp.approx.f32", [](double x) { return 1 / x; }, 1e-3f, 1e3f, 0x1p-23, 0},
      {"rsqrt.approx.f32", [](double x) { return 1 / std::sqrt(x); }, 1e-3f, 1e3f, 0x1p-22, 0},
      {"sqrt.approx.f32", [](double x) { return std::sqrt(x); }, 0, 1e3f, 0x1p-23, 0},
      {"sin.approx.f32", [](double x) { return std::sin(x); }, -3.14159f, 3.14159f, 0, 7e-7},
      {"cos.approx.f32", [](double x) { return std::cos(x); }, -3.14159f, 3.14159f, 0, 7e-7},
      {"tanh.approx.f32", [](double x) { return std::tanh(x); }, -5, 5, 0x1p-11, 0},
  };
  for (const auto& f : functions) {
    std::string ptx = ".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 y, .param .u64 x)\n{\n"
                      ".reg .b32 %r<3>;\n.reg .f32 %f<3>;\n.reg .b64 %rd<3>;\nld.param.u64 %rd0, [y];\nld.param.u64 %rd1, [x];\n"
                      "mov.u32 %r0, %tid.x;\nmad.wide.u32 %rd0, %r0, 4, %rd0;\nmad.wide.u32 %rd1, %r0, 4, %rd1;\n"
                      "ld.global.f32 %f0, [%rd1];\n" + std::string(f.op) + " %f1, %f0;\nst.global.f32 [%rd0], %f1;\nret;\n}\n";
    Machine m(ptx);
    std::vector<float> x(1024);
    for (size_t i = 0; i < x.size(); i++) x[i] = f.from + (f.to - f.from) * float(i) / float(x.size() - 1);
    vm::Address dx = m.upload(x), dy = m.allocate(x.size() * 4);
    vm::Fault fault = m.launch("k", {1, 1, 1}, {1024, 1, 1}, dy, dx);
    REQUIRE(!fault, fault.text());
    auto y = m.download<float>(dy, x.size());
    for (size_t i = 0; i < x.size(); i++) {
      double want = f.exact(double(x[i])), error = std::fabs(y[i] - want);
      CHECK(error <= std::fabs(want) * f.relative + f.absolute, std::string(f.op) + " of " + std::to_string(x[i]));
    }
  }
}
