/* The smallest plugin in C: answers every text with itself. */
#include <stdlib.h>

#include "madang/abi.h"

static const madang_host_api* host;

struct madang_consumer {
    madang_connection* connection;
};

static const madang_str nothing = {0, 0};

static madang_consumer* create(void* context, madang_connection* connection) {
    struct madang_consumer* made = malloc(sizeof *made);
    (void)context;
    if (made != NULL) made->connection = connection;
    return made;
}
static madang_status on_connect(madang_consumer* self) {
    return host->accept(self->connection, nothing, NULL, 0);
}
static madang_status on_receive(madang_consumer* self, madang_frame frame, madang_payload* payload) {
    return host->send_payload(self->connection, frame, payload);
}
static madang_status on_event(madang_consumer* self, madang_str type, madang_payload* payload) {
    (void)self, (void)type, (void)payload;
    return MADANG_FAILED;
}
static madang_status on_timer(madang_consumer* self, uint64_t id) {
    (void)self, (void)id;
    return MADANG_OK;
}
static madang_status on_disconnect(madang_consumer* self, uint16_t code) {
    (void)self, (void)code;
    return MADANG_OK;
}
static void on_destroy(madang_consumer* self) { free(self); }

static int instance;

static madang_plugin* init(madang_host* handle, const madang_host_api* api) {
    static const madang_consumer_class table = {
        .struct_size = sizeof table,
        .kind = MADANG_ASYNC,
        .name = {"CEcho", 5},
        .create = create,
        .connect = on_connect,
        .receive = on_receive,
        .event = on_event,
        .timer = on_timer,
        .disconnect = on_disconnect,
        .destroy = on_destroy,
    };
    static const madang_route_options options = {.struct_size = sizeof options};
    const madang_str pattern = {"/ws/c/", 6};
    host = api;
    return api->route_websocket(handle, pattern, &table, &options) == MADANG_OK ? (madang_plugin*)&instance
                                                                                : NULL;
}
static void destroy(madang_plugin* plugin) { (void)plugin; }
static const void* extension(madang_plugin* plugin, const char* name) {
    (void)plugin, (void)name;
    return NULL;
}

const madang_plugin_descriptor* madang_plugin_entry(void) {
    static const madang_plugin_descriptor descriptor = {
        .magic = MADANG_ABI_MAGIC,
        .struct_size = sizeof descriptor,
        .abi_major = MADANG_ABI_MAJOR,
        .abi_minor = MADANG_ABI_MINOR,
        .id = "c-echo",
        .version = "1.0.0",
        .summary = "An echo in C",
        .init = init,
        .destroy = destroy,
        .get_extension = extension,
    };
    return &descriptor;
}
