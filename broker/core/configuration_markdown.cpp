#include "broker/core/configuration.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/options_table.hpp"

namespace madang {

namespace {

constexpr std::string_view introduction = R"(# Configuration

Made from `broker/core/options_table.cpp`; do not edit. An option is given by flag, by environment or in a TOML file
(`--config FILE` or `MADANG_CONFIG`); the first of these that names it wins, otherwise the default holds. A wrong value,
an unknown key or a malformed file ends the program with a line that names the option, its place and the mend.

- **Flags**: `--listen 0.0.0.0:80`. Lists: repeat the flag, or separate by commas. Booleans: `--ws-deflate`,
  `--no-bundled`.
- **Environment**: `MADANG_LISTEN=0.0.0.0:80`. Lists are separated by commas; booleans are `true` or `false`. An unknown
  `MADANG_…` name is warned of.
- **File**: a key at the top level for each option (`listen = "0.0.0.0:80"`, `plugins = ["a.so", "b.so"]`), and a
  section `[plugin.ID]` for each plugin that has options of its own, which it receives as JSON. `[namespace.NAME]`
  and `[schedule.NAME]` are described below.
- **Sizes** are bytes: `65536`, `64k`, `16M`, `1G` (powers of 1024). **Durations**: `500ms`, `10s`, `2m`, `1h`; a plain
  number counts milliseconds, or microseconds (`250us`) for `turn_time`.
- Bounds include both ends. Secrets are never printed.
- `/healthz` and `/readyz` answer on both listeners, so that a load balancer can ask where it sends people; metrics and
  the server API are on the internal one only.

```toml
listen = "0.0.0.0:8000"
trusted_proxies = ["10.0.0.0/8"]
ws_outbox_bytes = "256k"
ws_outbox_policy = "drop-oldest"

[plugin.chat]
cooldown_ms = 500
```
)";

constexpr std::string_view reloading = R"(
## Reloading

SIGHUP (`systemctl reload`) has the server read its file again; flags and environment are those of the start, and go before the
file as ever. What it takes up, it takes up without disturbing anybody:

)";

constexpr std::string_view reloading_end = R"(
Another path for a certificate, key or CA needs a restart, since it may switch TLS on or off: put the new file in the old one's place, or
have the path be a link. Whatever else changed needs a restart, too; the log names it (`config.restart_needed`), and what was taken up (`config.taken_up`). A
file that is wrong changes nothing. A certificate that cannot be used leaves the old one in force, beside what was taken up.
`config.reload_failed` says why, in both cases. API keys: requests are judged by the new ones at once, and who is signed in to
the admin page stays so while the key is one that may read, with the rights that it has by then.
)";

constexpr std::string_view schedules = R"(
## Schedules

A `[schedule.NAME]` section says what is enqueued again and again: a signature's members and when, as in
[jobs.md](jobs.md#schedules). The file's schedule is stronger than one of the same name that a plugin brings or the API
has put; a file that does not name it any more takes it away at the next start. `enabled = false` keeps it and its last
fire, and stops it. A wrong schedule (no such date, an unknown time zone, a malformed signature) ends the program like
any wrong value.

```toml
[schedule.nightly-report]
task = "reports.build"
cron = "30 2 * * *"
timezone = "Europe/Berlin"
args = ["Last night", 20]
overlap = "skip"

[schedule.tidy-up]
task = "reports.tidy"
every = "30s"
```
)";

std::string code(std::string_view text) { return text.empty() ? "" : "`" + std::string(text) + "`"; }

}  // namespace

std::string configuration_markdown() {
    std::string out(introduction);
    const options defaults;
    std::string_view group;
    for (const auto& row : option_table()) {
        if (row.group != group) {
            group = row.group;
            out.append("\n## ").append(group).append(
                "\n\n| flag | environment | key | default | meaning |\n|---|---|---|---|---|\n");
        }
        std::string meaning(row.help);
        meaning += '.';
        if (const auto range = row.range(); !range.empty())
            meaning.append(" Bounds: ").append(range).append(".");
        if (!row.rules.zero.empty())
            meaning.append(row.range().empty() ? " Empty: " : " 0: ").append(row.rules.zero).append(".");
        if (!row.rules.limit.empty()) meaning.append(" Beyond: ").append(row.rules.limit).append(".");
        if (!row.reload().empty()) meaning.append(" On SIGHUP: ").append(row.reload()).append(".");
        const bool boolean = row.kind() == "BOOLEAN";
        const auto flag = boolean ? row.flag() + "`, `--no-" + std::string(row.name)
                                  : row.flag() + " " + std::string(row.kind());
        out.append("| ").append(code(flag)).append(" | ").append(code(row.environment_name())).append(" | ");
        out.append(code(row.key())).append(" | ").append(code(show_option(defaults, row))).append(" | ");
        out.append(meaning).append(" |\n");
    }
    out.append(reloading);
    for (const auto& row : option_table())
        if (!row.reload().empty())
            out.append("- ").append(code(row.key())).append(": ").append(row.reload()).append("\n");
    out.append("- `[namespace.NAME]`: as [below](#namespaces)\n").append(reloading_end);
    return out + namespaces_markdown() + std::string(schedules);
}

}  // namespace madang
