"""The naive bot's job, with pyVmomi as its tutorials have it; a stock worker imports it in each horse."""

from __future__ import annotations

import os

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim
from slack_sdk import WebClient


def show_vm(name: str, channel: str) -> None:
    """Log in, walk through the machines until a name fits, read it property by property, post."""
    instance = SmartConnect(  # type: ignore[no-untyped-call]  # pyVmomi
        host=os.environ["BENCH_VCENTER_HOST"],
        port=int(os.environ["BENCH_VCENTER_PORT"]),
        user=os.environ["BENCH_VCENTER_USER"],
        pwd=os.environ["BENCH_VCENTER_PASSWORD"],
        disableSslCertValidation=True,
    )
    try:
        content = instance.RetrieveContent()
        view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
        vm = next(vm for vm in view.view if vm.name == name)
        text = "\n".join(
            (
                f"*{vm.name}*",
                f"Power: {vm.runtime.powerState}",
                f"Host: {vm.runtime.host.name}",
                f"Guest: {vm.config.guestFullName}",
                f"CPUs: {vm.config.hardware.numCPU}",
                f"Memory: {vm.config.hardware.memoryMB} MB",
                f"Address: {vm.guest.ipAddress}",
                f"Tools: {vm.guest.toolsRunningStatus}",
                f"Booted: {vm.runtime.bootTime}",
                f"Datastores: {', '.join(store.name for store in vm.datastore)}",
            )
        )
    finally:
        Disconnect(instance)  # type: ignore[no-untyped-call]  # pyVmomi
    slack = WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["ANDOCK_SLACK_API_URL"])
    slack.chat_postMessage(channel=channel, text=text)
