"""How much of every provider may be used just now: what was learnt, beside what was configured."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferpoint.calls.calls import Calls
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError
from inferpoint.model.quota import Allowance, BreakerReport, GroupReport, Lane
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.ticket import RateLimiter


@dataclass(frozen=True)
class Quota:
    """A rate group: how it stands, the endpoints whose calls it counts, and the breakers of their addresses.

    The state of an address is there if it was called of late.
    """

    standing: GroupReport
    inference_ids: Sequence[str]
    breakers: Mapping[str, str]


async def groups(limiter: RateLimiter, endpoints: Sequence[Resolved]) -> Sequence[GroupReport]:
    """The groups that some of *endpoints* called in: those of one that is gone, or never came to be, say nothing."""
    inference_ids = {resolved.endpoint.inference_id for resolved in endpoints}
    own = {resolved.group for resolved in endpoints}
    reports = await limiter.groups()
    return [report for report in reports if report.group in own or report.endpoint in inference_ids]


async def quotas(endpoints: Sequence[Resolved], calls: Calls, outbound: Outbound) -> Sequence[Quota]:
    """The group of every endpoint, and those of other models that its callers asked for."""
    known = {report.group: report for report in await groups(outbound.limiter, endpoints)}
    breakers = outbound.breakers.states()
    users: dict[str, list[Resolved]] = {}
    for resolved in endpoints:
        users.setdefault(resolved.group, []).append(resolved)
    used = [
        Quota(
            known.pop(group, None) or _unused(own[0]),
            [resolved.endpoint.inference_id for resolved in own],
            _breakers(own, calls, breakers),
        )
        for group, own in users.items()
    ]
    return [*used, *(Quota(report, (report.endpoint,), {}) for report in known.values())]


def _unused(resolved: Resolved) -> GroupReport:
    """A group without a call so far."""
    nobody, never = dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0.0)
    return GroupReport(resolved.group, resolved.service.name, resolved.rate, Allowance(), 0.0, "", nobody, never)


def _breakers(endpoints: Sequence[Resolved], calls: Calls, reports: Sequence[BreakerReport]) -> Mapping[str, str]:
    """The states of the addresses that *endpoints* of one group call: for all who cannot reach one, else for them."""
    group = endpoints[0].group
    addresses = {_address(resolved, calls) for resolved in endpoints} if reports else set[str]()
    states = {report.address: report.state for report in reports if report.group == group}
    states |= {report.address: report.state for report in reports if not report.group and report.state != "closed"}
    return {address: states[address] for address in sorted(addresses) if address in states}


def _address(resolved: Resolved, calls: Calls) -> str:
    with contextlib.suppress(InferenceError):  # one that cannot be called has none
        return calls.address(resolved, resolved.probe)
    return ""
