#include "storage/facts.hpp"

#include "storage/bytes.hpp"

namespace madang {
namespace {

constexpr std::string_view generation_key = "generation";

}  // namespace

result<generation> load_generation(const kv_view& from) {
    const auto value = from.get(column::facts, generation_key);
    if (!value) return value.error();
    if (!*value) return generation{};
    byte_reader in(**value);
    generation what;
    what.number = in.number<std::uint32_t>();
    what.all_since = in.number<std::uint32_t>();
    what.buffered_since = in.number<std::uint32_t>();
    what.epoch = in.text32();
    if (!in.whole()) return fail(errc::storage_failed, "the record of generations is damaged");
    return what;
}

result<generation> begin_generation(kv& in, const generation& before, loss what, std::string epoch) {
    if (what == loss::none) return before;
    generation after = before;
    ++after.number;
    after.buffered_since = after.number;
    if (what == loss::of_all) after.all_since = after.number;
    after.epoch = std::move(epoch);
    std::string value;
    byte_writer(value)
        .number(after.number)
        .number(after.all_since)
        .number(after.buffered_since)
        .text32(after.epoch);
    const auto batch = in.new_batch();
    batch->put(column::facts, generation_key, value);
    if (auto done = in.commit(*batch); !done) return done.error();
    if (auto done = in.sync(); !done) return done.error();
    return after;
}

}  // namespace madang
