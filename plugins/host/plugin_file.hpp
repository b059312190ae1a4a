// A shared library as a file: whether it may be loaded, and its descriptor.
#pragma once

#include <string>

#include "madang/abi.h"

namespace madang {

// Checks the file, then loads it (RTLD_NOW | RTLD_LOCAL), never to be unloaded: its code may be referred to
// for as long as the process lives. Null with one line in `error` that names the file and the reason.
// Refused: what cannot be read or is no regular file; a file that everybody may write, or in a directory
// where everybody may put another in its place; what does not load; what exports no madang_plugin_entry, or a
// descriptor that this server cannot use.
const madang_plugin_descriptor* load_plugin_file(const std::string& path, std::string& error);

}  // namespace madang
