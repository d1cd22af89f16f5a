/* Meets system calls of a process with faults, or only writes down which calls it makes. Loaded with LD_PRELOAD.
 *
 * FAULT_UNDER  a folder: calls on files outside of it are left alone and not counted
 * FAULT_LOG    a file outside of it: every counted call is appended as a line "CALL PATH"
 * FAULT_MEMORY a file that gets the most memory that the process held, in kB, when it ends
 * FAULT        CALL:K:KIND. CALL is a name as in the log, or "*" for any; K counts those calls from 1, "odd" is every
 *              second of them. KIND is what happens to such a call:
 *                EIO, ENOSPC ...   it fails so and does nothing (close does close)
 *                short             it reads or writes half of what was wanted, but at least a byte
 *                kill, int, term, hup   the signal comes right before it; int2 is two of them
 *                truncate, rewrite, replace, remove   its file is cut to half, overwritten in place, replaced by
 *                                  $FAULT_OTHER, or loses its name right before it
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char* under;
static const char* other;
static int log_fd = -1;
static char fault_call[32];
static char fault_kind[32];
static long fault_at; /* 0: every second one, -1: none */
static atomic_long seen;

static const struct {
  const char* name;
  int number;
} kErrors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"EAGAIN", EAGAIN}, {"EACCES", EACCES},
               {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE}, {"EPERM", EPERM}, {"EINVAL", EINVAL}, {"EOPNOTSUPP", EOPNOTSUPP}};

static const struct {
  const char* name;
  int number;
} kSignals[] = {{"kill", SIGKILL}, {"int", SIGINT}, {"term", SIGTERM}, {"hup", SIGHUP}};

__attribute__((constructor)) static void read_orders(void) {
  under = getenv("FAULT_UNDER");
  other = getenv("FAULT_OTHER");
  fault_at = -1;
  const char* const log = getenv("FAULT_LOG");
  if (log != NULL) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const char* const fault = getenv("FAULT");
  char at[16];
  if (fault == NULL || sscanf(fault, "%31[^:]:%15[^:]:%31s", fault_call, at, fault_kind) != 3) return;
  fault_at = strcmp(at, "odd") == 0 ? 0 : atol(at);
}

__attribute__((destructor)) static void report_memory(void) {
  const char* const path = getenv("FAULT_MEMORY");
  char status[8192];
  if (path == NULL) return;
  const long from = syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
  const long length = syscall(SYS_read, from, status, sizeof status - 1);
  status[length > 0 ? length : 0] = '\0';
  const char* const most = strstr(status, "VmHWM:");
  const long to = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (most != NULL) syscall(SYS_write, to, most + 6, strcspn(most + 6, "k"));
}

static bool is_under(const char* path) {
  const size_t length = under == NULL ? 0 : strlen(under);
  return length > 0 && strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool path_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, (size_t)PATH_MAX - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return true;
}

static void overwrite(const char* path) {
  char junk[4096];
  memset(junk, 0x3c, sizeof junk);
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
  const long size = syscall(SYS_lseek, fd, 0L, SEEK_END);
  for (long at = 0; at < size; at += (long)sizeof junk) {
    const long left = size - at;
    syscall(SYS_pwrite64, fd, junk, left < (long)sizeof junk ? (size_t)left : sizeof junk, at);
  }
  syscall(SYS_close, fd);
}

static void halve(const char* path) {
  struct stat status;
  if (syscall(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0) syscall(SYS_truncate, path, (long)(status.st_size / 2));
}

/* What happens to this call: an errno, -1 for "short", 0 for nothing (more). */
static int meet(const char* call, const char* path) {
  if (!is_under(path)) return 0;
  if (log_fd >= 0) {
    char line[PATH_MAX + 64];
    const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    syscall(SYS_write, log_fd, line, (size_t)length);
  }
  if (fault_at < 0 || (strcmp(fault_call, "*") != 0 && strcmp(fault_call, call) != 0)) return 0;
  const long number = atomic_fetch_add(&seen, 1) + 1;
  if (fault_at == 0 ? number % 2 == 0 : number != fault_at) return 0;
  if (strcmp(fault_kind, "short") == 0) return -1;
  for (size_t i = 0; i < sizeof kErrors / sizeof *kErrors; ++i) {
    if (strcmp(fault_kind, kErrors[i].name) == 0) return kErrors[i].number;
  }
  for (size_t i = 0; i < sizeof kSignals / sizeof *kSignals; ++i) {
    if (strcmp(fault_kind, kSignals[i].name) == 0) syscall(SYS_kill, getpid(), kSignals[i].number);
  }
  for (int i = 0; i < 2 && strcmp(fault_kind, "int2") == 0; ++i) syscall(SYS_kill, getpid(), SIGINT);
  if (strcmp(fault_kind, "truncate") == 0) halve(path);
  if (strcmp(fault_kind, "rewrite") == 0) overwrite(path);
  if (strcmp(fault_kind, "replace") == 0) syscall(SYS_rename, other, path);
  if (strcmp(fault_kind, "remove") == 0) syscall(SYS_unlink, path);
  return 0;
}

static int meet_fd(const char* call, int fd) {
  char path[PATH_MAX];
  return path_of(fd, path) ? meet(call, path) : 0;
}

static int meet_at(const char* call, int folder, const char* name) {
  char path[PATH_MAX];
  if (name[0] == '/' || folder == AT_FDCWD) return meet(call, name);
  if (!path_of(folder, path) || strlen(path) + strlen(name) + 2 > sizeof path) return 0;
  strcat(strcat(path, "/"), name);
  return meet(call, path);
}

/* The function of that name that would be called without this file. */
#define REAL(result, name, ...)                                      \
  static result (*real)(__VA_ARGS__);                                \
  if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define RETURN_IF_FAULTY(result, fault) \
  do {                                  \
    const int failure = (fault);        \
    if (failure > 0) {                  \
      errno = failure;                  \
      return (result);                  \
    }                                   \
  } while (0)

#define MODE_OF(flags, last)                          \
  mode_t mode = 0;                                    \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {       \
    va_list list;                                     \
    va_start(list, last);                             \
    mode = va_arg(list, mode_t);                      \
    va_end(list);                                     \
  }

#define OPEN(function)                                          \
  int function(const char* path, int flags, ...) {              \
    REAL(int, #function, const char*, int, ...);                \
    MODE_OF(flags, flags)                                       \
    RETURN_IF_FAULTY(-1, meet("open", path));                   \
    return real(path, flags, mode);                             \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(function)                                        \
  int function(int folder, const char* path, int flags, ...) {  \
    REAL(int, #function, int, const char*, int, ...);           \
    MODE_OF(flags, flags)                                       \
    RETURN_IF_FAULTY(-1, meet_at("open", folder, path));        \
    return real(folder, path, flags, mode);                     \
  }
OPENAT(openat)
OPENAT(openat64)

static size_t shortened(int met, size_t size) { return met < 0 && size > 1 ? size / 2 : size; }

#define TRANSFER(function, call, pointer, declared, passed, ...)   \
  ssize_t function(int fd, pointer data, size_t size declared) {   \
    REAL(ssize_t, #function, int, pointer, size_t __VA_ARGS__);    \
    const int met = meet_fd(call, fd);                             \
    RETURN_IF_FAULTY(-1, met);                                     \
    return real(fd, data, shortened(met, size) passed);            \
  }
#define COMMA ,
TRANSFER(read, "read", void*, , , )
TRANSFER(write, "write", const void*, , , )
TRANSFER(pread, "read", void*, COMMA off_t at, COMMA at, COMMA off_t)
TRANSFER(pread64, "read", void*, COMMA off64_t at, COMMA at, COMMA off64_t)
TRANSFER(pwrite, "write", const void*, COMMA off_t at, COMMA at, COMMA off_t)
TRANSFER(pwrite64, "write", const void*, COMMA off64_t at, COMMA at, COMMA off64_t)

int close(int fd) {
  REAL(int, "close", int);
  const int met = meet_fd("close", fd);
  const int result = real(fd);
  RETURN_IF_FAULTY(-1, met);
  return result;
}

#define ON_DESCRIPTOR(function, call, declared, passed, ...) \
  int function(int fd declared) {                            \
    REAL(int, #function, int __VA_ARGS__);                   \
    RETURN_IF_FAULTY(-1, meet_fd(call, fd));                 \
    return real(fd passed);                                  \
  }
ON_DESCRIPTOR(fsync, "fsync", , , )
ON_DESCRIPTOR(fdatasync, "fsync", , , )
ON_DESCRIPTOR(ftruncate, "ftruncate", COMMA off_t size, COMMA size, COMMA off_t)
ON_DESCRIPTOR(ftruncate64, "ftruncate", COMMA off64_t size, COMMA size, COMMA off64_t)
ON_DESCRIPTOR(fallocate, "fallocate", COMMA int mode COMMA off_t at COMMA off_t size, COMMA mode COMMA at COMMA size,
              COMMA int, off_t, off_t)
ON_DESCRIPTOR(fallocate64, "fallocate", COMMA int mode COMMA off64_t at COMMA off64_t size,
              COMMA mode COMMA at COMMA size, COMMA int, off64_t, off64_t)
ON_DESCRIPTOR(fchmod, "fchmod", COMMA mode_t mode, COMMA mode, COMMA mode_t)
ON_DESCRIPTOR(flock, "flock", COMMA int operation, COMMA operation, COMMA int)
ON_DESCRIPTOR(fstat, "stat", COMMA struct stat* status, COMMA status, COMMA struct stat*)
ON_DESCRIPTOR(fstat64, "stat", COMMA struct stat64* status, COMMA status, COMMA struct stat64*)

#define ON_PATH(function, call, declared, passed, ...) \
  int function(const char* path declared) {            \
    REAL(int, #function, const char* __VA_ARGS__);     \
    RETURN_IF_FAULTY(-1, meet(call, path));            \
    return real(path passed);                          \
  }
ON_PATH(stat, "stat", COMMA struct stat* restrict status, COMMA status, COMMA struct stat*)
ON_PATH(stat64, "stat", COMMA struct stat64* restrict status, COMMA status, COMMA struct stat64*)
ON_PATH(lstat, "stat", COMMA struct stat* restrict status, COMMA status, COMMA struct stat*)
ON_PATH(lstat64, "stat", COMMA struct stat64* restrict status, COMMA status, COMMA struct stat64*)
ON_PATH(statvfs, "statvfs", COMMA struct statvfs* restrict space, COMMA space, COMMA struct statvfs*)
ON_PATH(statvfs64, "statvfs", COMMA struct statvfs64* restrict space, COMMA space, COMMA struct statvfs64*)
ON_PATH(access, "access", COMMA int mode, COMMA mode, COMMA int)
ON_PATH(mkdir, "mkdir", COMMA mode_t mode, COMMA mode, COMMA mode_t)
ON_PATH(rmdir, "rmdir", , , )
ON_PATH(unlink, "unlink", , , )

/* Renames and links are counted by the name that is made. */
int rename(const char* from, const char* to) {
  REAL(int, "rename", const char*, const char*);
  RETURN_IF_FAULTY(-1, meet("rename", to));
  return real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  REAL(int, "renameat2", int, const char*, int, const char*, unsigned);
  RETURN_IF_FAULTY(-1, meet_at("rename", to_folder, to));
  return real(from_folder, from, to_folder, to, flags);
}

int link(const char* from, const char* to) {
  REAL(int, "link", const char*, const char*);
  RETURN_IF_FAULTY(-1, meet("link", to));
  return real(from, to);
}

int unlinkat(int folder, const char* path, int flags) {
  REAL(int, "unlinkat", int, const char*, int);
  RETURN_IF_FAULTY(-1, meet_at("unlink", folder, path));
  return real(folder, path, flags);
}

DIR* opendir(const char* path) {
  REAL(DIR*, "opendir", const char*);
  RETURN_IF_FAULTY(NULL, meet("opendir", path));
  return real(path);
}

#define READDIR(function, entry)                                \
  struct entry* function(DIR* folder) {                         \
    REAL(struct entry*, #function, DIR*);                       \
    RETURN_IF_FAULTY(NULL, meet_fd("readdir", dirfd(folder)));  \
    return real(folder);                                        \
  }
READDIR(readdir, dirent)
READDIR(readdir64, dirent64)
