#include "broker/cluster/beat_codec.hpp"

#include <type_traits>
#include <utility>

namespace madang {
namespace {

constexpr std::uint8_t version = 1;

class writer {
  public:
    template <class Integer>
    writer& number(Integer value) {
        for (std::size_t i = sizeof value; i-- > 0;) into_ += static_cast<char>((value >> (8 * i)) & 0xff);
        return *this;
    }
    writer& text(std::string_view what) {
        number(static_cast<std::uint16_t>(what.size()));
        into_ += what;
        return *this;
    }
    writer& state(node_state what) { return number(static_cast<std::uint8_t>(what)); }
    writer& node(const node_id& who) { return text(who.name).number(who.incarnation); }
    template <class Write>
    writer& record(Write&& fields) {
        const auto begin = into_.size();
        number(std::uint32_t{0});
        fields();
        const auto size = into_.size() - begin - 4;
        for (std::size_t i = 0; i < 4; ++i)
            into_[begin + i] = static_cast<char>((size >> (24 - 8 * i)) & 0xff);
        return *this;
    }
    template <class Item, class Write>
    writer& list(const std::vector<Item>& items, Write&& fields) {
        number(static_cast<std::uint32_t>(items.size()));
        for (const auto& each : items) record([&] { fields(each); });
        return *this;
    }
    std::string take() { return std::move(into_); }

  private:
    std::string into_;
};

// Reads from the front. Once something was wrong, all is zero and empty, and `wrong` names the first of it.
class reader {
  public:
    explicit reader(std::string_view bytes) noexcept : left_(bytes) {}

    template <class Integer>
    Integer number(const char* field) noexcept {
        Integer value = 0;
        for (const char each : raw(sizeof value, field))
            value = static_cast<Integer>((std::uint64_t{value} << 8) | static_cast<unsigned char>(each));
        return value;
    }
    std::string text(std::size_t most, const char* field) {
        const auto size = number<std::uint16_t>(field);
        if (size > most) refuse(field);
        return std::string(raw(size, field));
    }
    std::string name(const char* field) {
        auto found = text(64, field);
        if (!is_node_name(found)) refuse(field);
        return found;
    }
    std::string name_or_nothing(const char* field) {
        auto found = text(64, field);
        if (!found.empty() && !is_node_name(found)) refuse(field);
        return found;
    }
    node_id node(const char* field) {
        node_id who{name(field), 0};
        who.incarnation = number<std::uint64_t>(field);
        return who;
    }
    bool flag(const char* field) noexcept {
        const auto value = number<std::uint8_t>(field);
        if (value > 1) refuse(field);
        return value == 1;
    }
    node_state state(node_state most, const char* field) noexcept {
        const auto value = number<std::uint8_t>(field);
        if (value > static_cast<std::uint8_t>(most)) refuse(field);
        return static_cast<node_state>(value);
    }
    std::uint32_t count(std::size_t most, const char* field) noexcept {
        const auto value = number<std::uint32_t>(field);
        if (value > most) refuse(field);
        return wrong_ ? 0 : value;
    }
    template <class Read>
    void record(const char* field, Read&& fields) {
        reader inner(raw(number<std::uint32_t>(field), field));
        if (wrong_) return;
        fields(inner);
        wrong_ = inner.wrong_;
    }
    template <class Item, class Read>
    void list(std::vector<Item>& into, std::size_t most, const char* field, Read&& fields) {
        for (auto left = count(most, field); left > 0 && !wrong_; --left)
            record(field, [&](reader& in) {
                Item each = fields(in);
                const auto& name = name_of(each);
                if (!into.empty() && name_of(into.back()) >= name) in.refuse(field);
                into.push_back(std::move(each));
            });
    }
    void refuse(const char* field) noexcept {
        if (!wrong_) wrong_ = field;
        left_ = {};
    }
    const char* wrong() const noexcept { return wrong_; }

  private:
    static const std::string& name_of(const node_id& who) noexcept { return who.name; }
    template <class Item>
    static const std::string& name_of(const Item& what) noexcept {
        return what.who.name;
    }
    std::string_view raw(std::size_t size, const char* field) noexcept {
        if (size > left_.size()) refuse(field);
        if (wrong_) return {};
        const auto found = left_.substr(0, size);
        left_.remove_prefix(size);
        return found;
    }

    std::string_view left_;
    const char* wrong_ = nullptr;
};

cluster_view read_view(reader& in) {
    cluster_view view;
    view.number = in.number<std::uint64_t>("view number");
    view.proposer = in.name_or_nothing("proposer");
    in.list(view.members, beat_list_limit, "members", [](reader& from) {
        view_member each;
        each.who = from.node("member");
        each.state = from.state(node_state::dead, "member's state");
        each.address = from.text(beat_address_limit, "member's address");
        return each;
    });
    return view;
}

sighting read_sighting(reader& in, std::size_t& ids_left) {
    sighting seen;
    seen.who = in.node("sighting");
    seen.stamp = in.number<std::uint64_t>("sighting's stamp");
    seen.address = in.text(beat_address_limit, "sighting's address");
    seen.view = in.number<std::uint64_t>("sighting's view");
    seen.proposer = in.name_or_nothing("sighting's proposer");
    auto count = in.count(ids_left, "sighting's hears");
    ids_left -= count;
    for (; count > 0 && !in.wrong(); --count) {
        seen.hears.push_back(in.node("sighting's hears"));
        if (const auto n = seen.hears.size(); n > 1 && seen.hears[n - 2].name >= seen.hears[n - 1].name)
            in.refuse("sighting's hears");
    }
    return seen;
}

}  // namespace

std::string encode(const beat& what) {
    writer out;
    out.number(version)
        .node(what.from)
        .state(what.state)
        .number(static_cast<std::uint8_t>(what.vouches))
        .number(what.stamp)
        .text(what.address)
        .record([&] {
            out.number(what.view.number)
                .text(what.view.proposer)
                .list(what.view.members, [&](const view_member& each) {
                    out.node(each.who).state(each.state).text(each.address);
                });
        })
        .list(what.hears, [&](const heard_node& each) { out.node(each.who).number(each.stamp); })
        .list(what.removed, [&](const node_id& each) { out.node(each); })
        .list(what.others, [&](const sighting& each) {
            out.node(each.who).number(each.stamp).text(each.address).number(each.view).text(each.proposer);
            out.number(static_cast<std::uint32_t>(each.hears.size()));
            for (const auto& who : each.hears) out.node(who);
        });
    return out.take();
}

result<beat> decode_beat(std::string_view bytes) {
    if (bytes.size() > beat_bytes_limit) return fail(errc::bad_request, "size");
    reader in(bytes);
    if (in.number<std::uint8_t>("version") != version) in.refuse("version");
    beat what;
    what.from = in.node("from");
    what.state = in.state(node_state::left, "state");
    what.vouches = in.flag("vouches");
    what.stamp = in.number<std::uint64_t>("stamp");
    what.address = in.text(beat_address_limit, "address");
    in.record("view", [&](reader& from) { what.view = read_view(from); });
    in.list(what.hears, beat_list_limit, "hears", [](reader& from) {
        heard_node each{from.node("hears"), 0};
        each.stamp = from.number<std::uint64_t>("hears");
        return each;
    });
    in.list(what.removed, beat_list_limit, "removed", [](reader& from) { return from.node("removed"); });
    std::size_t ids_left = sighting_ids_limit;
    in.list(what.others, sightings_limit, "others",
            [&](reader& from) { return read_sighting(from, ids_left); });
    if (in.wrong()) return fail(errc::bad_request, in.wrong());
    return what;
}

}  // namespace madang
