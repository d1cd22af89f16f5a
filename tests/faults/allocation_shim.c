/* Lets one allocation of a process fail. Loaded with LD_PRELOAD; not for binaries with a sanitizer, which have a heap of
 * their own.
 *
 * ALLOCATION_FAILS  K: the K-th allocation returns nothing
 * ALLOCATION_COUNT  a file that gets the number of allocations when the process ends
 *
 * What OpenSSL allocates is neither counted nor does it fail: while it loads its providers it does not survive that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

static atomic_long seen;
static long fails_at; /* 0: none */
static uintptr_t crypto_begin, crypto_end;

static int find_crypto(struct dl_phdr_info* library, size_t size, void* unused) {
  (void)size, (void)unused;
  if (strstr(library->dlpi_name, "libcrypto") == NULL) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const ElfW(Phdr)* const part = &library->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0) continue;
    crypto_begin = library->dlpi_addr + part->p_vaddr;
    crypto_end = crypto_begin + part->p_memsz;
  }
  return 1;
}

__attribute__((constructor)) static void read_orders(void) {
  dl_iterate_phdr(find_crypto, NULL);
  const char* const at = getenv("ALLOCATION_FAILS");
  if (at != NULL) fails_at = atol(at);
  atomic_store(&seen, 0);
}

__attribute__((destructor)) static void report_count(void) {
  const char* const path = getenv("ALLOCATION_COUNT");
  char text[32];
  if (path == NULL) return;
  const int length = snprintf(text, sizeof text, "%ld", atomic_load(&seen));
  const int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (write(to, text, (size_t)length) != length) abort();
}

static bool fails(const void* caller) {
  const uintptr_t from = (uintptr_t)caller;
  if (from >= crypto_begin && from < crypto_end) return false;
  if (atomic_fetch_add(&seen, 1) + 1 != fails_at) return false;
  errno = ENOMEM;
  return true;
}
#define FAILS fails(__builtin_return_address(0))

void* malloc(size_t size) {
  return FAILS ? NULL : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  return FAILS ? NULL : __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  return FAILS ? NULL : __libc_realloc(old, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return FAILS ? NULL : __libc_memalign(alignment, size);
}
void* memalign(size_t alignment, size_t size) {
  return FAILS ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  if (FAILS) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out == NULL ? ENOMEM : 0;
}
