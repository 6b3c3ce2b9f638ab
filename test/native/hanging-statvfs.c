// Preloaded, it makes statvfs(3) hang for every path that contains "hangs", until the file named by RELEASE is there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int statvfs(const char *path, struct statvfs *out) {
  while (strstr(path, "hangs") && access(getenv("RELEASE"), F_OK) != 0) usleep(1000);
  int (*real)(const char *, struct statvfs *) = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
  return real(path, out);
}
