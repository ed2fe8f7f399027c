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
