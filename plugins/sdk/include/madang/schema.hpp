// JSON Schema (draft 7, by valijson) for a consumer's messages.
//
//     class OrderConsumer : public madang::SchemaConsumer<OrderConsumer> {
//       public:
//         static constexpr std::string_view schema = R"({"type": "object", "required": ["item"]})";
//         static constexpr auto on_violation = madang::OnViolation::keep;  // close is the default
//         void receive_json(const madang::json& order) override { … }      // only what fits the schema
//     };
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Without it valijson aborts the process where it should throw; it also includes <stdexcept> inside its
// namespace.
#ifndef VALIJSON_USE_EXCEPTIONS
#define VALIJSON_USE_EXCEPTIONS 1
#endif
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "madang/json.hpp"

namespace madang {

// After the answer: close with 1008, or keep the connection.
enum class OnViolation : std::uint8_t { close, keep };

// What does not fit a schema.
struct Violation {
    std::string field;    // JSON Pointer (RFC 6901); "" is the whole message
    std::string message;  // for people
};

// A compiled schema; any thread.
class Schema {
  public:
    // At most so many violations of one message are named, each in at most so many bytes: an answer to a bad
    // message must not be larger than need be.
    static constexpr std::size_t max_violations = 20;
    static constexpr std::size_t max_text_bytes = 200;  // of each text of a violation; longer ones end in "…"
    // std::regex recurses once per character: where the schema has a pattern, longer strings are violations.
    static constexpr std::size_t max_pattern_bytes = 4096;

    // Throws std::invalid_argument when it is no schema.
    explicit Schema(std::string_view text) {
        try {
            const json document = parse_json(text);
            has_pattern_ = uses_pattern(document);
            valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(document),
                                                    schema_);
        } catch (const std::exception& error) {
            throw std::invalid_argument(std::string("not a JSON Schema: ") + error.what());
        }
    }

    // Empty: it fits.
    std::vector<Violation> violations(const json& value) const {
        std::vector<Violation> found;
        if (has_pattern_) find_long_strings(value, "", found);
        if (!found.empty()) return found;
        valijson::ValidationResults results;
        valijson::Validator validator;
        if (validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(value), &results))
            return found;

        // valijson also says that an object failed because its member did; the member's own line is enough.
        std::vector<Violation> summaries;
        for (const auto& error : results) {
            Violation violation{pointer(error.context), error.description};
            if (const std::string name = quoted_after(error.description, "Missing required property '");
                !name.empty())
                violation.field += "/" + escaped(name);
            if (const std::string name =
                    quoted_after(error.description, "Object contains a property that could not");
                !name.empty())
                violation = {violation.field + "/" + escaped(name), "This property is not allowed."};
            auto& list = error.description.starts_with("Failed to validate") ? summaries : found;
            if (list.size() < max_violations) list.push_back(std::move(violation));
        }
        for (Violation& summary : summaries) {
            const bool explained = std::any_of(found.begin(), found.end(), [&](const Violation& violation) {
                return violation.field.starts_with(summary.field);
            });
            if (!explained && found.size() < max_violations) found.push_back(std::move(summary));
        }
        for (Violation& violation : found) {
            clip(violation.field);
            clip(violation.message);
        }
        return found;
    }

  private:
    static bool uses_pattern(const json& document) {
        if (document.is_object() && (document.contains("pattern") || document.contains("patternProperties") ||
                                     document.contains("format")))
            return true;
        if (!document.is_structured()) return false;
        return std::any_of(document.begin(), document.end(),
                           [](const json& part) { return uses_pattern(part); });
    }
    static void find_long_strings(const json& value, const std::string& where,
                                  std::vector<Violation>& found) {
        if (found.size() >= max_violations) return;
        if (value.is_string() && value.get_ref<const std::string&>().size() > max_pattern_bytes) {
            found.push_back(
                {where, "String should be no more than " + std::to_string(max_pattern_bytes) + " bytes."});
            clip(found.back().field);
        }
        if (!value.is_structured()) return;
        for (const auto& item : value.items()) {
            if (value.is_object() && item.key().size() > max_pattern_bytes) {
                found.push_back({where, "A property's name is too long."});
                clip(found.back().field);
                return;
            }
            find_long_strings(item.value(), where + "/" + escaped(item.key()), found);
        }
    }
    static std::string pointer(const std::vector<std::string>& context) {  // {"<root>", "[user]", "[0]"}
        std::string result;
        for (std::size_t i = 1; i < context.size(); ++i) {
            std::string_view step = context[i];
            if (step.starts_with('[') && step.ends_with(']')) step = step.substr(1, step.size() - 2);
            result += "/" + escaped(step);
        }
        return result;
    }
    static std::string escaped(std::string_view step) {  // RFC 6901 3
        std::string result;
        for (const char c : step) c == '~' ? result += "~0" : c == '/' ? result += "~1" : result += c;
        return result;
    }
    static std::string quoted_after(const std::string& text, std::string_view head) {  // … 'name'.
        if (!text.starts_with(head)) return {};
        const auto begin = head.ends_with('\'') ? head.size() : text.find(": '", head.size()) + 3;
        const auto end = text.rfind('\'');
        return begin <= end && end != std::string::npos ? text.substr(begin, end - begin) : std::string();
    }
    static void clip(std::string& text) {  // at a character of UTF-8
        if (text.size() <= max_text_bytes) return;
        std::size_t end = max_text_bytes;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
        text.resize(end);
        text += "…";
    }

    valijson::Schema schema_;
    bool has_pattern_ = false;
};

// See the head of this file. A violation, and a message that is not JSON, is answered
// {"error":[{"field":"/path","message":"…"},…]} with each field that is wrong.
template <class Derived, class Base = JsonConsumer>
class SchemaConsumer : public Base {
  public:
    static constexpr OnViolation on_violation = OnViolation::close;  // Derived may have its own
    // Derived::schema, compiled once. Throws std::invalid_argument when it is no schema.
    static const Schema& compiled_schema() {
        static const Schema schema(Derived::schema);
        return schema;
    }
    static void check_class() { compiled_schema(); }  // a wrong schema is refused when the plugin is loaded

    // Answered as a violation of the whole message.
    void receive_invalid(const Message&, std::string_view why) override { answer({{"", std::string(why)}}); }

  protected:
    // Calls receive_json with what fits.
    void receive_content(const json& content) override {
        const std::vector<Violation> violations = compiled_schema().violations(content);
        if (violations.empty()) {
            this->receive_json(content);
        } else {
            answer(violations);
        }
    }

  private:
    void answer(const std::vector<Violation>& violations) {
        json errors = json::array();
        for (const auto& [field, message] : violations)
            errors.push_back({{"field", field}, {"message", message}});
        this->send_json({{"error", std::move(errors)}});
        if constexpr (Derived::on_violation == OnViolation::close)
            this->close(1008, "the message does not fit the schema");
    }
};

}  // namespace madang
