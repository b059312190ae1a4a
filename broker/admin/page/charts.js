// The last hour in small charts. A chart is a slider over its samples: by pointer or arrow keys it tells one of them.
import { get } from "./api.js";
import { $, duration, make, morph } from "./dom.js";

const hour_ms = 3_600_000;
const [width, height] = [400, 100]; // of the drawing; it is stretched to where it stands

const plain = (value) => value.toLocaleString("en", { maximumSignificantDigits: value < 1000 ? 3 : 6, maximumFractionDigits: 3 });
const per_second = (value) => `${plain(value)}/s`;
const seconds = (value) => (value > 0 && value < 1 ? `${plain(value * 1e3)} ms` : duration(value * 1e3));
const charts_of = [
  ["Connections", plain, [["connections", "open"]]],
  ["Messages", per_second, [["messages_in", "in"], ["messages_out", "out"]]],
  ["Publications", per_second, [["publications", "published"], ["deliveries", "delivered"]]],
  ["Groups with members", plain, [["groups", "there"]]],
  ["Lost by full outboxes", per_second, [["outbox_drops", "lost"]]],
  ["Jobs ready", plain, [["jobs_ready", "ready"]]],
  ["Oldest ready job", seconds, [["jobs_oldest_s", "waits for"]]],
  ["Jobs ended", per_second, [["jobs_success", "success"], ["jobs_failure", "failure"], ["jobs_other", "other"]]],
  ["Turn of a loop, p99", seconds, [["turn_p99_s", "p99"]]],
  ["CPU", (value) => `${plain(value * 100)} %`, [["cpu", "of one core"]]],
  ["Memory", (value) => `${plain(value / 2 ** 20)} MiB`, [["memory_bytes", "resident"]]],
];

let data; // as the server told it last
let told = {}; // chart: the sample that is read of it

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter(Boolean));
  return element;
}

// 1, 2 or 5 times a power of ten.
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value * 0.999);
}

// A young server's samples take the whole width, too.
const span_ms = () => Math.min(hour_ms, Math.max(2 * 60_000, data.times.at(-1) - data.times[0]));
const x_of = (time, end) => ((time - end + span_ms()) / span_ms() * width).toFixed(1);

function path_of(values, top, end) {
  const { times, interval_ms } = data;
  return values.map((value, i) => {
    const begins = i === 0 || times[i] - times[i - 1] > 2.5 * interval_ms; // nothing was measured between
    return `${begins ? "M" : "L"}${x_of(times[i], end)} ${(height - value / top * (height - 2) - 1).toFixed(1)}${begins ? "h0" : ""}`;
  }).join("");
}

const clock = (ms) => new Date(ms).toTimeString().slice(0, 8);

function chart(index) {
  const [title, shown, lines] = charts_of[index];
  const { times, series } = data;
  const end = times.at(-1), last = times.length - 1;
  const all = lines.map(([key]) => series[key]);
  const most = Math.max(...all.flat()), top = ceiling(most);
  const at = Math.min(told[index] ?? last, last);
  const values = lines.map(([, name], line) => `${shown(all[line][at])} ${name}`);
  const summary = lines.map(([, name], line) =>
    `${name}: now ${shown(all[line][last])}, least ${shown(Math.min(...all[line]))}, most ${shown(Math.max(...all[line]))}`).join("; ");
  return make("figure", { class: "chart", "data-chart": String(index) },
    make("figcaption", {}, make("strong", {}, title), " ", make("span", { class: "soft" }, index in told ? clock(times[at]) : "now")),
    make("p", { class: "legend" }, lines.map(([, name], line) => [make("span", { class: `line_${line}` }, `${shown(all[line][at])} `),
      make("span", { class: "soft" }, name), " "])),
    make("div", { class: "plot", tabindex: "0", role: "slider", "aria-label": `${title}, the last hour`, "aria-valuemin": "0", "aria-valuemax": String(last),
                  "aria-valuenow": String(at), "aria-valuetext": `${clock(times[at])}: ${values.join(", ")}` },
      svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("path", { class: "grid", d: `M0 1H${width}M0 ${height / 2}H${width}M0 ${height - 1}H${width}` }),
        ...all.map((each, line) => svg("path", { class: `line line_${line}`, d: path_of(each, top, end) })),
        index in told && svg("path", { class: "at", d: `M${x_of(times[at], end)} 0V${height}` }))),
    make("p", { class: "axis soft", "aria-hidden": "true" }, make("span", {}, span_ms() === hour_ms ? "1 h ago" : `${Math.round(span_ms() / 60_000)} min ago`), make("span", {}, `scale to ${shown(top)}`), make("span", {}, "now")),
    make("p", { class: "for_readers" }, `${title} in the last hour: ${summary}.`));
}

function tell(figure, sample) {
  const index = Number(figure.dataset.chart), last = data.times.length - 1;
  if (sample === undefined) delete told[index];
  else told[index] = Math.max(0, Math.min(last, sample));
  morph(figure, chart(index));
}

// The sample that is nearest to where the pointer is.
function under(plot, clientX) {
  const box = plot.getBoundingClientRect();
  const time = data.times.at(-1) - span_ms() + (clientX - box.left) / box.width * span_ms();
  return data.times.reduce((best, each, i) => (Math.abs(each - time) < Math.abs(data.times[best] - time) ? i : best), 0);
}
const plot_of = (event) => event.target.closest?.(".plot");
function on_plot(type, act) {
  $("content").addEventListener(type, (event) => {
    const plot = plot_of(event);
    if (plot) act(plot, event);
  });
}
on_plot("pointermove", (plot, event) => tell(plot.parentElement, under(plot, event.clientX)));
on_plot("pointerdown", (plot, event) => tell(plot.parentElement, under(plot, event.clientX)));
on_plot("pointerout", (plot, event) => {
  if (!plot.contains(event.relatedTarget) && document.activeElement !== plot) tell(plot.parentElement);
});
on_plot("focusout", (plot) => tell(plot.parentElement));
on_plot("keydown", (plot, event) => {
  const last = data.times.length - 1, at = Math.min(told[plot.parentElement.dataset.chart] ?? last, last);
  const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + 30, PageDown: at - 30, Home: 0, End: last, Escape: undefined };
  if (!Object.hasOwn(to, event.key)) return;
  event.preventDefault();
  tell(plot.parentElement, to[event.key]);
});

export const charts = {
  title: () => "The last hour",
  every_ms: 10_000,
  async show() {
    const before = data?.times[0];
    data = await get("charts");
    if (!data.times.length) return make("p", { class: "soft" }, "Nothing is measured yet: the first sample comes about ten seconds after the server started.");
    const gone = before === undefined ? 0 : data.times.findIndex((each) => each >= before);
    if (gone !== 0) told = {}; // the server began anew
    return [make("p", { class: "soft" }, `Of this node, every ${data.interval_ms / 1000} s. Point at a chart, or focus it and use the arrow keys, to read a moment.`),
            make("div", { class: "charts" }, charts_of.map((_, index) => chart(index)))];
  },
};
