/* The extension table "madang.jobs/1": tasks, jobs and schedules. C11. Rules and tags are those of abi.h;
 * answers are as in streams.h.
 *
 *     const madang_jobs* jobs = api->get_extension(host, MADANG_JOBS);
 *
 * A task is a function that is registered during init. A job is one run of it: in a worker's child process,
 * which has loaded the same plugin and where the whole of the host's functions work too, or, for tasks that
 * ask for it, on a thread of the server's. A job runs at least once; words, options and JSON forms are those
 * of docs/jobs.md.
 */
#ifndef MADANG_JOBS_H
#define MADANG_JOBS_H

#include "madang/abi.h"
#include "madang/streams.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MADANG_JOBS "madang.jobs/1" /* for get_extension */

/* One attempt of a job. Opaque, the server's; valid until the task's function returned. */
typedef struct madang_job madang_job;

/* One text of a job. */
typedef enum madang_job_field {
    MADANG_JOB_ID = 0,             /* the same for all its attempts */
    MADANG_JOB_TASK = 1,           /* its name, as registered */
    MADANG_JOB_QUEUE = 2,          /* where it waited */
    MADANG_JOB_ARGS = 3,           /* a JSON array */
    MADANG_JOB_KWARGS = 4,         /* a JSON object */
    MADANG_JOB_HEADERS = 5,        /* a JSON object or "" */
    MADANG_JOB_CORRELATION_ID = 6, /* of the request that it came from, or "" */
    MADANG_JOB_PARENT_ID = 7,      /* of the job before it, or that enqueued it; or "" */
    MADANG_JOB_ROOT_ID = 8,        /* of its workflow's first job; its own where it stands alone */
    MADANG_JOB_CHECKPOINT = 9,     /* what the last attempt saved, or "" */
    MADANG_JOB_TRACEPARENT = 10    /* W3C, of this attempt, for what it asks others; "": it is not traced */
} madang_job_field;

/* One number of a job. */
typedef enum madang_job_number {
    MADANG_JOB_RETRIES = 0,     /* attempts before this one that failed; not those that were lost */
    MADANG_JOB_MAX_RETRIES = 1, /* -1: for ever */
    MADANG_JOB_DEADLINE_MS = 2, /* Unix time of the hard limit; 0: none */
    MADANG_JOB_LOSSES = 3       /* attempts whose worker died */
} madang_job_number;

/* Why a job should stop. Asked for by the task itself, at moments that suit it. */
typedef enum madang_job_stop {
    MADANG_JOB_GO_ON = 0,     /* there is no reason to */
    MADANG_JOB_CANCELLED = 1, /* end it as you like: it is revoked whatever it answers */
    MADANG_JOB_SOFT_LIMIT = 2 /* the hard limit is next, and it kills */
} madang_job_stop;

/* How an attempt ended; which members of madang_job_end count. */
typedef enum madang_job_outcome {
    MADANG_JOB_SUCCESS = 0, /* json: the result, one JSON value or "" (null) */
    MADANG_JOB_FAILURE = 1, /* type, message: of the error; retried as the task's options say */
    MADANG_JOB_RETRY = 2,   /* the same, whatever the error's type; after_ms, or -1 as the options say */
    MADANG_JOB_REJECT = 3,  /* to the dead letters; after_ms >= 0: back to its queue instead, after so long */
    MADANG_JOB_IGNORE = 4   /* no result, no further step */
} madang_job_outcome;

/* An attempt's end. What an outcome does not need is empty. */
typedef struct madang_job_end {
    uint32_t struct_size;  /* sizeof(madang_job_end) */
    uint32_t outcome;      /* madang_job_outcome */
    madang_str json;       /* the result */
    madang_str error_type; /* e.g. "std::runtime_error"; what autoretry_for compares */
    madang_str message;    /* of the error, for people */
    madang_str trace;      /* where it happened, for people; kept with the error */
    int64_t after_ms;      /* of MADANG_JOB_RETRY and MADANG_JOB_REJECT */
} madang_job_end;

/* [worker] One job at a time per child process; several at a time, on different threads, for in-process
 * tasks. Must call job_end once before it returns MADANG_OK; another status is a failure. */
typedef madang_status (*madang_task_handler)(void* context, madang_job* job);

/* How jobs are enqueued. */
typedef struct madang_enqueue_options {
    uint32_t struct_size; /* sizeof(madang_enqueue_options) */
    int32_t durability;   /* -1: the server's option, 0 buffered, 1 synced */
    /* A second enqueue with it within 5 minutes is answered like the first, and does nothing. "": none. */
    madang_str idempotency_key;
    /* "": of the connection, request or job that is being handled, where that is known. */
    madang_str correlation_id;
} madang_enqueue_options;

/* `json` of enqueue: {"jobs":[{"id":…,"duplicate":false,"children":[…]}],"repeated":false}; of cancel:
 * {"cancelled":1}; of find: as GET /api/jobs/{id}. Failures besides streams.h's: 404 no such job (find), 413
 * arguments that are too large, 470 unknown task. */
typedef void (*madang_json_answer)(void* context, const madang_failure* failed, madang_str json);

/* The extension's table. */
typedef struct madang_jobs {
    uint32_t struct_size; /* the server's: what lies behind it is not there */

    /* [main] During init. options: a JSON object with Celery's names (docs/jobs.md), or "". MADANG_INVALID
     * (logged): a name that is taken or not 1-255 bytes of printable ASCII, an unknown option or wrong value.
     */
    madang_status (*register_task)(madang_host*, madang_str name, madang_str options,
                                   madang_task_handler handler, void* context);
    /* [main] During init. json: a signature or workflow with `every` or `cron` (docs/jobs.md). The
     * configuration file's [schedule.NAME] is stronger. MADANG_INVALID (logged): what is wrong with it, or a
     * name that is taken. */
    madang_status (*declare_schedule)(madang_host*, madang_str name, madang_str json);

    /* [any], with a connection [consumer]. json: one signature or workflow, or an array of them: all or none.
     * Answered when it is as durable as asked. options, answer: may be NULL. */
    madang_status (*enqueue)(madang_host*, madang_connection*, madang_str json,
                             const madang_enqueue_options* options, madang_json_answer answer, void* context,
                             madang_drop drop);
    /* [any], with a connection [consumer]. Whatever stage it is at; by the id that a workflow was answered
     * with, all of its jobs. answer may be NULL. */
    madang_status (*cancel)(madang_host*, madang_connection*, madang_str id, madang_str reason,
                            madang_json_answer answer, void* context, madang_drop drop);
    /* [any], with a connection [consumer]. What is known of a job; waits at most so long for its end. */
    madang_status (*find)(madang_host*, madang_connection*, madang_str id, uint64_t wait_ms,
                          madang_json_answer answer, void* context, madang_drop drop);

    /* [worker] This and what follows: while the task's function runs, from any of its threads. What is given
     * lives as long as the job. */
    madang_str (*job_get)(const madang_job*, madang_job_field);
    int64_t (*job_number)(const madang_job*, madang_job_number); /* [worker] */
    madang_job_stop (*job_stop)(const madang_job*);              /* [worker] never blocks */
    /* [worker] Waits, at most so long, until there is a reason to stop. */
    madang_job_stop (*job_wait_stop)(const madang_job*, uint64_t ms);
    /* [worker] json: one value. Told to whom the job notifies; reports that come faster than they can be told
     * are merged. MADANG_TOO_LARGE: more than --job-result-bytes. */
    madang_status (*job_progress)(madang_job*, madang_str json);
    /* [worker] Blocks; returns when it is kept: the next attempt finds it. At most --job-checkpoint-bytes.
     * MADANG_CLOSED: the lease is lost, another worker has the job. */
    madang_status (*job_checkpoint)(madang_job*, madang_str data);
    /* [worker] Exactly once, before the function returns MADANG_OK. Copies. */
    madang_status (*job_end)(madang_job*, const madang_job_end*);
} madang_jobs;

#ifdef __cplusplus
}
#endif
#endif
