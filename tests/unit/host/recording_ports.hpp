// Fakes of the host's ports that remember what they were asked.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/host/ports.hpp"

namespace madang {

struct recording_layer final : layer_port {
    madang_status group_send(std::string_view group, std::string_view type, const payload& event) override {
        calls.push_back("group " + std::string(group) + " " + std::string(type) + " " +
                        std::string(event.bytes()));
        return MADANG_OK;
    }
    madang_status channel_send(std::string_view channel, std::string_view, const payload&) override {
        if (channel == "throw") throw std::runtime_error("full");
        return MADANG_NOT_FOUND;
    }
    std::uint64_t now_ms() const noexcept override { return 42; }
    std::vector<std::string> calls;
};

struct recording_connection final : connection_port {
    const scope& get_scope() const noexcept override { return known; }
    std::string_view channel() const noexcept override { return "specific.1!a"; }
    madang_status accept(std::string_view subprotocol, std::span<const name_value> headers) override {
        calls.push_back("accept " + std::string(subprotocol) + " " + std::to_string(headers.size()));
        return MADANG_OK;
    }
    madang_status close(std::uint16_t code, std::string_view reason) override {
        calls.push_back("close " + std::to_string(code) + " " + std::string(reason));
        return MADANG_OK;
    }
    madang_status send(madang_frame, const payload& message) override {
        if (message.bytes() == "throw") throw std::bad_alloc();
        sent.push_back(message);
        return MADANG_OK;
    }
    madang_status group_add(std::string_view, madang_delivery) override { return MADANG_OK; }
    madang_status group_discard(std::string_view) override { return MADANG_OK; }
    madang_status timer_start(std::uint64_t, std::uint64_t, std::uint64_t) override { return MADANG_BUSY; }
    void timer_cancel(std::uint64_t) override { throw std::runtime_error("no"); }
    void report_error(std::string_view where, std::string_view what) override {
        calls.push_back(std::string(where) + ": " + std::string(what));
    }
    scope known = [] {
        scope_builder b;
        b.set(scope_field::path, "/ws/");
        b.add(scope_list::headers, "host", "a");
        return b.build();
    }();
    std::function<void(std::function<void()>)> poster() override {
        return [this](std::function<void()> fn) { posted.push_back(std::move(fn)); };
    }
    std::optional<publication> current_publication() const override { return current; }
    std::vector<std::string> calls;
    std::vector<payload> sent;
    std::vector<std::function<void()>> posted;
    std::optional<publication> current;
};

}  // namespace madang
