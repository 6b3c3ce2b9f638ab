// This library for LD_PRELOAD makes calls for a path hang until the file named by RELEASE exists. HANGS has the beginnings
// of such paths, with colons between them. For paths in SIZE_HANGS only the question for the size of the file system hangs.
// Calls for a file that is already open do not hang.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int hangs(const char *variable, const char *path) {
  const char *prefix = getenv(variable), *release = getenv("RELEASE");
  if (!prefix || !release) return 0;
  for (size_t length; *prefix; prefix += length + (prefix[length] == ':')) {
    length = strcspn(prefix, ":");
    // access(2) is replaced below and would hang, so the system call is made directly.
    if (length && strncmp(path, prefix, length) == 0) return syscall(SYS_faccessat, AT_FDCWD, release, F_OK) != 0;
  }
  return 0;
}

// Defines a function that waits and then calls the original one.
#define HANGING(WHEN, result, name, parameters, arguments)                                             \
  result name parameters {                                                                       \
    while (hangs("HANGS", path) || (WHEN)) usleep(1000);                                         \
    return ((result(*) parameters)dlsym(RTLD_NEXT, #name)) arguments;                            \
  }

HANGING(hangs("SIZE_HANGS", path), int, statvfs, (const char *path, struct statvfs *out), (path, out))
HANGING(hangs("SIZE_HANGS", path), int, statfs64, (const char *path, struct statfs64 *out), (path, out))
HANGING(0, int, access, (const char *path, int mode), (path, mode))
HANGING(0, int, mkdir, (const char *path, mode_t mode), (path, mode))
HANGING(0, int, unlink, (const char *path), (path))
HANGING(0, int, rename, (const char *path, const char *to), (path, to))
HANGING(0, ssize_t, readlink, (const char *path, char *out, size_t size), (path, out, size))
HANGING(0, int, scandir64,
        (const char *path, struct dirent64 ***names, int (*wanted)(const struct dirent64 *),
         int (*order)(const struct dirent64 **, const struct dirent64 **)),
        (path, names, wanted, order))

static int open_as(const char *name, const char *path, int flags, va_list more) {
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
  while (hangs("HANGS", path)) usleep(1000);
  return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

#define HANGING_OPEN(name)                            \
  int name(const char *path, int flags, ...) {        \
    va_list more;                                     \
    va_start(more, flags);                            \
    int file = open_as(#name, path, flags, more);     \
    va_end(more);                                     \
    return file;                                      \
  }

HANGING_OPEN(open)
HANGING_OPEN(open64)
