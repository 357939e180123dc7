// A library with a few functions of a CUDA driver. FAKE_INIT is what its cuInit answers, FAKE_VERSION the CUDA version
// and FAKE_DEVICES the number of devices.
typedef int CUresult;

CUresult cuInit(unsigned flags) { return FAKE_INIT; }

CUresult cuDriverGetVersion(int *version) {
  *version = FAKE_VERSION;
  return 0;
}

CUresult cuDeviceGetCount(int *count) {
  *count = FAKE_DEVICES;
  return 0;
}

CUresult cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal < FAKE_DEVICES ? 0 : 101;
}

CUresult cuGetErrorName(CUresult error, const char **name) {
  *name = error == 999 ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR_FAKE";
  return 0;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  *text = "as the fake was told";
  return 0;
}
