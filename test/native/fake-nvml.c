// A fake libnvidia-ml.so.1 for tests. The environment variable FAKE_NVML sets what it has and how it fails, with these words:
//   gpus=8           it has this many GPUs
//   mig=3            GPU 3 is split into two parts, with the indexes 0 and 2
//   fail=CALL:CODE   each CALL returns CODE; may be given several times
//   hang=CALL        CALL does not return until the file `until=FILE` exists
//   crash=CALL       CALL aborts the process
//   trace=FILE       each call is written to FILE, as one line
//   hostile          its strings have control characters, bytes that are not UTF-8, or no end
// The CALL `load` is the loading of the library. Compiled with -DOLD, the library lacks the functions that were added after 2012.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 6, ARGUMENT_VERSION_MISMATCH = 25 };
enum { MAX_GPUS = 300, PARTS = 7 };
#define GIB (1024ull * 1024 * 1024)

typedef struct {
  unsigned index;
  int part; // -1 for the whole GPU
} device;

typedef struct {
  char bus_id_legacy[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
} pci_info;

typedef struct {
  uint64_t total, free, used;
} memory;

typedef struct {
  unsigned version;
  uint64_t total, reserved, free, used;
} memory_v2;

typedef struct {
  unsigned gpu, memory;
} utilisation;

typedef struct {
  unsigned version, sensor;
  int temperature;
} temperature;

static device devices[MAX_GPUS];
static int users;

// Returns the value of the `nth` word `name=value`, or NULL. It is valid until the next call.
static const char *value(const char *name, int nth) {
  static char text[4096];
  const char *environment = getenv("FAKE_NVML");
  snprintf(text, sizeof text, "%s", environment ? environment : "");
  for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
    size_t length = strcspn(word, "=");
    if (strlen(name) == length && strncmp(word, name, length) == 0 && nth-- == 0)
      return word[length] ? word + length + 1 : word + length;
  }
  return NULL;
}

static int is(const char *name, const char *wanted) {
  const char *found = value(name, 0);
  return found && strcmp(found, wanted) == 0;
}

static unsigned number(const char *name, unsigned otherwise) {
  const char *found = value(name, 0);
  return found ? (unsigned)strtoul(found, NULL, 10) : otherwise;
}

static int enter(const char *call) {
  const char *file = value("trace", 0), *failure;
  if (file) {
    FILE *trace = fopen(file, "a");
    fprintf(trace, "%s\n", call);
    fclose(trace);
  }
  if (is("crash", call)) abort();
  if (is("hang", call))
    for (file = strdup(value("until", 0)); access(file, F_OK) != 0;) usleep(1000);
  for (int nth = 0; (failure = value("fail", nth)); nth++) {
    size_t length = strcspn(failure, ":");
    if (strlen(call) == length && strncmp(call, failure, length) == 0) return atoi(failure + length + 1);
  }
  return SUCCESS;
}

#define BEGIN                                                                   \
  do {                                                                          \
    int code = enter(__func__);                                                 \
    if (code) return code;                                                      \
    if (!users && strncmp(__func__, "nvmlInit", 8) != 0) return UNINITIALIZED; \
  } while (0)

__attribute__((constructor)) static void load(void) { enter("load"); }

// Writes a string, which has an end unless it is hostile.
static int text(char *out, unsigned length, const char *plain, const char *hostile) {
  if (!value("hostile", 0)) {
    snprintf(out, length, "%s", plain);
  } else if (hostile) {
    strcpy(out, hostile);
  } else {
    memset(out, 'A', length);
  }
  return SUCCESS;
}

int nvmlInit(void) { BEGIN; return users++, SUCCESS; }
int nvmlShutdown(void) { BEGIN; return users--, SUCCESS; }

int nvmlSystemGetDriverVersion(char *out, unsigned length) {
  BEGIN;
  return text(out, length, "550.54.15", NULL);
}

int nvmlDeviceGetCount(unsigned *count) {
  BEGIN;
  *count = number("gpus", 0);
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex(unsigned index, device **out) {
  BEGIN;
  if (index >= number("gpus", 0) || index >= MAX_GPUS) return INVALID_ARGUMENT;
  devices[index] = (device){index, -1};
  *out = &devices[index];
  return SUCCESS;
}

int nvmlDeviceGetUUID(device *gpu, char *out, unsigned length) {
  BEGIN;
  char plain[96];
  if (gpu->part < 0) snprintf(plain, sizeof plain, "GPU-%08x-1111-2222-3333-444444444444", gpu->index);
  else snprintf(plain, sizeof plain, "MIG-%08x-%04x-2222-3333-444444444444", gpu->index, gpu->part);
  return text(out, length, plain, "GPU-\xff\xfe\xc3(\n");
}

int nvmlDeviceGetName(device *gpu, char *out, unsigned length) {
  BEGIN;
  const char *name = gpu->part < 0   ? "NVIDIA H100 80GB HBM3"
                     : gpu->part == 0 ? "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
                                      : "NVIDIA H100 80GB HBM3 MIG 1g.10gb";
  return text(out, length, name, "\x1b]0;owned\x07\x1b[31mGPU\r\n\xe2\x80\xae");
}

// The older structures are the first part of the newest one.
static int pci(device *gpu, void *out, size_t length) {
  pci_info info = {.domain = gpu->index / 16, .bus = 0x10 + gpu->index % 16, .device = 0, .device_id = 0x233010de};
  snprintf(info.bus_id, sizeof info.bus_id, "%08X:%02X:%02X.0", info.domain, info.bus, info.device);
  snprintf(info.bus_id_legacy, sizeof info.bus_id_legacy, "%04X:%02X:%02X.0", info.domain, info.bus, info.device);
  memcpy(out, &info, length);
  return SUCCESS;
}

int nvmlDeviceGetPciInfo(device *gpu, void *out) { BEGIN; return pci(gpu, out, 32); }

static uint64_t total(device *gpu) { return (gpu->part < 0 ? 80 : gpu->part == 0 ? 40 : 10) * GIB; }

int nvmlDeviceGetMemoryInfo(device *gpu, memory *out) {
  BEGIN;
  // The memory in use includes the GiB that the driver reserves.
  out->total = total(gpu), out->used = (gpu->index + 2) * GIB, out->free = out->total - out->used;
  return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(device *gpu, utilisation *out) {
  BEGIN;
  if (gpu->part >= 0) return NOT_SUPPORTED;
  out->gpu = 50 + gpu->index, out->memory = 5;
  return SUCCESS;
}

int nvmlDeviceGetTemperature(device *gpu, unsigned sensor, unsigned *degrees) {
  BEGIN;
  if (sensor != 0) return INVALID_ARGUMENT;
  *degrees = 30 + gpu->index;
  return SUCCESS;
}

int nvmlDeviceGetPowerUsage(device *gpu, unsigned *milliwatts) {
  BEGIN;
  *milliwatts = 123456 + gpu->index;
  return SUCCESS;
}

#ifndef OLD
int nvmlInit_v2(void) { BEGIN; return users++, SUCCESS; }

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
  BEGIN;
  *version = 12040;
  return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  BEGIN;
  *count = number("gpus", 0);
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **out) {
  BEGIN;
  if (index >= number("gpus", 0) || index >= MAX_GPUS) return INVALID_ARGUMENT;
  devices[index] = (device){index, -1};
  *out = &devices[index];
  return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(device *gpu, pci_info *out) {
  BEGIN;
  return pci(gpu, out, sizeof *out);
}

int nvmlDeviceGetMemoryInfo_v2(device *gpu, memory_v2 *out) {
  BEGIN;
  if (out->version != (sizeof *out | 2 << 24)) return ARGUMENT_VERSION_MISMATCH;
  out->total = total(gpu), out->reserved = GIB, out->used = (gpu->index + 1) * GIB;
  out->free = out->total - out->reserved - out->used;
  return SUCCESS;
}

int nvmlDeviceGetTemperatureV(device *gpu, temperature *out) {
  BEGIN;
  if (out->version != (sizeof *out | 1 << 24)) return ARGUMENT_VERSION_MISMATCH;
  if (out->sensor != 0) return INVALID_ARGUMENT;
  out->temperature = 30 + (int)gpu->index;
  return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(device *gpu, unsigned kind, unsigned counter, uint64_t *count) {
  BEGIN;
  if (kind != 1) return INVALID_ARGUMENT;
  *count = counter == 0 ? gpu->index : 1000 + gpu->index;
  return SUCCESS;
}

int nvmlDeviceGetMigMode(device *gpu, unsigned *current, unsigned *pending) {
  BEGIN;
  *current = *pending = number("mig", MAX_GPUS) == gpu->index;
  return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device *gpu, unsigned *count) {
  (void)gpu;
  BEGIN;
  *count = PARTS;
  return SUCCESS;
}

static device parts[MAX_GPUS][PARTS];

int nvmlDeviceGetMigDeviceHandleByIndex(device *gpu, unsigned index, device **out) {
  BEGIN;
  if (index != 0 && index != 2) return NOT_FOUND;
  parts[gpu->index][index] = (device){gpu->index, (int)index};
  *out = &parts[gpu->index][index];
  return SUCCESS;
}
#endif
