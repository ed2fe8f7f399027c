#define _GNU_SOURCE
#include "CIniparser.h"

#include <errno.h>
#include <iniparser/iniparser.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/// libiniparser keeps its error callback in a global, so that one text is parsed at a time.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GSIniComplaint current_complaint;
static void *current_context;

static int forward(const char *format, ...) {
  char message[1200];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (current_complaint) current_complaint(current_context, message);
  return length;
}

static int write_all(int descriptor, const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(descriptor, text, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    text += written;
    length -= (size_t)written;
  }
  return 0;
}

GSIni *gs_ini_parse(const char *text, size_t length, GSIniComplaint complaint, void *context) {
  int descriptor = memfd_create("configuration", MFD_CLOEXEC);
  if (descriptor < 0 || write_all(descriptor, text, length) != 0) {
    if (complaint) complaint(context, strerror(errno));
    if (descriptor >= 0) close(descriptor);
    return NULL;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);

  pthread_mutex_lock(&lock);
  current_complaint = complaint;
  current_context = context;
  iniparser_set_error_callback(forward);
  dictionary *parsed = iniparser_load(path);
  iniparser_set_error_callback(NULL);
  current_complaint = NULL;
  current_context = NULL;
  pthread_mutex_unlock(&lock);

  close(descriptor);
  return (GSIni *)parsed;
}

const char *gs_ini_string(const GSIni *ini, const char *name) {
  return iniparser_getstring((const dictionary *)ini, name, NULL);
}

int gs_ini_set(GSIni *ini, const char *name, const char *value) {
  return iniparser_set((dictionary *)ini, name, value);
}

void gs_ini_free(GSIni *ini) {
  if (ini) iniparser_freedict((dictionary *)ini);
}
