"""The forms of Grafana's dashboards (schema 38: Grafana 10 and 11), so that contents.py says only what a panel shows.

In an expression every metric of Madang's gets the selectors of the variables `job` and `instance`, and `[R]` is the time that
Grafana holds right for a rate.
"""
import re

METRIC = re.compile(r"\b((?:madang|process)_[a-z0-9_]+|up)\b(?![(:])(\{[^}]*\})?")
CHOSEN = 'job=~"$job",instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
ROW_WIDTH = 24
STAT_HEIGHT, SERIES_HEIGHT = 4, 8
GOOD, WARN, BAD = "green", "orange", "red"


def chosen(expression):
    def one(match):
        own = (match.group(2) or "{}")[1:-1]
        return match.group(1) + "{" + ",".join(filter(None, [CHOSEN, own])) + "}"
    return METRIC.sub(one, expression).replace("[R]", "[$__rate_interval]")


def rate(metric, by="instance"):
    return f"sum by ({by}) (rate({metric}[R]))"


def quantile(q, metric, by="instance"):
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[R])))"


def steps(limits):
    """limits: (colour, from) in order; the first begins below everything."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in limits]}


def targets(queries):
    return [{"datasource": SOURCE, "editorMode": "code", "expr": chosen(expression), "legendFormat": legend,
             "range": True, "refId": chr(ord("A") + i)} for i, (expression, legend) in enumerate(queries)]


def stat(title, says, expression, unit="short", limits=((GOOD, None),), mapping=None):
    """One number. mapping: {value: (text, colour)}."""
    options = {str(value): {"text": text, "color": colour} for value, (text, colour) in (mapping or {}).items()}
    defaults = {"unit": unit, "thresholds": steps(limits), "color": {"mode": "thresholds"},
                "mappings": [{"type": "value", "options": options}] if options else []}
    return {"type": "stat", "title": title, "description": says, "datasource": SOURCE, "targets": targets([(expression, "")]),
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {"colorMode": "value", "graphMode": "none" if mapping else "area", "justifyMode": "auto", "textMode": "auto",
                        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
            "gridPos": {"h": STAT_HEIGHT}}


def series(title, says, *queries, unit="short", limit=None, stacked=False):
    """Lines over time; queries: (expression, legend). limit: a dashed line where it gets dangerous."""
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 30 if stacked else 8,
              "showPoints": "never", "spanNulls": False, "axisSoftMin": 0,
              "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "off" if limit is None else "dashed"}}
    return {"type": "timeseries", "title": title, "description": says, "datasource": SOURCE, "targets": targets(queries),
            "fieldConfig": {"defaults": {"unit": unit, "custom": custom, "color": {"mode": "palette-classic"},
                                         "thresholds": steps([(GOOD, None)] + ([] if limit is None else [(BAD, limit)]))},
                            "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                        "tooltip": {"mode": "multi", "sort": "desc"}},
            "gridPos": {"h": SERIES_HEIGHT}}


def heat(title, says, metric, unit="s"):
    """How a histogram's observations are spread, over time."""
    query = targets([(f"sum by (le) (increase({metric}_bucket[R]))", "{{le}}")])
    query[0]["format"] = "heatmap"
    return {"type": "heatmap", "title": title, "description": says, "datasource": SOURCE, "targets": query,
            "fieldConfig": {"defaults": {"custom": {"scaleDistribution": {"type": "linear"}}}, "overrides": []},
            "options": {"calculate": False, "cellGap": 1, "yAxis": {"unit": unit, "axisPlacement": "left"},
                        "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64,
                                  "reverse": False},
                        "filterValues": {"le": 1e-9}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
                        "tooltip": {"show": True, "yHistogram": False}},
            "gridPos": {"h": SERIES_HEIGHT}}


def placed(rows):
    """rows: (title, panels). Each begins a line of its own; up to four panels, or six numbers, share its line, more fill lines of
    three."""
    result, y = [], 0
    for title, panels in rows:
        result.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": ROW_WIDTH, "h": 1}})
        x, y, tallest = 0, y + 1, 0
        numbers = all(panel["type"] == "stat" for panel in panels)
        width = ROW_WIDTH // (len(panels) if len(panels) <= (6 if numbers else 4) else 3)
        for panel in panels:
            place = panel["gridPos"]
            if x + width > ROW_WIDTH:
                x, y, tallest = 0, y + tallest, 0
            place.update(x=x, y=y, w=width)
            x, tallest = x + width, max(tallest, place["h"])
            result.append(panel)
        y += tallest
    for number, panel in enumerate(result, 1):
        panel["id"] = number
    return result


def variable(name, label, metric_label, of):
    query = f"label_values({of}, {metric_label})"
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "hide": 0, "options": [], "regex": ""}


def dashboard(uid, title, says, rows):
    return {
        "uid": uid, "title": title, "description": says, "tags": ["madang"], "schemaVersion": 38, "version": 1, "editable": True,
        "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "fiscalYearStartMonth": 0, "liveNow": False, "timepicker": {}, "weekStart": "",
        "annotations": {"list": [
            {"name": "Starts", "enable": True, "iconColor": "blue", "datasource": SOURCE, "titleFormat": "{{instance}} started",
             "expr": chosen("changes(process_start_time_seconds[1m])") + " > 0", "step": "60s"}]},
        "links": [{"title": "Madang", "type": "dashboards", "tags": ["madang"], "asDropdown": True, "includeVars": True, "keepTime": True,
                   "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0,
             "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "", "skipUrlSync": False},
            variable("job", "Job", "job", "madang_build_info"),
            variable("instance", "Node", "instance", 'madang_build_info{job=~"$job"}')]},
        "panels": placed(rows)}
