# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report as lines for a terminal, and as metrics for Prometheus. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.zeroinstall.virtualbox.plugins.module_utils._files import utc
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils import _words
from ansible_collections.zeroinstall.virtualbox.plugins.plugin_utils._report_attention import (
    NOTICE,
    PENDING,
    PROBLEM,
)

MOST = 10
"""Entries that are told in a terminal."""
LONGEST = 800
"""Characters of one of them."""
PREFIX = "zeroinstall_virtualbox_"
HEAD = "# Made by zeroinstall.virtualbox.report"
"""How the text of metrics begins."""
FAIL_ON = {"nothing": (), "problems": (PROBLEM,), "pending": (PROBLEM, PENDING)}
"""By the value of ``cache_report_fail_on``, the severities for which a run fails."""

Labels = t.Mapping[str, str]
_Sample = t.Tuple[Labels, t.Union[int, float]]


def lines(report: t.Mapping[str, t.Any]) -> list[str]:
    """The report in a few lines."""
    numbers = report["numbers"]
    states = ", ".join(f"{number} {state}" for state, number in numbers["states"].items() if number)
    first = f"{_words.count(numbers['hosts'], 'host')}, {numbers['hosts_read']} read"
    second = _words.count(numbers["guests"], "guest") + (f": {states}" if states else "")
    third = f"{_words.count(numbers['implementations'], 'package')}, {_words.size(numbers['bytes'])}"
    counted = (
        f"{_words.count(numbers['problems'], 'problem')}, {numbers['pending']} pending,"
        f" {_words.count(numbers['notices'], 'notice')}"
    )
    return [f"{first}; {second}; {third}", counted, *_words.first(list(map(line, report["attention"])), MOST)]


def line(one: t.Mapping[str, str]) -> str:
    """A thing that needs attention, in a line."""
    told = f"{one['severity']}: {one['guest'] or one['host']}: {one['text']} {one['remedy']}"
    return told if len(told) <= LONGEST else told[:LONGEST] + "…"


def failure(report: t.Mapping[str, t.Any], fail_on: str) -> str:
    """Why a run is to fail, or empty."""
    found = [one for one in report["attention"] if one["severity"] in FAIL_ON[fail_on]]
    if not found:
        return ""
    return " ".join(_words.first(list(map(line, found)), MOST))


def metrics(report: t.Mapping[str, t.Any]) -> str:
    """The figures that one alerts on, in the text format of Prometheus.

    The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
    """
    numbers = report["numbers"]
    by_path = {
        (host["name"], store["path"]): store
        for host in report["hosts"]
        for store in host["stores"]
        if store["kind"] != "linked"
    }
    stores = [({"host": host, "store": path}, store) for (host, path), store in by_path.items()]
    severities = {PROBLEM: "problems", PENDING: "pending", NOTICE: "notices"}
    verified = [(labels, store["verified"]) for labels, store in stores if store["verified"]]
    families = [
        _family("report_timestamp_seconds", "When the report was made.", [({}, utc.seconds(report["made"]))]),
        _family("hosts", "Hosts of the report.", [({}, numbers["hosts"])]),
        _family("hosts_read", "Hosts that answered.", [({}, numbers["hosts_read"])]),
        _family(
            "guests",
            "Guests by state.",
            [({"state": state}, number) for state, number in numbers["states"].items()],
        ),
        _family(
            "attention",
            "Things that need attention, by severity.",
            [({"severity": severity}, numbers[key]) for severity, key in severities.items()],
        ),
        _family("strays", "Machines that share something and are no guest's.", [({}, numbers["strays"])]),
        _family("saved_bytes", "What guests would need more without sharing.", [({}, numbers["bytes_saved"])]),
        _family("unneeded_bytes", "What no program needs any more.", [({}, numbers["bytes_unneeded"])]),
        _family("store_bytes", "What a store takes of the disk.", [(at, one["bytes"]) for at, one in stores]),
        _family(
            "store_implementations",
            "Implementations in a store.",
            [(labels, store["implementations"]) for labels, store in stores],
        ),
        _family(
            "store_quarantined",
            "Implementations that wait in the quarantine.",
            [(labels, len(store["quarantine"])) for labels, store in stores],
        ),
        _family(
            "store_unsound",
            "Implementations that the last verification found corrupt or could not read.",
            [(at, sum(each["status"] != "exposed" for each in one["findings"])) for at, one in verified],
        ),
        _family(
            "store_verified_timestamp_seconds",
            "When the last verification ended.",
            [(labels, utc.seconds(one["at"])) for labels, one in verified],
        ),
    ]
    return "".join([f"{HEAD}\n", *families])


def _family(name: str, text: str, samples: t.Iterable[_Sample]) -> str:
    told = [f"{PREFIX}{name}{_labels(labels)} {value}\n" for labels, value in samples]
    return "".join([f"# HELP {PREFIX}{name} {text}\n", f"# TYPE {PREFIX}{name} gauge\n", *told])


def _labels(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
