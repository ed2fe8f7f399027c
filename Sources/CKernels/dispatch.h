#pragma once

// Compiles a function for several processors and picks one when the program is loaded. Sanitizers would
// watch the code that picks, which runs before they are ready.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
#define DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DISPATCHED
#endif
