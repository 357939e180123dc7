//go:build cuda && linux && (amd64 || arm64)

#define _GNU_SOURCE // dlinfo
#include "loader.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Where drivers are kept when the loader does not know: distributions, WSL, NixOS, containers, Jetson.
static const char *const places[] = {
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
    "/usr/lib64/libcuda.so.1",
    "/usr/lib/libcuda.so.1",
    "/usr/lib/wsl/lib/libcuda.so.1",
    "/run/opengl-driver/lib/libcuda.so.1",
    "/usr/local/nvidia/lib64/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1",
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int attempted;
static void *library;
static fovea_status status;

static void say(const char *format, ...) {
  size_t used = strlen(status.message);
  va_list args;
  va_start(args, format);
  vsnprintf(status.message + used, sizeof status.message - used, format, args);
  va_end(args);
}

static void *open_library(const char *path) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    const char *reason = dlerror();
    say("%s%s", status.message[0] ? "; " : "", reason != NULL ? reason : path);
    return NULL;
  }
  if (dlsym(handle, "cuInit") == NULL) {
    say("%s%s: not a CUDA driver: it has no cuInit", status.message[0] ? "; " : "", path);
    dlclose(handle);
    return NULL;
  }
  return handle;
}

// find_library opens the library at path, or looks for one where path is NULL.
static void *find_library(const char *path) {
  if (path != NULL) {
    return open_library(path);
  }
  path = getenv("FOVEA_CUDA_DRIVER");
  if (path != NULL && path[0] != 0) {
    void *handle = open_library(path);
    if (handle == NULL) {
      say(" (named by FOVEA_CUDA_DRIVER)");
    }
    return handle;
  }
  void *handle = open_library("libcuda.so.1");
  for (size_t i = 0; handle == NULL && i < sizeof places / sizeof places[0]; i++) {
    FILE *exists = fopen(places[i], "rb");
    if (exists == NULL) {
      say("%s%s", i == 0 ? "; nor is there " : ", ", places[i]);
      continue;
    }
    fclose(exists);
    handle = open_library(places[i]);
  }
  return handle;
}

static void load(const char *path) {
  attempted = 1;
  memset(&status, 0, sizeof status);
  // A library that was in use stays loaded: drivers do not expect to be unloaded.
  library = find_library(path);
  fovea_trampolines_resolve(dlsym, library);
  if (library == NULL) {
    status.result = CUDA_ERROR_NOT_INITIALIZED;
    return;
  }
  status.loaded = 1;
  struct link_map *map;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) {
    snprintf(status.path, sizeof status.path, "%s", map->l_name);
  }
  status.result = fovea_real_cuInit(0);
}

// cu ends the process if cuInit fails, before main: it learns of success, and Status tells the truth.
FOVEA_TRAMPOLINE CUresult cuInit(unsigned int flags) {
  (void)flags;
  fovea_driver_status();
  return CUDA_SUCCESS;
}

const fovea_status *fovea_driver_status(void) {
  pthread_mutex_lock(&mutex);
  if (!attempted) {
    load(NULL);
  }
  pthread_mutex_unlock(&mutex);
  return &status;
}

void fovea_driver_load(const char *path) {
  pthread_mutex_lock(&mutex);
  load(path);
  pthread_mutex_unlock(&mutex);
}

void *fovea_driver_symbol(const char *name) { return library != NULL ? dlsym(library, name) : NULL; }
