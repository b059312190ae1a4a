#include "broker/core/scope.hpp"

#include <cstring>
#include <limits>
#include <stdexcept>

namespace madang {

namespace {

template <class Offset>
std::size_t read_offset(const char* offsets, std::size_t index) noexcept {
    Offset value;
    std::memcpy(&value, offsets + index * sizeof(Offset), sizeof(Offset));
    return value;
}

}  // namespace

std::size_t scope::piece_count() const noexcept {
    std::size_t entries = 0;
    for (const auto count : counts_) entries += count;
    return scope_field_count + 2 * entries;
}

std::string_view scope::piece(std::size_t index) const noexcept {
    if (text_.empty()) return {};
    const auto offset = [&](std::size_t i) {
        return offset_size_ == sizeof(std::uint16_t) ? read_offset<std::uint16_t>(text_.data(), i)
                                                     : read_offset<std::uint32_t>(text_.data(), i);
    };
    const std::size_t begin = index == 0 ? 0 : offset(index - 1);
    return {text_.data() + piece_count() * offset_size_ + begin, offset(index) - begin};
}

std::string_view scope::get(scope_field field) const noexcept {
    return piece(static_cast<std::size_t>(field));
}

name_value scope::at(scope_list list, std::size_t index) const noexcept {
    std::size_t first = scope_field_count;
    for (std::size_t before = 0; before < static_cast<std::size_t>(list); ++before)
        first += 2 * counts_[before];
    return {piece(first + 2 * index), piece(first + 2 * index + 1)};
}

std::string_view scope::header(std::string_view lower_case_name) const noexcept {
    for (std::size_t i = 0; i < count(scope_list::headers); ++i) {
        const auto [name, value] = at(scope_list::headers, i);
        if (name == lower_case_name) return value;
    }
    return {};
}

void scope_builder::add(scope_list list, std::string_view name, std::string_view value) {
    auto& entries = lists_[static_cast<std::size_t>(list)];
    if (list == scope_list::headers && entries.empty()) entries.reserve(16);
    const piece kept = keep(name);
    entries.emplace_back(kept, keep(value));
    if (list != scope_list::headers) return;
    for (std::size_t i = kept.begin; i < kept.begin + kept.size; ++i)
        if (text_[i] >= 'A' && text_[i] <= 'Z') text_[i] = static_cast<char>(text_[i] - 'A' + 'a');
}

scope scope_builder::build() const {
    scope result;
    std::size_t pieces = scope_field_count;
    std::size_t total = 0;
    for (const auto& field : fields_) total += field.size;
    for (std::size_t i = 0; i < scope_list_count; ++i) {
        if (lists_[i].size() > std::numeric_limits<std::uint16_t>::max()) {
            throw std::length_error("more than 65535 entries in a list of a scope");
        }
        result.counts_[i] = static_cast<std::uint16_t>(lists_[i].size());
        pieces += 2 * lists_[i].size();
        for (const auto& [name, value] : lists_[i]) total += name.size + value.size;
    }
    if (total > std::numeric_limits<std::uint32_t>::max())
        throw std::length_error("a scope of more than 4 GiB");
    const bool narrow = total <= std::numeric_limits<std::uint16_t>::max();
    result.offset_size_ = narrow ? sizeof(std::uint16_t) : sizeof(std::uint32_t);
    const std::size_t offsets = pieces * result.offset_size_;
    result.text_.resize(offsets + total);
    char* offset = result.text_.data();
    char* const begin = offset + offsets;
    char* end = begin;
    const auto append = [&](piece p) {
        if (p.size != 0) std::memcpy(end, text_.data() + p.begin, p.size);
        end += p.size;
        const auto wide = static_cast<std::uint32_t>(end - begin);
        const auto low = static_cast<std::uint16_t>(wide);
        std::memcpy(offset, narrow ? static_cast<const void*>(&low) : &wide, result.offset_size_);
        offset += result.offset_size_;
    };
    for (const auto& field : fields_) append(field);
    for (const auto& list : lists_) {
        for (const auto& [name, value] : list) {
            append(name);
            append(value);
        }
    }
    return result;
}

}  // namespace madang
