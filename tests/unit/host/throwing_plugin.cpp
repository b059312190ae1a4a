// Breaks the ABI's first rule: throws from init.
#include <stdexcept>

#include "madang/abi.h"

namespace {
madang_plugin* init(madang_host*, const madang_host_api*) { throw std::runtime_error("thrown from init"); }
void destroy(madang_plugin*) {}
const madang_plugin_descriptor descriptor = {MADANG_ABI_MAGIC, sizeof(madang_plugin_descriptor),
                                             MADANG_ABI_MAJOR, MADANG_ABI_MINOR,
                                             "throws",         "1",
                                             nullptr,          init,
                                             destroy,          nullptr};
}  // namespace

extern "C" MADANG_EXPORT const madang_plugin_descriptor* madang_plugin_entry(void) { return &descriptor; }
