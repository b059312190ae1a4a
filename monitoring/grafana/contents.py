"""What the dashboards show: (file, title, what it is for, rows of panels). Every panel says what it tells and what to do."""
from forms import BAD, GOOD, WARN, heat, quantile, rate, series, stat

YES_NO = {1: ("yes", GOOD), 0: ("no", BAD)}
I = "{{instance}}"


def quantiles(metric, by=""):
    return [(quantile(0.5, metric, by), "half are faster"), (quantile(0.99, metric, by), "99 % are faster")]


OVERVIEW = [
    ("Now", [
        stat("Nodes up", "Nodes that Prometheus reaches. One missing: see its host, then docs/alerts.md, MadangNodeDown.",
             "sum(up)", limits=((BAD, None), (GOOD, 1))),
        stat("All ready", "Whether /readyz of every node says 200. `no` while a node drains or its store refuses: look at Storage.",
             "min(madang_ready)", mapping=YES_NO),
        stat("Alerts", "Madang's alerts that fire. Each has a section in docs/alerts.md.",
             'sum(ALERTS{alertstate="firing",alertname=~"Madang.+"}) or vector(0)', limits=((GOOD, None), (BAD, 1))),
        stat("Connections", "WebSocket connections open now, all nodes together.", "sum(madang_connections_open)"),
        stat("Deliveries", "Events that reach members of groups, per second.", "sum(rate(madang_deliveries_total[R]))", unit="ops"),
        stat("Jobs waiting", "Jobs that are due and wait for a worker. Growing: more workers, or look at Jobs.",
             'sum(madang_job_queue_depth{state="ready"}) or vector(0)', limits=((GOOD, None), (WARN, 1000))),
    ]),
    ("Traffic", [
        series("Connections", "Open WebSocket connections of each node. A step down on one node: it drained, died or refused.",
               ("madang_connections_open", I)),
        series("Messages", "Whole messages from clients, and what was handed to their sockets.",
               ("sum(rate(madang_messages_in_total[R]))", "in"), ("sum(rate(madang_messages_out_total[R]))", "out"), unit="ops"),
        series("HTTP", "Answers by class of status. 5xx: views that fail or are too slow; the log names them.",
               (rate("madang_http_requests_total", "status"), "{{status}}"), unit="reqps", stacked=True),
    ]),
    ("Is it quick?", [
        series("Turns of the loops", "99 % of the loops' turns are shorter. Above 50 ms everything on that node is late: a plugin "
               "blocks its loop (see Plugins), or there is too little CPU.",
               (quantile(0.99, "madang_turn_seconds"), I), unit="s", limit=0.05),
        series("Start of jobs", "99 % of the jobs begin sooner after they are due. Longer: too few workers, see Jobs.",
               (quantile(0.99, "madang_job_start_seconds", ""), "99 %"), unit="s"),
    ]),
    ("What it takes", [
        series("CPU", "Cores that a node uses. At its number of loops it is at its limit.",
               ("rate(process_cpu_seconds_total[R])", I), unit="none"),
        series("Memory", "Resident memory. It follows connections and the store's options; growing alone it is a leak to report.",
               ("process_resident_memory_bytes", I), unit="bytes"),
        series("Errors", "Lines of the log at level error, and warn. The log of that node says what.",
               ('sum by (instance) (rate(madang_log_lines_total{level="error"}[R]))', I + " error"),
               ('sum by (instance) (rate(madang_log_lines_total{level="warn"}[R]))', I + " warn"), unit="ops"),
    ]),
]

CONNECTIONS = [
    ("Connections", [
        series("Open", "Connections that a consumer accepted.", ("madang_connections_open", I)),
        series("Slots used", "Share of max-connections, or of what the open-file limit leaves. Near 1, newcomers get 503: raise "
               "LimitNOFILE, or add a node.",
               ("madang_connection_slots_used / (madang_connection_slots > 0)", I), unit="percentunit", limit=0.85),
        series("Opened", "Handshakes that a consumer accepted. A peak after a restart is clients coming back.",
               (rate("madang_connections_opened_total"), I), unit="ops"),
        series("Closed, by code", "1000, 1001: they left; 1006: the network; 1011: a plugin failed; 3008: too slow to read; 3012: "
               "no pong; 3013: sent too much. docs/client-protocol.md has all.",
               (rate("madang_closes_total", "code"), "{{code}}"), unit="ops", stacked=True),
        series("Refused, by reason", "`limit`: no slot left; `origin`: see allowed-origins; `token`: see the log's token.refused.",
               (rate("madang_connections_refused_total", "reason"), "{{reason}}"), unit="ops", stacked=True),
        series("Handshakes", "From the request's head to the consumer's accept. Slow: a connect handler asks somebody who is slow.",
               *quantiles("madang_handshake_seconds"), unit="s"),
    ]),
    ("Groups", [
        series("Groups", "Groups with at least one member.", ("madang_groups", I)),
        series("Memberships", "The sum of all groups' members: what a publication to everybody costs.", ("madang_group_members", I)),
        series("Sent and delivered", "Events sent to groups, and what reached their members. Their ratio is the fan-out.",
               ("sum(rate(madang_publications_total[R]))", "sent"), ("sum(rate(madang_deliveries_total[R]))", "delivered"), unit="ops"),
    ]),
    ("Slow readers", [
        series("Waiting in outboxes", "Bytes for clients that do not read as fast as they are sent to. Per connection it is "
               "bounded by ws-outbox-bytes.", ("madang_outbox_bytes", I), unit="bytes"),
        series("Lost, by policy", "What did not fit an outbox. `disconnect`: that client was closed (3008) and comes back; the others: "
               "it misses publications, as its route wants it.",
               (rate("madang_outbox_drops_total", "policy"), "{{policy}}"), unit="ops"),
        series("Not read", "Connections whose reading is paused until what they sent is accepted. For long: the store or a plugin "
               "cannot follow.", ("madang_connections_paused", I)),
    ]),
    ("On the wire", [
        series("Bytes", "Of WebSocket connections, in and out.", ("sum(rate(madang_bytes_in_total[R]))", "in"),
               ("sum(rate(madang_bytes_out_total[R]))", "out"), unit="Bps"),
        heat("Writes", "Bytes of one write to a socket. The larger, the better messages are gathered.", "madang_write_bytes", unit="bytes"),
    ]),
]

STREAMS = [
    ("Clients", [
        series("Client sessions begun", "Connections of the client protocol by transport; a long poll counts each time.",
               (rate("madang_client_connections_total", "transport"), "{{transport}}"), unit="ops"),
        series("Told that something is missing", "Subscriptions that lost something or whose stream began anew (2500, 3010); their "
               "clients ask again. Seldom, unless a node died.", (rate("madang_streams_lost_total"), I), unit="ops"),
        series("Tokens refused", "Bearer tokens by reason. `expired` in numbers: clocks differ, or the backend does not refresh.",
               (rate("madang_tokens_refused_total", "reason") + " or vector(0)", "{{reason}}"), unit="ops"),
    ]),
    ("History", [
        series("Streams in memory", "Streams whose state the store keeps in memory; at most store-streams.", ("madang_store_streams", I)),
        series("Latest publications in memory", "At most store-tail-bytes; what is older comes from the disk.",
               ("madang_store_tail_bytes", I), unit="bytes"),
        series("Read from disk", "Requests whose answer was not in memory. Many: raise store-tail-bytes or store-streams.",
               (rate("madang_store_disk_reads_total"), I), unit="ops"),
        series("Not accepted", "Events sent to groups when a bounded queue was full. Senders were told busy.",
               (rate("madang_publications_refused_total"), I), unit="ops"),
    ]),
    ("Presence", [
        series("Present", "Connections present, summed over groups.", ("madang_store_present", I)),
        series("Not written yet", "Entries that the store refused; they are tried again (presence-retry). Above 0 for long: see Storage.",
               ("madang_presence_unwritten", I), limit=1),
    ]),
    ("Streams that move", [
        series("Handed over", "Streams given to the node that owns their group now, and taken over. After a change of the cluster only.",
               ("sum(rate(madang_cluster_streams_given_total[R]))", "given"),
               ("sum(rate(madang_cluster_streams_taken_total[R]))", "taken"), unit="ops"),
        series("Awaited", "Streams that a node waits for. For longer than cluster-hand-over-timeout: look at Cluster.",
               ("madang_cluster_streams_awaited", I)),
        series("Began anew, by reason", "Streams whose last owner did not hand them over: their subscribers were told. `nothing`: there was "
               "none; `timeout`, `link`: it died or was slow.",
               (rate("madang_cluster_streams_anew_total", "reason"), "{{reason}}"), unit="ops"),
    ]),
]

JOBS = [
    ("Now", [
        stat("Oldest", "How long the oldest of them has waited. Longer than its users accept: more workers.",
             "max(madang_job_queue_oldest_seconds) or vector(0)", unit="s", limits=((GOOD, None), (WARN, 60), (BAD, 300))),
        stat("Running", "Jobs that are with a worker.", "sum(madang_jobs_running)"),
        stat("Dead letters", "Jobs that failed for good. `madang job list --dead` says why; then requeue or discard them.",
             'sum(madang_job_queue_depth{state="dead"}) or vector(0)', limits=((GOOD, None), (BAD, 1))),
        stat("Workers", "Worker processes connected to the node that keeps the jobs. 0: nothing runs but what runs in the server.",
             "sum(madang_job_workers)", limits=((BAD, None), (GOOD, 1))),
    ]),
    ("Queues", [
        series("Waiting, by queue", "Growing: what is enqueued is more than the workers do.",
               ('sum by (queue) (madang_job_queue_depth{state="ready"}) or vector(0)', "{{queue}}")),
        series("Oldest, by queue", "How long the first of a queue has been due. One queue alone: no worker serves it, or it is paused.",
               ("max by (queue) (madang_job_queue_oldest_seconds) or vector(0)", "{{queue}}"), unit="s", limit=300),
        series("All, by state", "ready: due; scheduled: later; leased: with a worker; parked: waits for a limit or another job; dead.",
               ("sum by (state) (madang_job_queue_depth) or vector(0)", "{{state}}"), stacked=True),
    ]),
    ("Flow", [
        series("Enqueued and ended", "When more comes than ends, queues grow.",
               ("sum(rate(madang_jobs_enqueued_total[R]))", "enqueued"), (rate("madang_jobs_ended_total", "state"), "{{state}}"), unit="ops"),
        series("What went wrong", "Retries: tasks that failed; losses: workers that died or fell silent with a job; stale ends: a late "
               "worker's, refused; refused: requests.",
               ("sum(rate(madang_job_retries_total[R]))", "retries"), ("sum(rate(madang_job_losses_total[R]))", "losses"),
               ("sum(rate(madang_job_stale_ends_total[R]))", "stale ends"),
               ("sum(rate(madang_jobs_refused_total[R]))", "refused"), unit="ops"),
        series("Child processes that ended", "crash: a signal; memory: worker-max-memory; limit: a hard time limit; tasks, stop: as wanted.",
               (rate("madang_job_child_restarts_total", "reason"), "{{reason}}"), unit="ops"),
    ]),
    ("Times", [
        series("Until they begin", "From when a job is due to a worker having it.", *quantiles("madang_job_start_seconds"), unit="s"),
        series("How long they run", "One attempt. Longer than yesterday: what the task waits for is slow, or the machine is full.", *quantiles("madang_job_run_seconds"), unit="s"),
        series("Schedules", "From a schedule's time to its fire. Seconds: the node is overloaded, or the home of jobs moved.",
               *quantiles("madang_schedule_lag_seconds"), unit="s"),
    ]),
]

CLUSTER = [
    ("Now", [
        stat("Nodes", "The smallest number of nodes that a node sees up. Below cluster-size: one is gone, or they do not see each other.",
             "min(madang_cluster_nodes_up)"),
        stat("Quorum everywhere", "`no`: a node is with the smaller part of the cluster, or the view is just changing. Jobs are refused "
             "there.", "min(madang_cluster_quorum)", mapping=YES_NO),
        stat("Homes of jobs", "Nodes that keep the jobs: always 1, but for the moments in which it changes.",
             "sum(madang_job_home)", limits=((BAD, None), (GOOD, 1), (BAD, 2))),
    ]),
    ("Who sees whom", [
        series("Nodes up, as each sees it", "Lines that differ: the network is cut between some of them.",
               ("madang_cluster_nodes_up", I), ("max(madang_cluster_size)", "cluster-size")),
        series("Links", "One to each other node. Fewer: see `refused` and `ended` below, and the log's cluster.* lines.",
               ("madang_cluster_links", I)),
        series("Views", "Changes of who is in the cluster. Without a deploy there are none.",
               ("increase(madang_cluster_views_total[R])", I)),
    ]),
    ("Links", [
        series("Bytes", "Between nodes, before TLS.", (rate("madang_cluster_bytes_in_total"), I + " in"),
               (rate("madang_cluster_bytes_out_total"), I + " out"), unit="Bps"),
        series("Dropped", "Messages to other nodes lost for want of credit or a link, batches as one; subscribers were told of gaps. A node "
               "does not keep up: see its CPU, or raise cluster-credit-bytes.",
               (rate("madang_cluster_drops_total"), I), unit="ops", limit=1),
        series("Ended, by reason", "bye, stopped, replaced: in order; silent, stalled: nothing came or went for cluster-timeout; closed: the "
               "process died.", (rate("madang_cluster_link_ends_total", "reason"), "{{reason}}"), unit="ops"),
        series("Refused, by reason", "certificate, expired, tls: its certificate; version, shards, cluster: its settings.",
               (rate("madang_cluster_refused_total", "reason"), "{{reason}}"), unit="ops"),
    ]),
    ("Jobs", [
        series("Home", "Which node keeps the jobs.", ("madang_job_home", I), stacked=True),
        series("Sent on", "Requests about jobs that another node answers.", (rate("madang_job_calls_forwarded_total"), I), unit="ops"),
        series("Waiting for an answer", "Of those, the ones not answered yet.", ("madang_job_calls_away", I)),
        series("To move", "Jobs that lie on a node that does not keep them, on their way.", ("madang_jobs_to_move", I)),
    ]),
]

PLUGINS = [
    ("Handlers", [
        series("Time in handlers", "One call of a consumer's handler, or the events of one turn. Above handler-budget (50 ms) it is counted "
               "as slow.", *quantiles("madang_handler_seconds"), unit="s", limit=0.05),
        series("Slow, by plugin", "Handlers over their budget. An async handler must not block: make it sync, or a job.",
               (rate("madang_slow_handlers_total", "plugin"), "{{plugin}}"), unit="ops"),
        series("Failed, by plugin", "Calls that threw. The log's handler.failed, view.failed and plugin.rpc_failed lines say which and why.",
               (rate("madang_plugin_errors_total", "plugin"), "{{plugin}}"), unit="ops"),
        series("Loops busy with handlers", "Share of the loops' time that handlers take.",
               ("sum by (instance) (rate(madang_handler_seconds_sum[R])) / sum by (instance) (madang_loops)", I), unit="percentunit", limit=0.8),
    ]),
    ("Pool of sync consumers and views", [
        series("Waiting", "Calls that wait for a thread; at sync-queue their connections are not read.", ("madang_sync_queue", I)),
        series("Waiting time", "How long calls wait for a thread. A second is too long: raise sync-threads, or make them quicker.", *quantiles("madang_sync_wait_seconds"), unit="s", limit=1),
        series("Views", "Requests answered 504 (no reply in view-timeout) and 503 (pool full, or too many unanswered).",
               ("sum(rate(madang_view_timeouts_total[R]))", "504"), ("sum(rate(madang_view_refusals_total[R]))", "503"), unit="reqps"),
        series("Answers", "From a request's head to its answer.", *quantiles("madang_http_request_seconds"), unit="s"),
    ]),
    ("Background consumers and supervisors", [
        series("Running", "Background consumers that run; as many as the plugins bring.", ("madang_background_consumers", I)),
        series("Lost events", "Events to background consumers lost because too many waited (background-queue).",
               (rate("madang_background_drops_total"), I), unit="ops"),
        series("Restarts, by actor", "What a supervisor made anew. Again and again: the log says what fails.",
               (rate("madang_actor_restarts_total", "actor"), "{{actor}}"), unit="ops"),
    ]),
    ("Your backend", [
        series("Questions, by outcome", "result, error and disconnect are its answers; breaker_open: it failed and is left alone.",
               (rate("madang_proxy_requests_total", "outcome"), "{{outcome}}"), unit="reqps"),
        series("Answering time", "Of backends and key sets, failed requests too.", *quantiles("madang_http_fetch_seconds"), unit="s"),
        stat("Breakers open", "Backends that are left alone after failures. See whether they answer, and proxy-breaker-failures.",
             "sum(madang_proxy_breakers_open)", limits=((GOOD, None), (BAD, 1))),
    ]),
]

STORAGE = [
    ("Now", [
        stat("Accepts changes", "`no`: the disk is full or failed; the log's store.* lines say which. Nothing that is kept is accepted "
             "until then.", "min(madang_store_healthy)", mapping=YES_NO),
        stat("Least free space", "Of the nodes' data directories.", "min(madang_store_free_bytes)", unit="bytes"),
        stat("Waiting for a commit", "Requests handed to the store, in bytes; at store-queue-bytes they are refused.",
             "max(madang_store_queue_bytes)", unit="bytes"),
        stat("Commits", "Writes of the stores per second: each commits what had arrived.", "sum(rate(madang_store_commits_total[R]))", unit="wps"),
    ]),
    ("Disk", [
        series("Free space", "At the dashed figure (store-free-bytes) changes are refused: make room, or a larger disk.",
               ("madang_store_free_bytes", I), ("max(madang_store_free_limit_bytes)", "store-free-bytes"), unit="bytes"),
        series("Write", "One write of the store.", *quantiles("madang_store_commit_seconds"), unit="s"),
        series("Sync", "One fsync of its log. Above a second: the disk is too slow or shared; synced jobs and publications wait for it.",
               *quantiles("madang_store_sync_seconds"), unit="s", limit=1),
    ]),
    ("Work", [
        series("Changes", "Changes that were applied.", (rate("madang_store_changes_total"), I), unit="ops"),
        heat("Requests in one write", "The more, the better the disk's time is shared.", "madang_store_batch_requests", unit="short"),
        series("Queue", "Requests handed over and not yet committed.", ("madang_store_queue_bytes", I), unit="bytes"),
    ]),
    ("What went wrong", [
        series("Refused, by reason", "busy: store-queue-bytes is reached; storage_full: the disk.",
               (rate("madang_store_refused_total", "reason"), "{{reason}}"), unit="ops"),
        series("Keys forgotten", "Idempotency keys that a store in memory forgot early: raise store-keys, or give a data-dir.",
               (rate("madang_store_keys_forgotten_total"), I), unit="ops"),
        series("Backups", "Of the running store, by outcome.", ("sum by (outcome) (increase(madang_store_backups_total[R]))", "{{outcome}}")),
    ]),
]

DASHBOARDS = [
    ("overview", "Madang: overview", "Is all well, and if not, where to look.", OVERVIEW),
    ("connections", "Madang: connections and groups", "Who is connected, what groups carry, who does not keep up.", CONNECTIONS),
    ("streams", "Madang: streams", "Client sessions, history, presence, and streams that move between nodes.", STREAMS),
    ("jobs", "Madang: jobs", "Queues, workers, schedules.", JOBS),
    ("cluster", "Madang: cluster", "Who sees whom, what goes between nodes, who keeps the jobs.", CLUSTER),
    ("plugins", "Madang: plugins", "Handlers, views, background consumers, and your backend.", PLUGINS),
    ("storage", "Madang: storage", "The store and its disk.", STORAGE),
]
