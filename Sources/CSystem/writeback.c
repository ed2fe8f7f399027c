#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "CSystem.h"

void gs_begin_writeback(int descriptor, int64_t offset, int64_t count) {
#ifdef SYNC_FILE_RANGE_WRITE
  int before = errno;
  sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
  errno = before;
#endif
}
