/* The extension table "madang.background/1": consumers without a connection, reached by the name of a
 * channel. C11. Rules and tags are those of abi.h.
 *
 *     const madang_background* background = api->get_extension(host, MADANG_BACKGROUND);
 *
 * Of each there is one instance per server process, from the server's start until it has drained: it is made
 * by `create`, `connect` is its start, and `disconnect` (code 1001) its stop, after the last client's
 * connection. channel_send(name) calls its `event`, and so do the groups that it is in. When one of its
 * functions fails, it is ended (`disconnect` with 1011, `destroy`) and made anew: at once, then with
 * back-off. What is sent to its channel meanwhile waits.
 *
 * Its madang_connection has a scope of type "channel" without more, the channel's name as connection_channel,
 * groups (MADANG_TO_HANDLER only), timers and report_error; accept, close and send are MADANG_INVALID.
 * `receive` is never called. [consumer] is one of the server's loops, always the same, or for MADANG_SYNC the
 * pool.
 */
#ifndef MADANG_BACKGROUND_H
#define MADANG_BACKGROUND_H

#include "madang/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MADANG_BACKGROUND "madang.background/1" /* for get_extension */

/* What one background consumer has otherwise than the server. 0 means the server's option. */
typedef struct madang_background_options {
    uint32_t struct_size;       /* sizeof(madang_background_options) */
    uint32_t handler_budget_ms; /* a handler that takes longer is logged and counted */
    /* How many wait while it is made anew, or (MADANG_SYNC) busy; more: the newest are lost, and counted. */
    uint32_t queue_events;
} madang_background_options;

/* The extension's table. */
typedef struct madang_background {
    uint32_t struct_size; /* the server's: what lies behind it is not there */
    /* [main] During init. channel: 1-99 of letters, digits, '-', '_', '.', unique in the server, not
     * beginning with "specific.". The table is copied; options may be NULL. */
    madang_status (*add)(madang_host*, madang_str channel, const madang_consumer_class*,
                         const madang_background_options*);
} madang_background;

#ifdef __cplusplus
}
#endif
#endif
