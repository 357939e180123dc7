// Instructions that the compiler does not choose by itself.
#pragma once

// storeShared writes four neighbours to shared memory at an address that is a multiple of 16
// bytes, in one instruction: the compiler takes some vector stores apart.
__device__ inline void storeShared(float* s, float a, float b, float c, float d) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"((unsigned)__cvta_generic_to_shared(s)), "f"(a), "f"(b), "f"(c), "f"(d) : "memory");
}
