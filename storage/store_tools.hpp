// What is done with a data folder from outside of a server, while none uses it.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "broker/core/result.hpp"

namespace madang {

// Changes nothing. Reads all files against their checksums and all records, and holds streams and
// publications together; a line to `told` for each damaged record, and a summary. storage_failed: something
// is damaged.
result<void> check_store(const std::filesystem::path& data_dir, std::ostream& told);
// Changes nothing. Every record as a JSON object on a line of its own, column by column, in key order.
result<void> dump_store(const std::filesystem::path& data_dir, std::ostream& to);
// `to` must not exist.
result<void> back_up_store(const std::filesystem::path& data_dir, const std::filesystem::path& to);
// `data_dir` must not exist or be empty. Checks the copy first.
result<void> restore_store(const std::filesystem::path& from, const std::filesystem::path& data_dir);

}  // namespace madang
