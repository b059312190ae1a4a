/* The extension table "madang.streams/1": what is kept of groups, who is in them, and calls by clients of the
 * client protocol. C11. Rules and tags are those of abi.h.
 *
 *     const madang_streams* streams = api->get_extension(host, MADANG_STREAMS);
 *
 * A group's namespace (what stands before its first ':') says what is kept; the server's documentation lists
 * the options. A publication goes to every member of the group, whatever it speaks, and stays in the group's
 * history when its namespace keeps one:
 *  - MADANG_TO_HANDLER members get event(type "publication", payload = the data); `publication` below tells
 *    the rest,
 *  - MADANG_TO_SOCKET members' clients get the data as one text frame,
 *  - clients of the client protocol get it as a publication.
 * group_send stays what it is: live only, never kept, and not seen by clients of the client protocol.
 *
 * Answers. A function that takes `answer` returns at once; MADANG_OK: the answer comes exactly once, unless
 * the server stops before, or, with a connection, that connection's consumer is gone before. Other than
 * MADANG_OK: nothing was done, neither `answer` nor `drop` is called.
 *  - connection NULL: on any thread, perhaps before the function returned; it must not block.
 *  - a connection (call [consumer] only, with that consumer's): on the consumer's thread, after the call that
 *    asks.
 *
 * `drop`, when not NULL, is called once per `context`, on any thread, when it is needed no more: after
 * the answer, or when no answer will come. What an answer points to lives as long as the call.
 */
#ifndef MADANG_STREAMS_H
#define MADANG_STREAMS_H

#include "madang/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MADANG_STREAMS "madang.streams/1" /* for get_extension */

/* Which stream, and where in it. Another epoch: offsets count something else now. Offsets begin at 1; {"",
 * 0}: nothing is kept. */
typedef struct madang_position {
    madang_str epoch; /* which life of the stream */
    uint64_t offset;  /* which publication of that life */
} madang_position;

/* Why there is no answer. `code` as in the client protocol: 100 internal, 102 no such namespace, 107 bad
 * request (a group's name, data that is not JSON), 108 not available (history or presence is off), 112 the
 * position is not kept any more, 503 busy, 530 the disk is full, 531 the store failed. */
typedef struct madang_failure {
    uint32_t code;      /* for machines */
    madang_str message; /* for people */
} madang_failure;

/* A member. */
typedef struct madang_client_info {
    madang_str client;    /* unique per connection; a consumer's is its channel name */
    madang_str user;      /* "" for an anonymous user */
    madang_str conn_info; /* JSON or "": what its token says of the connection */
    madang_str chan_info; /* JSON or "": what its token says of it in this group */
} madang_client_info;

/* What was published to a group. */
typedef struct madang_publication {
    uint32_t struct_size;    /* sizeof(madang_publication) */
    madang_payload* data;    /* borrowed */
    uint64_t offset;         /* 0: not kept */
    int64_t time_ms;         /* Unix time */
    int32_t has_info;        /* 0: the server published it, `info` is empty */
    madang_client_info info; /* who published it */
    const madang_pair* tags; /* in the order given */
    size_t tags_count;       /* of tags */
} madang_publication;

/* How something is published. */
typedef struct madang_publish_options {
    uint32_t struct_size; /* sizeof(madang_publish_options) */
    int32_t skip_history; /* not 0: live only */
    /* A second publish with it within 5 minutes is answered like the first, and not sent. "": none. */
    madang_str idempotency_key;
    const madang_client_info* info; /* on whose behalf; NULL: the server's */
    const madang_pair* tags;        /* travel with the publication; NULL for none */
    size_t tags_count;              /* of tags */
} madang_publish_options;

/* Which part of a group's history. */
typedef struct madang_history_query {
    uint32_t struct_size; /* sizeof(madang_history_query) */
    int32_t reverse;      /* not 0: newest first */
    uint64_t limit;       /* 0: the position only; UINT64_MAX: all that is kept */
    /* Publications behind it (in reverse: before it), not itself. NULL: from the oldest (newest). */
    const madang_position* since;
} madang_history_query;

/* A part of a group's history. */
typedef struct madang_history_page {
    madang_position top;                    /* of the stream now */
    const madang_publication* publications; /* in the order asked for */
    size_t count;                           /* of publications */
} madang_history_page;

/* Which members of a group. */
typedef struct madang_presence_query {
    uint32_t struct_size; /* sizeof(madang_presence_query) */
    uint64_t limit;       /* 0: 1000 */
    madang_str after;     /* the next page: the last client of the page before. "": the first page */
} madang_presence_query;

/* One who is there. */
typedef struct madang_present {
    madang_client_info who; /* the connection */
    int64_t since_ms;       /* Unix time at which it joined */
} madang_present;

/* Some of those who are there. */
typedef struct madang_presence_page {
    const madang_present* clients; /* by client, ascending */
    size_t count;                  /* of clients */
    int32_t more;                  /* not 0: there is another page */
} madang_presence_page;

/* How many are there. */
typedef struct madang_presence_counts {
    uint64_t clients; /* connections */
    uint64_t users;   /* several connections of one user are one; each anonymous connection is one */
} madang_presence_counts;

/* One who was there. */
typedef struct madang_last_seen {
    madang_str user; /* never "": anonymous users are not listed */
    int64_t time_ms; /* Unix time at which the user's last connection left; who is there is not listed */
} madang_last_seen;

/* `failed` NULL: what follows it is the answer. Otherwise that is empty (NULL where it is a pointer).
 * position: the publication's; {"", 0} where nothing is kept. */
typedef void (*madang_publish_answer)(void* context, const madang_failure* failed, madang_position position);
/* As madang_publish_answer: `failed`, or the page. */
typedef void (*madang_history_answer)(void* context, const madang_failure* failed,
                                      const madang_history_page* page);
/* As madang_publish_answer: `failed`, or the page. */
typedef void (*madang_presence_answer)(void* context, const madang_failure* failed,
                                       const madang_presence_page* page);
/* As madang_publish_answer: `failed`, or the counts. */
typedef void (*madang_counts_answer)(void* context, const madang_failure* failed,
                                     const madang_presence_counts* counts);
/* As madang_publish_answer: `failed`, or the users, newest first. */
typedef void (*madang_last_seen_answer)(void* context, const madang_failure* failed,
                                        const madang_last_seen* users, size_t count);
/* Frees what `context` points to. On any thread; see "Answers" above. */
typedef void (*madang_drop)(void* context);

/* A client's rpc call, or message. Opaque, the server's; valid until answered (a message: until the handler
 * returned). */
typedef struct madang_rpc madang_rpc;

/* One text of a call. */
typedef enum madang_rpc_field {
    MADANG_RPC_METHOD = 0,    /* "" for a message */
    MADANG_RPC_DATA = 1,      /* JSON or "" */
    MADANG_RPC_CLIENT = 2,    /* the connection's id */
    MADANG_RPC_USER = 3,      /* "" for an anonymous user */
    MADANG_RPC_CONN_INFO = 4, /* JSON or "" */
    MADANG_RPC_TRANSPORT = 5  /* "websocket", "http_stream", "sse" */
} madang_rpc_field;

/* MADANG_ASYNC: on the client's loop, must not block; MADANG_SYNC: on the pool. Of a method's calls several
 * may run at a time, on different threads. Must lead to exactly one rpc_reply or rpc_fail, now or later and
 * from any thread; returning other than MADANG_OK without having answered answers 100. A message is never
 * answered. */
typedef madang_status (*madang_rpc_handler)(void* context, madang_rpc* call);

/* The extension's table. */
typedef struct madang_streams {
    uint32_t struct_size; /* the server's: what lies behind it is not there */

    /* [main] During init. What applies to groups named "NAME:…", as a JSON object, e.g. {"history_size":50,
     * "history_ttl":"24h"}. The configuration file's [namespace.NAME] is stronger, value by value.
     * MADANG_INVALID (logged): an unknown option or wrong value, another plugin's namespace, not during init.
     */
    madang_status (*declare_namespace)(madang_host*, madang_str name, madang_str json);

    /* [any], with a connection [consumer]. Answered when it is as durable as its namespace asks, and only
     * then do members receive it. The payload is borrowed. options, answer: may be NULL. MADANG_INVALID: a
     * malformed group name. */
    madang_status (*publish)(madang_host*, madang_connection*, madang_str group, madang_payload* data,
                             const madang_publish_options* options, madang_publish_answer answer,
                             void* context, madang_drop drop);
    /* [any], with a connection [consumer]. Asked by a member after group_add, the page and the events that
     * this member gets leave out no publication; some may come both ways: their offsets tell. query NULL: the
     * position only. */
    madang_status (*history)(madang_host*, madang_connection*, madang_str group,
                             const madang_history_query* query, madang_history_answer answer, void* context,
                             madang_drop drop);
    /* [any], with a connection [consumer]. Who is there. query NULL: the first page. */
    madang_status (*presence)(madang_host*, madang_connection*, madang_str group,
                              const madang_presence_query* query, madang_presence_answer answer,
                              void* context, madang_drop drop);
    /* [any], with a connection [consumer]. How many are there. */
    madang_status (*presence_stats)(madang_host*, madang_connection*, madang_str group,
                                    madang_counts_answer answer, void* context, madang_drop drop);
    /* [any], with a connection [consumer]. The users who left last, at most `limit`. */
    madang_status (*last_seen)(madang_host*, madang_connection*, madang_str group, uint64_t limit,
                               madang_last_seen_answer answer, void* context, madang_drop drop);
    /* [consumer] Within event(type "publication"): what is known of it, valid during that call. The caller
     * sets struct_size. MADANG_INVALID: no publication is being delivered. */
    madang_status (*publication)(madang_connection*, madang_publication* result);

    /* [main] During init. Clients' calls of `method` go to the handler; kind: madang_kind. MADANG_INVALID:
     * taken, or not 1-255 bytes. */
    madang_status (*register_rpc)(madang_host*, madang_str method, uint32_t kind, madang_rpc_handler handler,
                                  void* context);
    /* [main] During init. Clients' messages ("send") go to every handler registered so, one after the other.
     */
    madang_status (*register_message)(madang_host*, uint32_t kind, madang_rpc_handler handler, void* context);
    /* [any], until answered. */
    madang_str (*rpc_get)(const madang_rpc*, madang_rpc_field);
    /* [any], until answered. Of the HTTP request with which the client came; NULL: not known. */
    const madang_scope* (*rpc_scope)(const madang_rpc*);
    /* [any] This or rpc_fail, once; the call is gone afterwards. json: one JSON value, or "". */
    madang_status (*rpc_reply)(madang_rpc*, madang_str json);
    /* [any] This or rpc_reply, once; the call is gone afterwards. code: 400-1999 for the plugin's own, or the
     * client protocol's; below 400 the message is the protocol's own. */
    madang_status (*rpc_fail)(madang_rpc*, uint32_t code, madang_str message);
} madang_streams;

#ifdef __cplusplus
}
#endif
#endif
