// This library for LD_PRELOAD makes files hang. HANG names a file with a path in each line. A call for a path that begins
// with one of them does not return while the line is there. Each call that hangs is a line in the file HANG_TRACE, such as
// `statfs /data/agent`.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int hangs(const char *path) {
  char line[4096];
  int found = 0;
  FILE *lines = fopen(getenv("HANG"), "r");
  while (lines && !found && fgets(line, sizeof line, lines)) {
    size_t length = strcspn(line, "\n");
    found = length > 0 && strncmp(path, line, length) == 0;
  }
  if (lines) fclose(lines);
  return found;
}

static void wait_for(const char *path, const char *call) {
  if (!hangs(path)) return;
  int trace = REAL(open)(getenv("HANG_TRACE"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dprintf(trace, "%s %s\n", call, path);
  close(trace);
  while (hangs(path)) usleep(20000);
}

#define HAS_MODE(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)

// Every question that Node and the native probe ask about a file begins with one of these calls.
int access(const char *path, int mode) {
  wait_for(path, "access");
  return REAL(access)(path, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = HAS_MODE(flags) ? va_arg(rest, int) : 0;
  va_end(rest);
  wait_for(path, "open");
  return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = HAS_MODE(flags) ? va_arg(rest, int) : 0;
  va_end(rest);
  wait_for(path, "open");
  return REAL(open64)(path, flags, mode);
}

ssize_t readlink(const char *path, char *to, size_t size) {
  wait_for(path, "readlink");
  return REAL(readlink)(path, to, size);
}

int rename(const char *from, const char *to) {
  wait_for(from, "rename");
  return REAL(rename)(from, to);
}

int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *),
              int (*order)(const struct dirent64 **, const struct dirent64 **)) {
  wait_for(path, "scandir");
  return REAL(scandir64)(path, names, filter, order);
}

int statfs64(const char *path, struct statfs64 *out) {
  wait_for(path, "statfs");
  return REAL(statfs64)(path, out);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *out) {
  wait_for(path, "statx");
  return REAL(statx)(folder, path, flags, mask, out);
}

int statvfs(const char *path, struct statvfs *out) {
  wait_for(path, "statvfs");
  return REAL(statvfs)(path, out);
}

int unlink(const char *path) {
  wait_for(path, "unlink");
  return REAL(unlink)(path);
}
