#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "CSystem.h"

void gs_give_memory_back(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void gs_keep_freed_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
#endif
}
