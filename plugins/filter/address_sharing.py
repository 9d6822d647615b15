# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: address_sharing
short_description: With whom a proxy shares an address
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Proxies that name the same C(mlflow_proxy_shared_address) take it over from each other, by keepalived, which has to
    know them by their own addresses.
options:
  _input:
    description: Inventory names of all proxies.
    type: list
    elements: str
    required: true
  here:
    description: Inventory name of the proxy that asks.
    type: str
    required: true
  shared:
    description: The address that each shares, such as C(192.0.2.10/24); empty for none.
    type: list
    elements: str
    required: true
  own:
    description: C(mlflow_proxy_address) of each, which may be a list.
    type: list
    elements: raw
    required: true
  reached:
    description: C(ansible_host) of each, which counts where the other is not given, and is an IP address.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show who shares this proxy's address
  ansible.builtin.debug:
    msg: "{{ ['proxy1', 'proxy2'] | mlops.mlflow.address_sharing('proxy1', shared, own, ['', '']) }}"
  vars:
    own: [192.0.2.1, 192.0.2.2]
    shared: [192.0.2.10/24, 192.0.2.10/24]
"""

RETURN = r"""
_value:
  description:
    - V(own) and V(peers), the addresses of this proxy and of the others that share the same; V(priority), as keepalived
      takes it; and V(problems), a line for each reason why they cannot.
  type: dict
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.plugin_utils.vrrp import Proxy, sharing


def address_sharing(names: list[str], here: str, shared: list[t.Any], own: list[t.Any], reached: list[t.Any]) -> t.Any:
    """Put together what is known of each proxy."""
    return sharing(here, map(Proxy, names, shared, own, reached))


class FilterModule:
    """The filter for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"address_sharing": address_sharing}
