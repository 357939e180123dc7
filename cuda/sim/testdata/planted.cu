// Bugs of every kind that the machine finds. The line where it must find one ends in the comment "fault".
extern "C" __global__ void outOfBounds(float* y, const float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i + 1];  // fault
}
extern "C" __global__ void overrun(float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = 1;  // fault
}
extern "C" __global__ void misaligned(float* y, const char* x) {
  y[threadIdx.x] = *(const float*)(x + threadIdx.x);  // fault
}
extern "C" __global__ void copy(float* y, const float* x) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];  // fault
}
extern "C" __global__ void sharedUninitialised(float* y) {
  __shared__ float s[64];
  if (threadIdx.x < 60) s[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];  // fault
}
extern "C" __global__ void sharedOverrun(float* y, int n) {
  __shared__ float s[64];
  __shared__ float t[64];
  t[threadIdx.x] = 2;
  s[threadIdx.x + n] = 1;  // fault
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x] + t[63 - threadIdx.x];
}
extern "C" __global__ void missingBarrier(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[63 - threadIdx.x];  // fault
}
extern "C" __global__ void missingSecondBarrier(float* y, int rounds) {
  __shared__ float s[64];
  float v = 0;
  for (int i = 0; i < rounds; i++) {
    s[threadIdx.x] = i;  // fault
    __syncthreads();
    v += s[63 - threadIdx.x];
  }
  y[threadIdx.x] = v;
}
extern "C" __global__ void raceInWarp(float* y) {
  __shared__ float s[32];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[threadIdx.x ^ 1];  // fault
}
extern "C" __global__ void raceVolatile(float* y) {
  __shared__ volatile float s[32];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[threadIdx.x ^ 1];  // fault
}
extern "C" __global__ void sameValue(int* y) {
  *y = 7;  // fault
}
extern "C" __global__ void raceBetweenBlocks(float* y, const float* x) {
  if (threadIdx.x == 0) y[0] = x[blockIdx.x];  // fault
}
extern "C" __global__ void raceReadWrite(float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float v = y[(i + 32) % (gridDim.x * blockDim.x)];
  y[i] = v;  // fault
}
extern "C" __global__ void lastBlockWithoutFence(float* total, float* parts, unsigned* done) {
  if (threadIdx.x != 0) return;
  parts[blockIdx.x] = blockIdx.x;
  if (atomicAdd(done, 1) == gridDim.x - 1) {
    float sum = 0;
    for (int i = 0; i < gridDim.x; i++) sum += parts[i];  // fault
    *total = sum;
  }
}
extern "C" __global__ void divergentBarrier(float* y) {
  if (threadIdx.x % 2 == 0) __syncthreads();  // fault
  y[threadIdx.x] = 1;
}
extern "C" __global__ void barrierNeverReached(float* y) {
  if (threadIdx.x < 32) __syncthreads();  // fault
  y[threadIdx.x] = 1;
}
extern "C" __global__ void shuffleNeverReached(int* y) {
  int v = threadIdx.x;
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffff, v, 1);  // fault
  __syncwarp();
  y[threadIdx.x] = v;
}
extern "C" __global__ void strangerInMask(int* y) {
  y[threadIdx.x] = __shfl_xor_sync(0x0000ffff, threadIdx.x, 1);  // fault
}
extern "C" __global__ void spin(volatile int* flag) {
  while (*flag == 0) {  // fault
  }
}
extern "C" __global__ void forever(int* y) {
  int i = 0;
  while (i != -1) {  // fault
    i += 2;
    asm volatile("" : "+r"(i));
  }
  *y = i;
}
extern "C" __global__ void trap() { __trap(); }  // fault
extern "C" __global__ void unwritten(float* y, int n) {
  if (threadIdx.x < n) y[threadIdx.x] = 1;
}
