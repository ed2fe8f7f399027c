#ifndef CINIPARSER_H
#define CINIPARSER_H

#include <stddef.h>

/// A parsed INI text, owned by the caller.
typedef struct GSIni GSIni;

/// Receives one complaint of the parser. `message` lives until the function returns.
typedef void (*GSIniComplaint)(void *context, const char *message);

/// Parses `length` bytes of INI text with libiniparser. NULL when the text is malformed or memory
/// or a descriptor is lacking; `complaint` hears why. May be called from any thread.
GSIni *gs_ini_parse(const char *text, size_t length, GSIniComplaint complaint, void *context);

/// The value of `section:key`, or NULL. Lives until the entry is set or `ini` is freed.
const char *gs_ini_string(const GSIni *ini, const char *name);

/// Replaces or adds the value of `section:key`. Zero on success.
int gs_ini_set(GSIni *ini, const char *name, const char *value);

/// Frees `ini`, which may be NULL.
void gs_ini_free(GSIni *ini);

#endif
