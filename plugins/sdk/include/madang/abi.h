/* Madang plugin ABI, version 1.1. C11, no dependencies.
 *
 * A plugin is a shared library, fully trusted: it runs in the server's process with the server's rights. It
 * exports one function, madang_plugin_entry, which returns a descriptor. Everything else goes through tables
 * of function pointers: the plugin's (madang_plugin_descriptor, madang_consumer_class, madang_view) and the
 * server's (madang_host_api).
 *
 * Rules that hold for every function below unless its comment says otherwise:
 *  - Nothing throws across the boundary, in either direction. A plugin's function reports failure by its
 *    return value, after saying why through report_error.
 *  - A madang_str is valid only during the call that passes it.
 *  - Tables begin with struct_size, so that later minor versions can append members: a reader uses only what
 *    lies within struct_size. A different abi_major is refused when the plugin is loaded.
 *
 * Tags used in the comments:
 *  - [main] the thread that loads plugins, before the server listens or after it drained
 *  - [consumer] the consumer's own thread: for MADANG_ASYNC its connection's loop (must not block), for
 *    MADANG_SYNC a thread of the pool; in both cases never two calls at a time for one consumer
 *  - [any] any thread
 */
#ifndef MADANG_ABI_H
#define MADANG_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MADANG_ABI_MAGIC 0x4d414441u /* "MADA": a descriptor begins with it */
#define MADANG_ABI_MAJOR 1           /* another one is refused when the plugin is loaded */
#define MADANG_ABI_MINOR 1           /* members were appended. 1: madang_consumer_class.events */

/* On the one function that a plugin exports, however its other symbols are hidden. */
#if defined(__GNUC__)
#define MADANG_EXPORT __attribute__((visibility("default")))
#else
#define MADANG_EXPORT
#endif

/* Borrowed bytes, not zero-terminated. */
typedef struct madang_str {
    const char* data; /* may be NULL where size is 0 */
    size_t size;      /* in bytes */
} madang_str;

/* A header, a query's parameter, a route's argument, a tag. */
typedef struct madang_pair {
    madang_str name;  /* in lower case where it is a header's that was received */
    madang_str value; /* as received or given */
} madang_pair;

/* How a call ended. */
typedef enum madang_status {
    MADANG_OK = 0,          /* done, or accepted */
    MADANG_FAILED = 1,      /* the plugin's function failed, and said why: 1011 (before accept: 500) */
    MADANG_INVALID = 2,     /* an argument is wrong: a group's or channel's name, a close code, a state */
    MADANG_CLOSED = 3,      /* the connection is closed or closing; nothing was sent */
    MADANG_BUSY = 4,        /* a bounded queue is full; nothing was sent; try later */
    MADANG_TOO_LARGE = 5,   /* larger than the limit that applies; nothing was sent */
    MADANG_UNSUPPORTED = 6, /* this server does not have that function or extension */
    MADANG_NOT_FOUND = 7    /* no such channel on this node */
} madang_status;

/* Of a line in the server's log; what the server's log-level leaves out is dropped. */
typedef enum madang_log_level {
    MADANG_DEBUG = 0, /* for whoever develops the plugin */
    MADANG_INFO = 1,  /* what happened */
    MADANG_WARN = 2,  /* what somebody should look at */
    MADANG_ERROR = 3  /* what failed; during init it is why the plugin is refused */
} madang_log_level;

/* Where a consumer's or view's functions run. */
typedef enum madang_kind {
    MADANG_ASYNC = 0, /* on the connection's loop: must not block; a watchdog names those that do */
    MADANG_SYNC = 1   /* on the thread pool, one call at a time per consumer: may block */
} madang_kind;

/* A message's kind: RFC 6455 5.6's opcodes. */
typedef enum madang_frame { MADANG_TEXT = 1, MADANG_BINARY = 2 } madang_frame;

/* How a group's events reach a member. */
typedef enum madang_delivery {
    MADANG_TO_HANDLER = 0, /* the consumer's event function is called with each */
    MADANG_TO_SOCKET = 1   /* the payload goes to the client as one text frame, without a call: fastest */
} madang_delivery;

/* What is done with a client that reads too slowly: when more than outbox_bytes wait for it. */
typedef enum madang_outbox_policy {
    MADANG_OUTBOX_DEFAULT = 0,     /* the server's option */
    MADANG_OUTBOX_DISCONNECT = 1,  /* close 3008 */
    MADANG_OUTBOX_DROP_OLDEST = 2, /* unsent publications make room, oldest first; counted */
    MADANG_OUTBOX_LATEST_ONLY = 3  /* of the unsent publications only the newest stays; counted */
} madang_outbox_policy;

/* -- Opaque, owned by the server */
typedef struct madang_host madang_host;             /* one per loaded plugin; lives as long as the process */
typedef struct madang_connection madang_connection; /* one per consumer; valid from create until destroy */
typedef struct madang_request madang_request;       /* one per HTTP request to a view; valid until reply */
typedef struct madang_scope madang_scope;           /* of a connection or request, and as long-lived */
/* Immutable bytes, reference-counted (atomically). However many receive it, it is encoded for the wire once
 * and parsed at most once. */
typedef struct madang_payload madang_payload;

/* -- Opaque, owned by the plugin */
typedef struct madang_plugin madang_plugin;     /* what init made, until destroy */
typedef struct madang_consumer madang_consumer; /* what create made, until destroy */

/* One value of a scope. */
typedef enum madang_scope_field {
    MADANG_SCOPE_TYPE = 0,       /* "websocket" or "http" */
    MADANG_SCOPE_HTTP_VERSION,   /* "1.1" */
    MADANG_SCOPE_METHOD,         /* "GET" */
    MADANG_SCOPE_SCHEME,         /* "ws", "wss", "http", "https"; behind a trusted proxy what it says */
    MADANG_SCOPE_PATH,           /* percent-decoded once, without the query */
    MADANG_SCOPE_RAW_PATH,       /* as received, without the query */
    MADANG_SCOPE_QUERY_STRING,   /* as received, without '?' */
    MADANG_SCOPE_ROOT_PATH,      /* "" today */
    MADANG_SCOPE_CLIENT_ADDRESS, /* "203.0.113.9"; behind a trusted proxy the client's */
    MADANG_SCOPE_CLIENT_PORT,    /* decimal; "0" when a proxy spoke for the client */
    MADANG_SCOPE_SERVER_ADDRESS, /* where the client's connection arrived */
    MADANG_SCOPE_SERVER_PORT,    /* decimal */
    MADANG_SCOPE_REQUEST_ID,     /* of the request or handshake (X-Request-ID) */
    MADANG_SCOPE_USER_ID,        /* "" for an anonymous user */
    MADANG_SCOPE_USER_JSON,      /* what is known of the user, as a JSON object; "" for an anonymous user */
    MADANG_SCOPE_SESSION_JSON    /* the session as a JSON object; "" without one */
} madang_scope_field;

/* One list of a scope, in the order received. */
typedef enum madang_scope_list {
    MADANG_SCOPE_HEADERS = 0,  /* names in lower case */
    MADANG_SCOPE_SUBPROTOCOLS, /* name = the subprotocol, value empty */
    MADANG_SCOPE_URL_ARGS      /* name = the route's parameter, value = its text */
} madang_scope_list;

/* Per-route options; 0 means the server's option of the same name. */
typedef struct madang_route_options {
    uint32_t struct_size;         /* sizeof(madang_route_options) */
    uint32_t handler_budget_ms;   /* a handler that takes longer is logged and counted */
    uint64_t max_message_bytes;   /* larger messages: close 1009. UINT64_MAX is refused */
    uint64_t outbox_bytes;        /* unsent bytes kept for a slow client before outbox_policy applies */
    uint32_t outbox_policy;       /* madang_outbox_policy */
    uint32_t messages_per_second; /* per connection; more: close 3013. UINT32_MAX: unlimited */
    uint32_t message_burst;       /* so many at once are no breach of messages_per_second */
    int32_t deflate;              /* permessage-deflate: -1 off, 0 the server's option, 1 on when offered */
    madang_str subprotocols;      /* comma-separated, preferred first; consumers may also choose in accept */
    madang_str allowed_origins;   /* comma-separated patterns; empty: the server's option */
} madang_route_options;

/* One event, as madang_consumer_class.events is told of it. Its layout never changes. */
typedef struct madang_event {
    madang_str type;         /* neighbours of one type have one pointer */
    madang_str bytes;        /* the payload's */
    madang_payload* payload; /* borrowed */
    uint64_t offset;         /* of a publication that is kept; else 0 */
} madang_event;

/* What one member is told at once, in order. */
typedef struct madang_events {
    const madang_event* list; /* borrowed */
    size_t count; /* set to 0 by the server when the connection closes meanwhile: the rest is not for it */
    size_t at; /* set by the plugin: which it handles, for the calls that it makes meanwhile and for logs */
} madang_events;

/* A class of consumers: one instance per connection. */
typedef struct madang_consumer_class {
    uint32_t struct_size; /* sizeof(madang_consumer_class) */
    uint32_t kind;        /* madang_kind */
    madang_str name;      /* for logs and metrics, e.g. "ChatConsumer"; must outlive the plugin */
    void* context;        /* passed to create */
    /* Joined (MADANG_TO_HANDLER) before connect, left after disconnect; NULL for none. */
    const madang_str* groups;
    size_t groups_count; /* of groups */

    /* [consumer] Makes the instance. NULL: failed (report_error said why); the handshake is answered 500. */
    madang_consumer* (*create)(void* context, madang_connection* connection);
    /* [consumer] The handshake arrived. Call accept or close now or later (before the handshake times out:
     * 403). */
    madang_status (*connect)(madang_consumer*);
    /* [consumer] A whole message from the client, only after accept. The payload is borrowed: retain it to
     * keep it. */
    madang_status (*receive)(madang_consumer*, madang_frame, madang_payload*);
    /* [consumer] An event sent to one of its groups or to its channel. The payload is borrowed. */
    madang_status (*event)(madang_consumer*, madang_str type, madang_payload*);
    /* [consumer] A timer started with timer_start fired. */
    madang_status (*timer)(madang_consumer*, uint64_t timer_id);
    /* [consumer] The connection is gone; code as in RFC 6455 7.4: what the client sent, 1005 without a code,
     * 1006 when it was lost, or what close was called with. Called exactly once if connect was called. */
    madang_status (*disconnect)(madang_consumer*, uint16_t code);
    /* [consumer] Last call. */
    void (*destroy)(madang_consumer*);
    /* [consumer] Since 1.1; NULL: `event` is called for each. The same in one call, which costs less: `at`
     * goes from 0 to count, which is read anew each time. On failure `at` is the one that failed, and the
     * rest is not told. */
    madang_status (*events)(madang_consumer*, madang_events*);
} madang_consumer_class;

/* An HTTP view. */
typedef struct madang_view {
    uint32_t struct_size; /* sizeof(madang_view) */
    uint32_t kind;        /* madang_kind */
    madang_str name;      /* for logs and metrics; must outlive the plugin */
    void* context;        /* passed to handle */
    /* MADANG_ASYNC: on the connection's loop; MADANG_SYNC: on the pool. Must lead to exactly one reply, now
     * or later and from any thread; returning other than MADANG_OK without having replied answers 500. No
     * reply within the server's view timeout answers 504. */
    madang_status (*handle)(void* context, madang_request*);
} madang_view;

/* The server's functions, the same table for every plugin. */
typedef struct madang_host_api {
    uint32_t struct_size; /* the server's: what lies behind it is not there */
    uint16_t abi_major;   /* MADANG_ABI_MAJOR of the server */
    uint16_t abi_minor;   /* MADANG_ABI_MINOR of the server */

    /* -- Registration */
    /* [main] During init only. Pattern: Django's path converters, e.g. "/ws/chat/<str:room>/". Tables are
     * copied; names must outlive the plugin. First match wins, in the order of registration. options may be
     * NULL. MADANG_INVALID: malformed, already taken, or not during init. */
    madang_status (*route_websocket)(madang_host*, madang_str pattern, const madang_consumer_class*,
                                     const madang_route_options*);
    /* [main] During init only; the rest as above. methods: comma-separated, "GET,POST". */
    madang_status (*route_http)(madang_host*, madang_str methods, madang_str pattern, const madang_view*,
                                const madang_route_options*);
    /* [any] The plugin's section of the configuration, [plugin.ID], as a JSON object; "{}" without one.
     * Valid for ever. */
    madang_str (*config_json)(madang_host*);

    /* -- Payloads */
    /* [any] Copies. One reference, the caller's to release. Never NULL. */
    madang_payload* (*payload_new)(madang_host*, madang_str bytes);
    void (*payload_retain)(madang_payload*);            /* [any] one reference more, the caller's */
    void (*payload_release)(madang_payload*);           /* [any] one reference less; the last one frees it */
    madang_str (*payload_bytes)(const madang_payload*); /* [any] valid while the caller holds a reference */
    /* [any] The payload's parsed form under `key` (a string that names type and layout, e.g.
     * "nlohmann::json/3.11.2"), made by make(bytes) on first use and kept until the payload dies. make may
     * return NULL (not parsable), which is remembered too. Concurrent first calls are serialised. */
    const void* (*payload_parsed)(madang_payload*, const char* key, void* (*make)(madang_str),
                                  void (*destroy)(void*));

    /* -- Scope: on the thread that owns the connection or request */
    /* [consumer], or the view's thread. Valid as long as the scope; empty where nothing is known. */
    madang_str (*scope_get)(const madang_scope*, madang_scope_field);
    size_t (*scope_count)(const madang_scope*, madang_scope_list); /* as scope_get: how many there are */
    /* As scope_get; both texts empty when index is not below scope_count. */
    madang_pair (*scope_at)(const madang_scope*, madang_scope_list, size_t index);

    /* -- A connection */
    const madang_scope* (*connection_scope)(madang_connection*); /* [consumer] lives as the connection does */
    /* [consumer] Its channel's name, which others send to; valid as long as the connection. */
    madang_str (*connection_channel)(madang_connection*);
    /* [consumer] Answers the handshake: 101. Empty subprotocol: none, or the route's first that was offered.
     * MADANG_INVALID: already accepted, a subprotocol that was not offered, or a malformed header.
     * headers: besides the handshake's own; NULL for none. */
    madang_status (*accept)(madang_connection*, madang_str subprotocol, const madang_pair* headers,
                            size_t count);
    /* [consumer] Before accept: answers 403. After: sends a close frame with code (1000, 3000-4999, or 1001,
     * 1003, 1007-1014 of the RFC) and reason (at most 123 bytes of UTF-8, cut at a character). 0 means 1000.
     */
    madang_status (*close)(madang_connection*, uint16_t code, madang_str reason);
    /* [consumer] Copies. Written at the end of the loop's turn. MADANG_INVALID: before accept. */
    madang_status (*send)(madang_connection*, madang_frame, madang_str bytes);
    /* [consumer] As send, and adds a reference instead of a copy; the caller keeps its own. */
    madang_status (*send_payload)(madang_connection*, madang_frame, madang_payload*);
    /* [consumer] Idempotent; the last delivery wins. MADANG_BUSY: as many groups as a connection may have. */
    madang_status (*group_add)(madang_connection*, madang_str group, madang_delivery);
    madang_status (*group_discard)(madang_connection*, madang_str group); /* [consumer] silent when absent */
    /* [consumer] Fires timer(timer_id) after delay_ms, then every repeat_ms if not 0. Starting a running id
     * restarts it. At most 16 per connection (MADANG_BUSY). Resolution 10 ms. */
    madang_status (*timer_start)(madang_connection*, uint64_t timer_id, uint64_t delay_ms,
                                 uint64_t repeat_ms);
    void (*timer_cancel)(madang_connection*, uint64_t timer_id); /* [consumer] silent when it does not run */
    /* [consumer] Says what went wrong in handler `where` ("receive", "chat_message", ...) before returning
     * MADANG_FAILED. Logged with plugin, consumer, handler and request id; counted. */
    void (*report_error)(madang_connection*, madang_str where, madang_str what);

    /* -- The channel layer */
    /* [any] At most once; events of one sender to one group arrive in the order sent. MADANG_OK: accepted.
     * The payload is borrowed. type: 1-255 bytes; a leading '_' or '.' is MADANG_INVALID. */
    madang_status (*group_send)(madang_host*, madang_str group, madang_str type, madang_payload*);
    /* [any] Likewise, to the one consumer of that channel. MADANG_NOT_FOUND: there is none. */
    madang_status (*channel_send)(madang_host*, madang_str channel, madang_str type, madang_payload*);

    /* -- HTTP views */
    const madang_scope* (*request_scope)(madang_request*); /* on the view's thread; valid until reply */
    madang_payload* (*request_body)(madang_request*);      /* on the view's thread; borrowed until reply */
    /* [any] Exactly once; the request is gone afterwards. content-length, transfer-encoding, connection,
     * keep-alive, upgrade, trailer, date and x-request-id are the server's: given here, they are left out.
     * MADANG_INVALID: status outside 200-599 or a malformed header (answers 500). */
    madang_status (*reply)(madang_request*, uint16_t status, const madang_pair* headers, size_t count,
                           madang_str body);

    /* -- Everything else */
    /* [any] event: a stable name for machines; message: for people. The server adds the plugin's id. */
    void (*log)(madang_host*, madang_log_level, madang_str event, madang_str message);
    uint64_t (*now_ms)(madang_host*); /* [any] steady, from an arbitrary start: for cooldowns and the like */
    /* [any] Optional features by name and major version, e.g. "madang.jobs/1": a table, or NULL. Valid for
     * ever. */
    const void* (*get_extension)(madang_host*, const char* name);
} madang_host_api;

/* What a plugin exports. Must stay valid for ever (usually static). */
typedef struct madang_plugin_descriptor {
    uint32_t magic;       /* MADANG_ABI_MAGIC */
    uint32_t struct_size; /* sizeof(madang_plugin_descriptor) */
    uint16_t abi_major;   /* MADANG_ABI_MAJOR it was built with */
    uint16_t abi_minor;   /* what it may use; a server with an older minor version refuses it */
    const char* id;       /* [a-z0-9_-]{1,64}, unique among the loaded */
    const char* version;  /* "1.2.0" */
    const char* summary;  /* one line about it, in the admin API; may be NULL */
    /* [main] Once. Registers routes. NULL: failed, after log(MADANG_ERROR, ...) said why; the server then
     * refuses to start. */
    madang_plugin* (*init)(madang_host*, const madang_host_api*);
    /* [main] After every consumer was destroyed. The library is never unloaded. */
    void (*destroy)(madang_plugin*);
    /* [main] Optional tables of the plugin's own by name, or NULL. */
    const void* (*get_extension)(madang_plugin*, const char* name);
} madang_plugin_descriptor;

typedef const madang_plugin_descriptor* (*madang_plugin_entry_fn)(void); /* madang_plugin_entry's type */
#define MADANG_PLUGIN_ENTRY "madang_plugin_entry" /* the name that the server looks up */
/* [main] The one symbol that a plugin exports: returns the same descriptor each time, never NULL. */
MADANG_EXPORT const madang_plugin_descriptor* madang_plugin_entry(void);

#ifdef __cplusplus
}
#endif
#endif
