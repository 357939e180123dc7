// Control flow, synchronisation and memory spaces, each kernel with a result that plain host code can tell.

// Lanes leave a loop after different numbers of rounds, rejoin, and then need each other.
extern "C" __global__ void loops(int* y) {
  int lane = threadIdx.x, n = 0;
  for (int i = 0; i < lane; i++) {
    if (i % 3 == 0) continue;
    if (i == 20) break;
    n += i;
  }
  y[lane] = n + __shfl_xor_sync(0xffffffff, n, 1);
}

// A switch, dense enough for a table of branch targets.
extern "C" __global__ void choices(int* y, const int* x) {
  int v = x[threadIdx.x], r;
  switch (v) {
    case 0: r = 11; break;
    case 1: r = y[64] * 3; break;
    case 2: r = y[65] - 5; break;
    case 3: r = y[66] + v; break;
    case 4: r = y[64] ^ 77; break;
    case 5: r = y[65] / 3; break;
    case 6: r = -v; break;
    default: r = -1;
  }
  y[threadIdx.x] = r;
}

// Both sides of a branch meet in one shuffle.
extern "C" __global__ void meeting(int* y) {
  int v = threadIdx.x, r;
  if (threadIdx.x % 2 == 0) {
    v *= 10;
    asm volatile("shfl.sync.bfly.b32 %0, %1, 1, 31, -1;" : "=r"(r) : "r"(v));
    r += 1000;
  } else {
    v *= 100;
    asm volatile("shfl.sync.bfly.b32 %0, %1, 1, 31, -1;" : "=r"(r) : "r"(v));
    r += 2000;
  }
  y[threadIdx.x] = r;
}

// Half of a warp shuffles with a mask of its own.
extern "C" __global__ void halfWarp(int* y) {
  int v = threadIdx.x;
  if (threadIdx.x < 16)
    for (int o = 8; o > 0; o /= 2) v += __shfl_xor_sync(0xffff, v, o);
  y[threadIdx.x] = v;
}

// A spin lock inside a warp: lanes that wait must let the one inside go on.
extern "C" __global__ void lock(int* mutex, int* count) {
  while (atomicCAS(mutex, 0, 1) != 0) {
  }
  __threadfence();
  *count += 1;
  __threadfence();
  atomicExch(mutex, 0);
}

// Each block waits for the one before it, so that blocks hand on a value in order whatever order they start in.
extern "C" __global__ void chain(int* value, int* flag) {
  if (threadIdx.x != 0) return;
  while (atomicAdd(flag, 0) != blockIdx.x) {
  }
  __threadfence();
  *value = *value * 3 + blockIdx.x;
  __threadfence();
  atomicAdd(flag, 1);
}

// The same by acquire and release.
extern "C" __global__ void message(int* value, int* flag, int* y) {
  if (threadIdx.x != 0) return;
  if (blockIdx.x == 1) {
    *value = 42;
    asm volatile("st.release.gpu.global.u32 [%0], 1;" ::"l"(flag) : "memory");
  } else {
    int seen;
    do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(flag) : "memory");
    while (seen == 0);
    *y = *value;
  }
}

// Two warps hand a value to two others through barrier 1, and back through barrier 2.
extern "C" __global__ void namedBarriers(int* y) {
  __shared__ int s[64], t[64];
  int i = threadIdx.x;
  if (i < 64) {
    s[i] = i * 2;
    asm volatile("bar.arrive 1, 128;" ::: "memory");
    asm volatile("bar.sync 2, 128;" ::: "memory");
    y[i] = t[63 - i];
  } else {
    asm volatile("bar.sync 1, 128;" ::: "memory");
    t[i - 64] = s[127 - i] + 1;
    asm volatile("bar.arrive 2, 128;" ::: "memory");
  }
}

extern "C" __global__ void barrierVotes(int* y) {
  int i = threadIdx.x;
  int count = __syncthreads_count(i % 3 == 0), all = __syncthreads_and(i < 1000), any = __syncthreads_or(i == 5);
  y[i] = count * 4 + (all != 0) * 2 + (any != 0);
}

extern "C" __global__ void votes(unsigned* y) {
  int i = threadIdx.x;
  y[i] = __ballot_sync(0xffffffff, i % 5 == 0);
  y[32 + i] = __all_sync(0xffffffff, i < 32) * 2 + __any_sync(0xffffffff, i == 40);
  y[64 + i] = __match_any_sync(0xffffffff, i / 3);
  int all;
  y[96 + i] = __match_all_sync(0xffffffff, 7, &all) + all;
  y[128 + i] = i < 10 ? __activemask() : 0;
  y[160 + i] = __shfl_up_sync(0xffffffff, i, 3, 8);
  y[192 + i] = __shfl_down_sync(0xffffffff, i, 3, 8);
  y[224 + i] = __shfl_sync(0xffffffff, i, 5, 16);
}

extern "C" __global__ void atomics(int* y, unsigned* histogram) {
  __shared__ int s[4];
  int i = threadIdx.x + blockIdx.x * blockDim.x;
  if (threadIdx.x < 4) s[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&s[i % 4], i);
  atomicAdd(&histogram[i % 7], 1u);
  atomicMax(&y[0], i);
  atomicMin(&y[1], -i);
  atomicXor(&y[2], 1 << i % 32);
  atomicInc(&histogram[7], 9);
  __syncthreads();
  if (threadIdx.x < 4) atomicAdd(&y[4 + threadIdx.x], s[threadIdx.x]);
}

// Local memory, indexed by what the compiler cannot know.
extern "C" __global__ void local(int* y, int step) {
  int a[16];
  for (int i = 0; i < 16; i++) a[(i * step) % 16] = i * threadIdx.x;
  int sum = 0;
  for (int i = 0; i < 16; i++) sum += a[i] * (a[(i * step + 1) % 16] % 5);
  y[threadIdx.x] = sum;
}

__constant__ float weights[5] = {1, 2, 4, 8, 16};
__device__ int offset = 3;

// Generic addresses into global and shared memory, constants, a variable of the module, dynamic shared memory.
extern "C" __global__ void spaces(float* y, float* x, int pick) {
  extern __shared__ float dynamic[];
  __shared__ float fixed[32];
  int i = threadIdx.x;
  fixed[i] = i;
  dynamic[i] = 2 * i;
  __syncthreads();
  const float* p = i % 3 == 0 ? x : i % 3 == 1 ? fixed : dynamic;
  asm volatile("" : "+l"(p));
  y[i] = p[31 - i] + weights[i % 5] * offset + dynamic[(i + pick) % 32];
}

// Threads that have nothing to do leave early; nobody waits for them.
extern "C" __global__ void leavers(int* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  if (i % 7 == 3) {
    y[i] = -1;
    return;
  }
  int v = i;
  while (v % 2 == 0 && v > 0) v /= 2;
  y[i] = v;
}

// Neighbouring blocks write neighbouring bytes of one word.
extern "C" __global__ void bytes(unsigned char* y, unsigned short* z) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = i;
  z[i] = y[i] + 256;
}
