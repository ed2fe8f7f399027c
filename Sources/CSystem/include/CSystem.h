#pragma once
#include <stdint.h>

// What Swift's view of the C library leaves out.

// Lets the kernel begin to put written bytes of a file on the disk, so that a later fsync has less to wait for. Does
// nothing where that isn't possible: it is fsync that promises.
void gs_begin_writeback(int descriptor, int64_t offset, int64_t count);

// Gives freed memory that is still the process's back to the system, where the C library can.
void gs_give_memory_back(void);

// Lets the C library use freed blocks of up to 32 MB again rather than give them back at once: each page that is new
// costs a fault.
void gs_keep_freed_memory(void);
