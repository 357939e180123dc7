// Finding the driver library, and the table that the trampolines go through.
#include "../include/cuda.h" // not that of a toolkit

// Hidden, so that a driver library that is loaded never binds to a trampoline in place of its own function.
#define FOVEA_TRAMPOLINE __attribute__((visibility("hidden")))

typedef struct {
  int loaded;         // 1 if a library was found
  CUresult result;    // what its cuInit answered
  char path[1024];    // the file it came from
  char message[4096]; // if none was found: where it was looked for, and what the loader said
} fovea_status;

// fovea_driver_status loads the driver unless that was done, and tells the outcome.
const fovea_status *fovea_driver_status(void);

// fovea_driver_load loads the library at path in place of the one in use.
void fovea_driver_load(const char *path);

// fovea_driver_symbol returns a function of the library in use that is not part of the driver API, or NULL.
void *fovea_driver_symbol(const char *name);

// In trampolines.c.
void fovea_trampolines_resolve(void *(*find)(void *, const char *), void *library);
CUresult fovea_real_cuInit(unsigned int flags);
