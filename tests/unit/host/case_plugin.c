/* One plugin in many variants: what is wrong with it is chosen by CASE_... */
#include <string.h>

#include "madang/abi.h"

#ifdef CASE_no_entry
int madang_no_entry_here;
#else

#ifdef CASE_unresolved
void madang_defined_nowhere(void);
#endif

static int instance;

static madang_plugin* init(madang_host* host, const madang_host_api* api) {
    (void)host;
    (void)api;
#ifdef CASE_unresolved
    madang_defined_nowhere();
#endif
#ifdef CASE_init_fails
    const char* event = "case.failed";
    const char* message = "no database today";
    madang_str e = {event, strlen(event)}, m = {message, strlen(message)};
    api->log(host, MADANG_ERROR, e, m);
    return NULL;
#else
    return (madang_plugin*)&instance;
#endif
}

static void destroy(madang_plugin* plugin) { (void)plugin; }

static const madang_plugin_descriptor descriptor = {
#ifdef CASE_bad_magic
    0x12345678u,
#else
    MADANG_ABI_MAGIC,
#endif
#ifdef CASE_short_descriptor
    24,
#else
    sizeof(madang_plugin_descriptor),
#endif
#ifdef CASE_major
    MADANG_ABI_MAJOR + 1,
#else
    MADANG_ABI_MAJOR,
#endif
#ifdef CASE_minor
    MADANG_ABI_MINOR + 1,
#else
    MADANG_ABI_MINOR,
#endif
#if defined(CASE_bad_id)
    "Not An Id",
#elif defined(CASE_good) || defined(CASE_same_id)
    "good",
#else
    "other",
#endif
    "1.2.3",
    "A case",
#ifdef CASE_no_init
    NULL,
#else
    init,
#endif
    destroy,
    NULL};

MADANG_EXPORT const madang_plugin_descriptor* madang_plugin_entry(void) {
#ifdef CASE_null_descriptor
    (void)descriptor;
    return NULL;
#else
    return &descriptor;
#endif
}
#endif
