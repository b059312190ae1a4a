#include "storage/job_rows.hpp"

#include "storage/codec.hpp"

namespace madang {

std::optional<std::string> job_rows::get(column from, std::string_view key) const {
    const auto& changed = of(from);
    if (const auto found = changed.find(key); found != changed.end()) return found->second;
    return committed_.get(from, key).value();
}

void job_rows::change(column in, std::string key, std::optional<std::string> value) {
    bytes_ += key.size() + (value ? value->size() : 0) + 16;
    of(in).insert_or_assign(std::move(key), std::move(value));
}

void job_rows::scan(column from, std::string_view begin, std::string_view end,
                    const kv_view::visitor& see) const {
    const auto& changed = of(from);
    auto next = changed.lower_bound(begin);
    const auto last = begin < end ? changed.lower_bound(end) : next;
    bool more = true;
    const auto see_changed_before = [&](std::string_view key) {
        for (; more && next != last && next->first < key; ++next)
            if (next->second) more = see(next->first, *next->second);
    };
    committed_
        .scan(from, begin, end, direction::ascending,
              [&](std::string_view key, std::string_view value) {
                  see_changed_before(key);
                  if (more && (next == last || next->first != key)) more = see(key, value);
                  return more;
              })
        .value();
    for (; more && next != last; ++next)
        if (next->second) more = see(next->first, *next->second);
}

void job_rows::scan(column from, const std::string& prefix, const kv_view::visitor& see) const {
    scan(from, prefix, keys::end(prefix), see);
}

void job_rows::seal(kv_batch& into) const {
    for (const auto where : {column::job_rows, column::job_terms})
        for (const auto& [key, value] : of(where)) {
            if (value)
                into.put(where, key, *value);
            else
                into.remove(where, key);
        }
}

void job_rows::forget() {
    for (auto& each : changes_) each.clear();
    bytes_ = 0;
}

}  // namespace madang
