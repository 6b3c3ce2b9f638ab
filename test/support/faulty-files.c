// This library for LD_PRELOAD records every step with which a process changes files under a folder, and makes some fail.
//
//   FAULTS_IN    the folder
//   FAULTS_LOG   the file that gets a line for each step: the operation, the file and how many times this step has been
//                taken, such as `rename node.yaml 1`
//   FAULT        such a line, and what happens at this step: `kill` kills the process before it, `torn` in the middle of a
//                write; a number is the error that the step returns, which a write returns for its second half. Several are
//                separated by `;`
//
// Names are written without their random parts: `.node.yaml.<hex>.tmp` is `node.yaml`, `.<name>.sock` is `.sock`, and a
// sentinel, which begins with the node's id, is `registration.json`.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { none = 0, kill_it = -1, tear_it = -2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char step[256]; int times; } seen[256];
/**
 * Files that got an error in the middle of a write. The rest of the write gets the same error. No name of a temporary file
 * is used twice.
 */
static struct { char path[PATH_MAX]; int by; } broken[16];
static int broken_files;

static const char *base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/** Writes the name in `path` without its random parts to `out`. */
static void known_name(const char *path, char *out, size_t size) {
  const char *name = base(path);
  size_t length = strlen(name);
  const char *sock = name[0] == '.' ? strstr(name, ".sock") : NULL;
  if (sock) {
    snprintf(out, size, "%s", sock);
  } else if (name[0] == '.' && length > 5 && strcmp(name + length - 4, ".tmp") == 0) {
    snprintf(out, size, "%.*s", (int)(length - 5), name + 1);
    char *dot = strrchr(out, '.');
    if (dot) *dot = 0;
  } else {
    snprintf(out, size, "%s", name);
  }
  char *sentinel = strstr(out, "registration.json");
  if (sentinel) memmove(out, sentinel, strlen(sentinel) + 1);
}

static int is_ours(const char *path) {
  const char *folder = getenv("FAULTS_IN");
  // A socket with a long path is opened through its folder, as `/proc/self/fd/N/name`.
  char real[PATH_MAX], link[64];
  if (folder && strncmp(path, "/proc/self/fd/", 14) == 0) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", atoi(path + 14));
    ssize_t n = readlink(link, real, sizeof real - 1);
    if (n < 0) return 0;
    real[n] = 0;
    path = real;
  }
  size_t length = folder ? strlen(folder) : 0;
  return length > 0 && strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/** Records a step and returns what happens at it: nothing, a torn write, or the number of an error. */
static int step(const char *what, const char *path) {
  if (!is_ours(path)) return none;
  int saved = errno;
  char name[200], line[300];
  known_name(path, name, sizeof name);
  snprintf(line, 256, "%s %s", what, name);
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < 255 && seen[i].times > 0 && strcmp(seen[i].step, line) != 0) i++;
  snprintf(seen[i].step, sizeof seen[i].step, "%.255s", line);
  size_t used = strlen(line);
  snprintf(line + used, sizeof line - used, " %d", ++seen[i].times);
  const char *log = getenv("FAULTS_LOG");
  int file = log ? REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file >= 0) {
    dprintf(file, "%s\n", line);
    REAL(close)(file);
  }
  pthread_mutex_unlock(&lock);
  int fate = none;
  used = strlen(line);
  for (const char *each = getenv("FAULT"); each && *each; each = strchr(each, ';') ? strchr(each, ';') + 1 : "") {
    if (strncmp(each, line, used) != 0 || each[used] != ' ') continue;
    const char *how = each + used + 1;
    if (strncmp(how, "kill", 4) == 0) fate = kill_it;
    else if (strncmp(how, "torn", 4) == 0) fate = tear_it;
    else fate = atoi(how);
  }
  if (fate == kill_it) kill(getpid(), SIGKILL);
  errno = saved;
  return fate;
}

static int failed(int by) {
  errno = by;
  return -1;
}

/** Writes the path of an open file to `path`; returns false when it has none. */
static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, size - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return path[0] == '/';
}

static int on_open(const char *path, int flags) { return flags & O_CREAT ? step("create", path) : none; }

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  int fate = on_open(path, flags);
  return fate > 0 ? failed(fate) : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  int fate = on_open(path, flags);
  return fate > 0 ? failed(fate) : REAL(open64)(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size) {
  char path[PATH_MAX];
  struct stat info;
  if (fd < 3 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || !path_of(fd, path, sizeof path))
    return REAL(write)(fd, data, size);
  for (int i = 0; i < broken_files; i++)
    if (strcmp(path, broken[i].path) == 0) return failed(broken[i].by);
  int fate = step("write", path);
  if (fate == none) return REAL(write)(fd, data, size);
  ssize_t written = REAL(write)(fd, data, size / 2);
  if (fate == tear_it) kill(getpid(), SIGKILL);
  if (broken_files == 16) abort();
  broken[broken_files].by = fate;
  strcpy(broken[broken_files++].path, path);
  return written;
}

static int on_sync(int fd) {
  char path[PATH_MAX];
  struct stat info;
  if (fstat(fd, &info) != 0 || !path_of(fd, path, sizeof path)) return none;
  return step(S_ISDIR(info.st_mode) ? "sync-folder" : "sync", path);
}

int fsync(int fd) {
  int fate = on_sync(fd);
  return fate > 0 ? failed(fate) : REAL(fsync)(fd);
}

int fdatasync(int fd) {
  int fate = on_sync(fd);
  return fate > 0 ? failed(fate) : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
  int fate = step("rename", to);
  return fate > 0 ? failed(fate) : REAL(rename)(from, to);
}

int unlink(const char *path) {
  int fate = step("unlink", path);
  return fate > 0 ? failed(fate) : REAL(unlink)(path);
}

int symlink(const char *target, const char *path) {
  int fate = step("symlink", path);
  return fate > 0 ? failed(fate) : REAL(symlink)(target, path);
}

int mkdir(const char *path, mode_t mode) {
  int fate = step("mkdir", path);
  return fate > 0 ? failed(fate) : REAL(mkdir)(path, mode);
}

int chmod(const char *path, mode_t mode) {
  int fate = step("chmod", path);
  return fate > 0 ? failed(fate) : REAL(chmod)(path, mode);
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
  int fate = none;
  if (address->sa_family == AF_UNIX) fate = step("bind", ((const struct sockaddr_un *)address)->sun_path);
  return fate > 0 ? failed(fate) : REAL(bind)(fd, address, size);
}
