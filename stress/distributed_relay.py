"""A switch in user space that delays every frame: for kernels without netem.

    ip netns exec SWITCH python distributed_relay.py DELAY_SECONDS port0 port1 ...

Frames are passed on by their destination address, with the kernel's segmentation header, so that 64 KB segments stay
whole.
"""

from __future__ import annotations

import heapq
import select
import socket
import sys
import time

_SOL_PACKET, _PACKET_VNET_HDR, _HEADER = 263, 15, 10  # linux/if_packet.h, struct virtio_net_hdr
_RCVBUFFORCE = 33  # asm-generic/socket.h
_ALL = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING: our own frames come back to us


def relay(delay: float, ports: list[str]) -> None:
    """Pass frames on, for ever."""
    sockets = []
    for port in ports:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        link.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        link.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 1 << 26)
        link.bind((port, _ALL))
        sockets.append(link)
    where: dict[bytes, socket.socket] = {}
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    count = 0
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for link in select.select(sockets, [], [], timeout)[0]:
            frame, (_, _, kind, *_) = link.recvfrom(1 << 17)
            if kind == _OUTGOING:
                continue
            target, source = frame[_HEADER : _HEADER + 6], frame[_HEADER + 6 : _HEADER + 12]
            where[source] = link
            targets = [where[target]] if target in where else [other for other in sockets if other is not link]
            for other in targets:
                count += 1
                heapq.heappush(waiting, (time.monotonic() + delay, count, other, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, link, frame = heapq.heappop(waiting)
            link.send(frame)


if __name__ == "__main__":
    relay(float(sys.argv[1]), sys.argv[2:])
