"""The network of the nodes: either a network namespace for each node and a bridge, or 127.0.0.1 for all nodes."""

import os
import subprocess
from contextlib import suppress

from tests.faults.network_hosts import can_create_namespaces, ip


class LoopbackNetwork:
    """All nodes share 127.0.0.1, so no node can be cut off."""

    can_partition = False
    gateway = "127.0.0.1"
    """This machine's address, as the nodes see it."""

    def create(self) -> None:
        """Do nothing."""

    def destroy(self) -> None:
        """Do nothing."""

    def address(self, _node: int) -> str:
        """Return the address of a node."""
        return self.gateway

    def command_prefix(self, _node: int) -> list[str]:
        """Return the command prefix of a node. The prefix is empty, because all nodes share this machine."""
        return []

    def disconnect(self, node: int) -> None:
        """Raise NotImplementedError, because this network cannot cut off a node."""
        raise NotImplementedError(f"node {node} is on 127.0.0.1")

    def reconnect(self, node: int) -> None:
        """Raise NotImplementedError, because no node can be cut off."""
        raise NotImplementedError(f"node {node} is on 127.0.0.1")


class BridgedNetwork(LoopbackNetwork):
    """Each node is in a network namespace. A bridge connects the nodes and this machine."""

    can_partition = True

    def __init__(self, nodes: int) -> None:
        self._nodes, self._net = range(nodes), f"10.232.{os.getpid() % 250}"
        self._bridge, self.gateway = f"paybr{os.getpid() % 100_000}", f"{self._net}.1"

    def create(self) -> None:
        """Create the bridge, the namespaces and their links."""
        ip("link", "add", self._bridge, "type", "bridge")
        ip("address", "add", f"{self.gateway}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for node in self._nodes:
            namespace = self._namespace_name(node)
            ip("netns", "add", namespace)
            ip("link", "add", self._link_name(node), "type", "veth", "peer", "name", "eth0", "netns", namespace)
            ip("link", "set", self._link_name(node), "master", self._bridge)
            ip("-n", namespace, "address", "add", f"{self.address(node)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", namespace, "link", "set", device, "up")
            self.reconnect(node)

    def destroy(self) -> None:
        """Delete everything that `create` created. The caller has ended the processes of the nodes."""
        for node in self._nodes:
            subprocess.run(["ip", "netns", "delete", self._namespace_name(node)], check=False, capture_output=True)
            subprocess.run(["ip", "link", "delete", self._link_name(node)], check=False, capture_output=True)
        with suppress(subprocess.CalledProcessError):
            ip("link", "delete", self._bridge)

    def address(self, node: int) -> str:
        """Return the address of a node."""
        return f"{self._net}.{10 + node}"

    def command_prefix(self, node: int) -> list[str]:
        """Return the command prefix of a node. With this prefix, a command runs in the node's namespace."""
        return ["ip", "netns", "exec", self._namespace_name(node)]

    def disconnect(self, node: int) -> None:
        """Drop all packets from and to a node, without closing connections."""
        ip("link", "set", self._link_name(node), "down")

    def reconnect(self, node: int) -> None:
        """Stop dropping the packets from and to a node."""
        ip("link", "set", self._link_name(node), "up")

    def _namespace_name(self, node: int) -> str:
        return f"pay-{os.getpid()}-node{node}"

    def _link_name(self, node: int) -> str:
        return f"pay{os.getpid() % 100_000}n{node}"


def make_network(nodes: int) -> LoopbackNetwork:
    """Return a network that can cut off nodes, or a LoopbackNetwork if this process may not create namespaces."""
    return BridgedNetwork(nodes) if can_create_namespaces() else LoopbackNetwork()
